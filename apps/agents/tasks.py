"""Work of the registry that runs beside requests."""

from uuid import UUID

from celery import shared_task

from apps.agents.models import Connector
from apps.agents.services.connectors import push_changes
from apps.agents.services.indexing import count_terms, index_missing, refresh_vectors
from apps.agents.services.jobs import run_job, stalled_jobs
from apps.agents.services.mailing import send_waiting_mails
from apps.agents.services.review import keep_snapshot, remind_owners
from apps.agents.services.risk import read_fleet
from apps.agents.services.risk_policies import recalculate, stalled_recalculation
from apps.kit.embeddings import local_embedder, model_name


@shared_task(name="agents.refresh_vectors", queue="embeddings")
def refresh_agent_vectors() -> int:
    """Bring words and vectors up to date with the record; returns how many agents were embedded."""
    index_missing()
    return refresh_vectors(local_embedder().embed, model_name())


@shared_task(name="agents.count_terms")
def count_search_terms() -> int:
    """Count how many agents hold each word; returns how many agents were counted."""
    return count_terms()


@shared_task(name="agents.run_job")
def run_curation_job(job_id: str) -> int:
    """Do what is left of a bulk edit, an import or an undo; returns how many items."""
    return run_job(UUID(job_id))


@shared_task(name="agents.resume_jobs")
def resume_jobs() -> int:
    """Every minute: take up jobs whose worker died or whose message was lost."""
    stalled = stalled_jobs()
    for job_id in stalled:
        run_job(job_id)
    policy = stalled_recalculation()
    if policy is not None:
        recalculate(policy)
    return len(stalled)


@shared_task(name="agents.recalculate_risk")
def recalculate_risk(policy_id: str) -> int:
    """Bring every agent under a risk policy that was applied; returns how many were worked on."""
    return recalculate(UUID(policy_id))


@shared_task(name="agents.read_facts")
def read_facts() -> int:
    """Every ten minutes: read again what the record says of each agent's risk; returns how many agents."""
    return read_fleet()


@shared_task(name="agents.keep_quality")
def keep_quality() -> dict[str, int]:
    """Daily: write down how many agents stand in each queue."""
    return keep_snapshot()


@shared_task(name="agents.remind_owners")
def remind() -> int:
    """Daily: remind owners of agents they are asked to confirm."""
    return remind_owners()


@shared_task(name="agents.send_mails")
def send_mails() -> int:
    """At once after a reminder, and every minute: send the mails that are due; returns how many."""
    return send_waiting_mails()


@shared_task(name="agents.push_connectors")
def push_connectors() -> int:
    """Every minute: let each connector tell of agents that changed, by itself; returns how many connectors there are."""
    enabled = list(Connector.objects.filter(is_enabled=True).values_list("pk", flat=True))
    for pk in enabled:
        push_connector.apply_async([str(pk)], expires=60)
    return len(enabled)


@shared_task(name="agents.push_connector")
def push_connector(connector_id: str) -> int:
    """Returns how many agents were sent."""
    connector = Connector.objects.filter(pk=UUID(connector_id)).first()
    return push_changes(connector) if connector else 0

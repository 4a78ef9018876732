"""Taking a draft out of the register: one that nobody used, certified or registered."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent, State
from apps.agents.services.grants import end_grants
from apps.agents.services.registry import lock_agent
from apps.agents.signals import agent_changed
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, require_reason

CODE = "agents.draft.stays"


@transaction.atomic
def withdraw_draft(
    agent: Agent, *, actor: Principal, reason: str, untouched_since: int | None = None
) -> Agent:
    """Take a draft off the register; its history and its entries in the ledger stay, its keys open nothing.

    Raises Conflict saying why it stays: it is no draft any longer, it acted, or it was certified. `untouched_since` names
    the version of the record after which nobody may have changed it.
    """
    agent = lock_agent(agent, off_record_too=True)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    require_reason(reason, "Say why it is withdrawn")
    why = _why_it_stays(agent, untouched_since)
    if why:
        raise Conflict(f"{agent.name} stays: {why}.", code=CODE)
    end_grants(agent, actor=actor, reason=reason.strip())
    agent.withdrawn_at, agent.version = timezone.now(), agent.version + 1
    agent.slug = f"{agent.slug[:60]}-{agent.pk.hex[-6:]}"  # the name it had is free for another
    agent.save(update_fields=["withdrawn_at", "slug", "version", "updated_at"])
    Principal.objects.filter(pk=agent.principal_id).update(is_active=False)
    target, detail = ("agent", agent.pk), {"name": agent.name}
    record_act("agents.agent.withdrawn", actor=actor, target=target, reason=reason.strip(), detail=detail)
    agent_changed.send(sender=Agent, agent=agent, actor=actor, fields={"withdrawn_at"})
    return agent


def _why_it_stays(agent: Agent, untouched_since: int | None) -> str:
    if agent.withdrawn_at:
        return "it is withdrawn already"
    if agent.state != State.DRAFT:
        return f"it is {State(agent.state).label.lower()}, no draft"
    if agent.merged_into_id or agent.merged_from.exists():
        return "records were merged with it"
    if (
        agent.last_seen
        or agent.aliases.exists()
        or agent.observed_tools.exists()
        or agent.observed_models.exists()
    ):
        return "it has acted"
    certified = LedgerEntry.objects.filter(
        target_type="agent", target_id=str(agent.pk), action__startswith="compliance.certification."
    )
    if certified.exists():
        return "it was certified"
    if untouched_since is not None and agent.version != untouched_since:
        return "it was changed since it was made"
    return ""

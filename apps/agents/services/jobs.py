"""Work over many agents: planned and shown first, then done in steps that survive a killed process, undone for a day.

A step is one transaction over a few hundred agents. One transaction over all of them would hold every row
against telemetry's own writes for as long as the job lasts, and could show no progress. Every step of a job
carries the request id of the person who started it, so the ledger tells them as one act.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.agents.models import CurationItem, CurationJob
from apps.agents.services.rows import import_rows
from apps.agents.services.writing import write_edits
from apps.identity.audit import acting
from apps.identity.models import Principal
from apps.kit.errors import Conflict
from apps.kit.request_id import current_request_id, within_request

TASK = "agents.run_job"
STEP = 250
ITEM_COLUMNS = ["state", "agent", "before", "after", "version", "problems"]
UNDO_FOR = timedelta(days=1)
WORK: Mapping[str, Callable[[CurationJob, Sequence[CurationItem]], None]] = {
    CurationJob.Kind.BULK_EDIT: write_edits,
    CurationJob.Kind.UNDO: write_edits,
    CurationJob.Kind.IMPORT: import_rows,
}


@transaction.atomic
def start_job(job: CurationJob, *, actor: Principal, reason: str = "") -> CurationJob:
    """Begin what the preview showed. Starting twice is starting once."""
    job = _own(job, actor)
    if job.state == CurationJob.State.RUNNING:
        return job
    if job.state != CurationJob.State.PREVIEW:
        raise Conflict(
            f"{job.title} is {CurationJob.State(job.state).label.lower()}.", code="agents.job.not_in_preview"
        )
    job.state, job.reason, job.request_id = (
        CurationJob.State.RUNNING,
        reason or job.reason,
        current_request_id(),
    )
    job.save(update_fields=["state", "reason", "request_id"])
    transaction.on_commit(lambda: enqueue(job.pk))
    return job


@transaction.atomic
def cancel_job(job: CurationJob, *, actor: Principal) -> CurationJob:
    """Leave undone what is not done yet; what is done stays and can be undone."""
    job = _own(job, actor)
    if job.state not in (CurationJob.State.PREVIEW, CurationJob.State.RUNNING):
        raise Conflict(f"{job.title} is over.", code="agents.job.over")
    job.state = CurationJob.State.CANCELLED
    job.finished_at = timezone.now()
    job.save(update_fields=["state", "finished_at"])
    return job


@transaction.atomic
def undo_job(job: CurationJob, *, actor: Principal) -> CurationJob:
    """Start a job that gives every agent back what this one took, where nobody changed it again since, and withdraws the
    drafts that an import made, where nobody touched them since: their items have neither a before nor an after."""
    job = _own(job, actor)
    if not may_undo(job):
        raise Conflict(f"{job.title} can no longer be undone.", code="agents.job.cannot_be_undone")
    undo = CurationJob.objects.create(
        kind=CurationJob.Kind.UNDO, actor=actor, title=f"Undo: {job.title}"[:200], undoes=job, state=CurationJob.State.RUNNING,
        request_id=current_request_id(), reason=f"Undo of: {job.reason or job.title}",
    )  # fmt: skip
    done = job.items.filter(state=CurationItem.State.DONE, agent__isnull=False)
    CurationItem.objects.bulk_create(
        [
            CurationItem(
                job=undo,
                position=one.position,
                agent_id=one.agent_id,
                version=one.version,
                before=one.after if one.before else {},
                after=one.before,
            )
            for one in done
        ],
        batch_size=1000,
    )
    undo.total = undo.items.count()
    undo.save(update_fields=["total"])
    transaction.on_commit(lambda: enqueue(undo.pk))
    return undo


def may_undo(job: CurationJob) -> bool:
    """True within a day of its end, for what was done and is not undone yet."""
    over = job.state in (CurationJob.State.DONE, CurationJob.State.CANCELLED) and job.finished_at is not None
    recent = over and job.finished_at is not None and timezone.now() - job.finished_at < UNDO_FOR
    return recent and job.done > 0 and job.kind != CurationJob.Kind.UNDO and not hasattr(job, "undone_by")


def run_job(job_id: UUID, *, step: int = STEP) -> int:
    """Do the steps that are left; returns how many items were worked on. Two workers share no step."""
    worked = 0
    while done := advance_job(job_id, step=step):
        worked += done
    return worked


@transaction.atomic
def advance_job(job_id: UUID, *, step: int = STEP) -> int:
    """One step; 0 when nothing is left, or another worker is at it."""
    job = CurationJob.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=job_id).first()
    if job is None or job.state != CurationJob.State.RUNNING:
        return 0
    items = list(job.items.filter(state=CurationItem.State.WAITING).select_related("agent")[:step])
    if not items:
        job.state, job.finished_at = CurationJob.State.DONE, timezone.now()
        job.save(update_fields=["state", "finished_at"])
        return 0
    with within_request(job.request_id), acting(job.actor):
        WORK[job.kind](job, items)
    CurationItem.objects.bulk_create(  # one statement of values: several times faster than bulk_update's cases
        items, update_conflicts=True, unique_fields=["id"], update_fields=ITEM_COLUMNS
    )
    failed = sum(item.state == CurationItem.State.FAILED for item in items)
    CurationJob.objects.filter(pk=job.pk).update(
        done=F("done") + len(items) - failed, failed=F("failed") + failed, progressed_at=timezone.now()
    )
    return len(items)


def stalled_jobs() -> list[UUID]:
    """Jobs that run and have not moved for a minute: their worker died, or the broker lost them."""
    quiet = timezone.now() - timedelta(minutes=1)
    return list(
        CurationJob.objects.filter(state=CurationJob.State.RUNNING, progressed_at__lt=quiet).values_list(
            "pk", flat=True
        )
    )


def enqueue(job_id: UUID) -> None:
    """Wake a worker; where the broker is away, the minute's look for stalled jobs finds it."""
    try:
        current_app.send_task(TASK, [str(job_id)], retry=False)
    except OperationalError:
        return


def _own(job: CurationJob, actor: Principal) -> CurationJob:
    return CurationJob.objects.select_for_update(of=("self",)).visible_to(actor).get(pk=job.pk)

"""From telemetry to outcomes: what events and spans say of a run, read once each, whatever is killed in between.

The pipeline notes which spans of a batch say something, in the transaction that finishes the batch. A note goes in the
transaction that keeps what it says. A note at fault is tried alone, then set aside.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.activity.models import OutcomeNote
from apps.activity.outcomes.words import EVENT, OLDEST, OTLP, Told, heard, moment_told, of_attributes
from apps.activity.outcomes.writing import keep_outcomes
from apps.activity.pipeline.relatives import read_views, resolve_runs
from apps.activity.pipeline.reports import not_later_than_now
from apps.activity.pipeline.runner import is_away
from apps.activity.pipeline.step import SETTLE_AFTER
from apps.activity.pipeline.trace import Found, SpanView
from apps.agents.models import Agent
from apps.agents.services.discovery import Sighting, mark_seen, resolve_agents
from apps.identity.audit import acting_by_itself

logger = logging.getLogger(__name__)
AT_ONCE = 500
MOST_ATTEMPTS = 5


def read_notes() -> int:
    """Work off everything that waits; how many notes were read."""
    read = 0
    waiting = list(_waiting())
    while waiting:
        read += _read_or_narrow(waiting)
        waiting = list(_waiting(after=waiting[-1]))
    return read


def _waiting(after: int = 0) -> Iterable[int]:
    rows = OutcomeNote.objects.filter(failed_at=None, pk__gt=after).order_by("pk")
    return rows.values_list("pk", flat=True)[:AT_ONCE]


def _read_or_narrow(notes: Sequence[int]) -> int:
    """Read these notes together; where that fails, each by itself."""
    try:
        return _read(notes)
    except Exception as error:
        if is_away(error):
            raise
        if len(notes) == 1:
            logger.exception("outcome note %s could not be read", notes[0])
            _note_failure(notes[0], error)
            return 0
    return sum(_read_or_narrow([one]) for one in notes)


@transaction.atomic
def _read(notes: Sequence[int]) -> int:
    """One transaction: what the notes say is kept and they are gone, or nothing happened."""
    held = OutcomeNote.objects.select_for_update(skip_locked=True).filter(pk__in=notes, failed_at=None)
    span_ids = dict(held.values_list("pk", "span_id"))
    spans = read_views("id = ANY(%s)", [list(span_ids.values())]) if span_ids else []
    found = resolve_runs(spans)
    waiting = {span.id for span in spans if _waits(span, found[span.id])}
    done = [pk for pk, span_id in span_ids.items() if span_id not in waiting]
    ready = [(span, _sighting(span, found[span.id])) for span in spans if span.id not in waiting]
    with acting_by_itself():
        agents = resolve_agents(sighting for _, sighting in ready)
        heard = [told_by(span, agents[sighting], found[span.id]) for span, sighting in ready]
        keep_outcomes([told for told in heard if told])
        OutcomeNote.objects.filter(pk__in=done).delete()
        mark_seen(agents)
    return len(done)


def _waits(span: SpanView, found: Found) -> bool:
    """True while an ancestor may still come, for as long as a call would wait for it. Old telemetry waits for none."""
    age = timezone.now() - (span.ended_at or span.started_at)
    return span.signal == "span" and not found.complete and timedelta() <= age < SETTLE_AFTER


def _note_failure(pk: int, error: Exception) -> None:
    note = OutcomeNote.objects.get(pk=pk)
    note.attempts, note.error = note.attempts + 1, f"{type(error).__name__}: {error}"[:2000]
    note.failed_at = timezone.now() if note.attempts >= MOST_ATTEMPTS else None
    note.save(update_fields=["attempts", "error", "failed_at"])


def _sighting(span: SpanView, found: Found) -> Sighting:
    return Sighting(
        span.source_id,
        span.service_name,
        found.agent_name,
        found.declared_agent_id,
        seen_at=not_later_than_now(span.started_at),
    )


def told_by(span: SpanView, agent: Agent, found: Found) -> Told | None:
    """What a span or event says of a run; None when nothing of it can be used.

    The run is the conversation, or the trace where none is named, as for calls. An event is often sent days later: only
    `at` in its data says when the run was. A clock that is fast counts as now, a time
    before anything ran as none.
    """
    is_event = span.kind == "outcome"
    told = heard(span.attributes if is_event else of_attributes(span.attributes))
    run = found.conversation_id or span.trace_id.hex() or str(span.id)
    if not told.fields:
        return None
    at = moment_told(span.attributes.get("at")) if is_event else span.started_at
    at = not_later_than_now(at) if at is not None and at >= timezone.now() - OLDEST else None
    origin = EVENT if is_event else OTLP
    return Told(agent.pk, run, origin, not_later_than_now(span.ended_at or span.started_at), at, told.fields)

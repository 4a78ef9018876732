"""Spans that say what a run came to are noted for apps.activity.outcomes, in the transaction of their batch."""

from __future__ import annotations

from collections.abc import Iterable

from apps.activity.models import OutcomeNote
from apps.activity.outcomes.words import KEYS
from apps.activity.pipeline.trace import SpanView


def note_outcomes(spans: Iterable[SpanView]) -> None:
    """One query where there is any, none otherwise."""
    told = [one for one in spans if one.kind == "outcome" or not KEYS.isdisjoint(one.attributes)]
    if told:
        OutcomeNote.objects.bulk_create(OutcomeNote(span_id=span.id) for span in told)

"""Changing calls from outside the pipeline's own steps: what the rules above say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.activity.models import Outcome, ToolCall

SEVERITY = {
    Outcome.PENDING: 0,
    Outcome.ALLOWED: 1,
    Outcome.FLAGGED: 2,
    Outcome.ANOMALY: 3,
    Outcome.BLOCKED: 4,
    Outcome.VIOLATION: 5,
}


@dataclass(frozen=True)
class Verdict:
    """What somebody says of a call: an outcome, the reason in words, a stable code."""

    call_id: UUID
    outcome: str
    reason: str
    code: str


@transaction.atomic
def record_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Write verdicts; the gravest one of each call stands. Two queries for any number of calls."""
    if not verdicts:
        return
    now = timezone.now()
    calls = {call.pk: call for call in ToolCall.objects.filter(pk__in=[v.call_id for v in verdicts])}
    changed = []
    for verdict in verdicts:
        call = calls[verdict.call_id]
        if SEVERITY[Outcome(verdict.outcome)] > SEVERITY[Outcome(call.outcome)]:
            call.outcome, call.outcome_reason = verdict.outcome, verdict.reason
            call.outcome_code, call.judged_at = verdict.code, now
            changed.append(call)
    fields = ["outcome", "outcome_reason", "outcome_code", "judged_at"]
    ToolCall.objects.bulk_update(changed, fields, batch_size=500)

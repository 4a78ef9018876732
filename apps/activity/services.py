"""Changing calls from outside the pipeline's own steps: what the rules above say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from django.db import connection, transaction
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
EFFECT_JUDGE = "effect"  # says whether a call happened, whoever's it is
COLUMNS = ("id", "outcome", "outcome_reason", "outcome_code", "judged_at")
WRITE = """
UPDATE activity_toolcall c SET outcome = n.outcome, outcome_reason = n.reason, outcome_code = n.code,
  judged_at = n.at, verdicts = n.verdicts::jsonb
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
  AS n (id, outcome, reason, code, at, verdicts) WHERE c.id = n.id
"""


@dataclass(frozen=True)
class Verdict:
    """What a judge says of a call: an outcome, the reason in words, a stable code.

    A judge's word replaces what the same judge said of the call before, whatever it was: a call first
    taken for a violation that turns out to have been refused is blocked. Among judges the gravest stands.
    """

    call_id: UUID
    outcome: str
    reason: str
    code: str
    judge: str = "rules"


@transaction.atomic
def record_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Write verdicts. Two queries for any number of calls.

    The pipeline and the scoring job both judge: the rows are locked, or one would write over what the other said.
    """
    if not verdicts:
        return
    rows = ToolCall.objects.only("outcome", "outcome_reason", "outcome_code", "judged_at", "verdicts")
    locked = rows.select_for_update().among(v.call_id for v in verdicts).order_by("pk")
    calls = {call.pk: call for call in locked}
    for verdict in verdicts:
        if verdict.call_id not in calls:
            continue  # it was joined with another call meanwhile
        calls[verdict.call_id].verdicts[verdict.judge] = [verdict.outcome, verdict.reason, verdict.code]
    for call in calls.values():
        stand_gravest(call)
    _write(list(calls.values()))


@transaction.atomic
def refuse_calls(calls: Sequence[ToolCall]) -> None:
    """Chancery itself refused these calls: that outranks what telemetry makes of a refusal. One query."""
    for call in calls:
        call.status, call.is_refused = ToolCall.Status.DENIED, True
    ToolCall.objects.bulk_update(calls, ["status", "is_refused"])


def _write(calls: Sequence[ToolCall]) -> None:
    told = [[getattr(call, name) for call in calls] for name in COLUMNS]
    verdicts = [orjson.dumps(call.verdicts).decode() for call in calls]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [*told, verdicts])


def stand_gravest(call: ToolCall) -> None:
    """Let the gravest of a call's verdicts be its outcome. Writes nothing."""
    if not call.verdicts:
        return
    gravest = max(call.verdicts.values(), key=lambda said: SEVERITY[Outcome(said[0])])
    if [call.outcome, call.outcome_reason, call.outcome_code] != gravest:
        call.outcome, call.outcome_reason, call.outcome_code = gravest
        call.judged_at = timezone.now()

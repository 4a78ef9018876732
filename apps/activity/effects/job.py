"""One run: calls of the feed become rows that wait, rows that are due are looked at and, where it can be told, judged.

What waits stands in the table, so a killed process loses nothing. Whoever looks at a row puts it off first, in a
transaction of its own that passes over what another holds; addresses are asked outside of any transaction; what was found
is written with the calls, their verdicts and alerts and their place in the feed, or not at all. A row that was judged
meanwhile is left: twice is the same as once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from apps.activity.behaviour.alerts import Alarm, open_alerts
from apps.activity.behaviour.rules import rules_for
from apps.activity.behaviour.surprise import WIDEST, Surprise
from apps.activity.effects.asking import Question, ask_all, question_of
from apps.activity.effects.content import kept_value
from apps.activity.effects.enlisting import enlist
from apps.activity.effects.judging import NOT_YET, Judged, Reply, judge_observed, judge_reply, pause_after
from apps.activity.effects.reading import facts_of, later_calls
from apps.activity.effects.rules import Rule, rule_of
from apps.activity.effects.words import failure_in_words
from apps.activity.models import Alert, CallEffect, Effect, Outcome, ToolCall
from apps.activity.pipeline.runner import nudge
from apps.activity.pipeline.store import give_positions
from apps.activity.services import EFFECT_JUDGE, Verdict, record_verdicts
from apps.agents.toolnames import ToolName

AT_ONCE = 40
WORKS_FOR_S = 10.0
PUT_OFF = timedelta(minutes=2)  # longer than a batch takes: forty addresses, eight at a time, 4 seconds each
DETECTOR = "effect"
WRITE = """
UPDATE activity_toolcall c SET effect = n.effect FROM unnest(%s::uuid[], %s::text[]) AS n (id, effect) WHERE c.id = n.id
"""


@dataclass
class Looked:
    """One row that is due, with its call and rule, and what was found."""

    row: CallEffect
    call: ToolCall
    rule: Rule
    is_over: bool
    found: Judged = NOT_YET

    @property
    def tool(self) -> str:
        return str(ToolName(self.call.mcp_server, self.call.tool_name))

    @property
    def cause(self) -> str:
        return f"{DETECTOR}: {self.tool}"


def judge_effects(now: datetime | None = None) -> int:
    """Enlist what is new, then look at what is due, for ten seconds at most; returns how many rows were looked at."""
    until, done = time.monotonic() + WORKS_FOR_S, 0
    while enlist() and time.monotonic() < until:
        continue
    while (looked := look_once(now)) and time.monotonic() < until:
        done += looked
    return done + looked


def look_once(now: datetime | None = None) -> int:
    """Look at the next forty rows that are due; returns how many."""
    now = now or timezone.now()
    rows = _take(now)
    looked = _with_calls(rows, now)
    _find(looked)
    nudge(_write(looked, now))
    return len(rows)


@transaction.atomic
def _take(now: datetime) -> list[CallEffect]:
    """Rows that are due, put off so that no other looks at them while this one does."""
    due = CallEffect.objects.filter(effect="", next_at__lte=now).order_by("next_at", "pk")
    rows = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("read_back")[:AT_ONCE])
    CallEffect.objects.filter(pk__in=[row.pk for row in rows]).update(next_at=now + PUT_OFF)
    return rows


def _with_calls(rows: Sequence[CallEffect], now: datetime) -> list[Looked]:
    """Rows with their calls; one whose call is gone, joined with another, or no success after all is forgotten."""
    calls = ToolCall.objects.select_related("agent").among(row.pk for row in rows)
    known = {call.pk: call for call in calls if call.status == ToolCall.Status.OK}
    looked = [
        Looked(row, known[row.pk], rule_of(row.read_back.rule), now >= row.due_at)
        for row in rows
        if row.pk in known and row.read_back is not None
    ]
    gone = {row.pk for row in rows} - {one.row.pk for one in looked}
    if gone:
        CallEffect.objects.filter(pk__in=gone, effect="").delete()
    return looked


def _find(looked: Sequence[Looked]) -> None:
    """Look for evidence: one query for each that watches calls, addresses side by side."""
    asking = [one for one in looked if one.rule.is_asked]
    replies = dict(
        zip([one.row.pk for one in asking], ask_all([_question(one) for one in asking]), strict=True)
    )
    for one in looked:
        first = facts_of(one.call)
        if one.rule.is_asked:
            reply: Reply = replies[one.row.pk]
            one.found = judge_reply(one.rule, first, reply, is_over=one.is_over)
        else:
            later = later_calls(one.call, one.rule.watched, one.rule.within_s)
            one.found = judge_observed(one.rule, first, later, is_over=one.is_over)


def _question(one: Looked) -> Question:
    secret = one.row.read_back.secret if one.row.read_back else ""
    return question_of(one.rule.asked.url, facts_of(one.call), secret)


@transaction.atomic
def _write(looked: Sequence[Looked], now: datetime) -> int:
    """Everything that was found; returns the feed's newest position, 0 when it did not change.

    Locks as whoever else judges does: alerts before calls, the feed's counter last.
    """
    pks = [one.row.pk for one in looked]
    locked = CallEffect.objects.select_for_update(of=("self",)).filter(pk__in=pks, effect="").order_by("pk")
    waiting = {row.pk: row for row in locked}
    told = [one for one in looked if one.row.pk in waiting]
    for one in told:
        _set(waiting[one.row.pk], one, now)
    judged = [one for one in told if one.found.effect]
    failed = [one for one in judged if one.found.effect == Effect.FAILED]
    alerts = _open_alerts(failed)
    for one in failed:
        waiting[one.row.pk].alert = alerts.get((one.call.known_agent_id, one.cause))
    names = ["effect", "why", "evidence", "next_at", "looks", "judged_at", "alert"]
    CallEffect.objects.bulk_update(waiting.values(), names)
    return _write_calls(judged)


def _set(row: CallEffect, one: Looked, now: datetime) -> None:
    row.looks += 1
    row.next_at = max(now, min(now + pause_after(row.looks, one.rule.within_s), row.due_at))
    found = one.found
    if not found.effect:
        return
    row.effect, row.why, row.judged_at = found.effect, found.why, now
    told = {
        "call": str(found.call_id) if found.call_id else None,
        "status": found.status,
        "found": kept_value(one.call, found.found),
        "note": found.note,
    }
    row.evidence = {name: value for name, value in told.items() if value not in (None, "")}


def _open_alerts(failed: Sequence[Looked]) -> Mapping[tuple[UUID, str], Alert]:
    """One alert for each tool of each agent, where the detector is on."""
    if not failed:
        return {}
    rules = rules_for({one.call.known_agent_id for one in failed})
    return open_alerts(
        Alarm(
            None, one.cause, Surprise(DETECTOR, one.tool, WIDEST, _reason(one)), WIDEST, one.call.started_at,
            one.call.pk, one.call.known_agent_id,
        )
        for one in failed
        if DETECTOR not in rules[one.call.known_agent_id].off
    )  # fmt: skip


def _write_calls(judged: Sequence[Looked]) -> int:
    if not judged:
        return 0
    pks = [one.call.pk for one in judged]
    list(ToolCall.objects.select_for_update().only("pk").among(pks).order_by("pk"))
    record_verdicts(
        [
            Verdict(one.call.pk, Outcome.ANOMALY, _reason(one), "effect.failed", EFFECT_JUDGE)
            for one in judged
            if one.found.effect == Effect.FAILED
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [pks, [one.found.effect for one in judged]])
    return give_positions(pks)


def _reason(one: Looked) -> str:
    return failure_in_words(one.tool, one.rule, one.found.why)

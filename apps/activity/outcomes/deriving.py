"""What can be told of a run though nobody said it: handed over to a person, given up, not come back for.

Read from calls up to a position of the feed (positions appear in commit order, so nothing is passed over), for agents whose
rules are set. Every word here is the weakest there is: whoever was there knows better.

What time tells is told of both outcomes at the same age of a run, never the bad one first: otherwise the newest runs would
be failures only, and every steady agent would look fallen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.activity.models import (
    FAILED,
    REFUSED,
    FeedPosition,
    OutcomeCursor,
    OutcomeRules,
    RunOutcome,
    ToolCall,
)
from apps.activity.outcomes.words import DERIVED, Told
from apps.activity.outcomes.writing import came_back, derived, keep_outcomes
from apps.activity.pipeline.reports import not_later_than_now

READER = "calls"
AT_ONCE = 5000
USUALLY, OF_AT_LEAST = 0.8, 20
LOOKED_BACK = timedelta(days=90)
SAID = Q(told__resolved__0__isnull=True) | ~Q(told__resolved__0=DERIVED)
ENDED = Q(resolved__isnull=False) & SAID | Q(escalated=True)


def derive_outcomes(now: datetime | None = None) -> int:
    """Runs new or told more of: from calls since the last time, then from the time that went by."""
    found = 0
    while (step := _read_calls()) is not None:
        found += step
    moment = now or timezone.now()
    for rules in OutcomeRules.objects.all():
        found += len(_abandoned_or_not(rules, moment)) + len(_come_back_or_not(rules, moment))
    return found


@transaction.atomic
def _read_calls() -> int | None:
    """The next calls by position; None when there is nothing more. The cursor moves with what was kept."""
    OutcomeCursor.objects.get_or_create(name=READER)
    cursor = OutcomeCursor.objects.select_for_update().get(name=READER)
    newest = FeedPosition.objects.values_list("last", flat=True).first() or 0
    upto = min(newest, cursor.position + AT_ONCE)
    if upto <= cursor.position:
        return None
    changed = keep_outcomes(_told_by_calls(cursor.position, upto))
    OutcomeCursor.objects.filter(pk=READER).update(position=upto)
    return len(changed)


def _told_by_calls(after: int, upto: int) -> list[Told]:
    """For each run its beginning, and whether it was handed over, of agents that have rules."""
    rules = {one.agent_id: one for one in OutcomeRules.objects.all()}
    calls = ToolCall.objects.filter(position__gt=after, position__lte=upto, agent__in=rules)
    runs: dict[tuple[UUID, str], list[ToolCall]] = defaultdict(list)
    for call in calls.only("agent_id", "conversation_id", "started_at", "tool_name", "mcp_server", "status"):
        if call.conversation_id:
            runs[(call.known_agent_id, call.conversation_id)].append(call)
    now = timezone.now()
    told = []
    for (agent_id, run), some in runs.items():
        handed = _is_handed_over(some, set(rules[agent_id].handover_tools))
        fields = {} if handed is None else {"escalated": handed}
        told.append(Told(agent_id, run, DERIVED, now, _began(some), fields))
    return _kept_handed(told)


def _began(calls: list[ToolCall]) -> datetime:
    return not_later_than_now(min(call.started_at for call in calls))


def _is_handed_over(calls: list[ToolCall], tools: set[str]) -> bool | None:
    """None where nobody said which tools hand over. A refused or failed hand-over is none."""
    if not tools:
        return None
    return any(
        call.status not in (*FAILED, *REFUSED) and {call.tool_name, f"{call.mcp_server}/{call.tool_name}"} & tools
        for call in calls
    )  # fmt: skip


def _kept_handed(told: list[Told]) -> list[Told]:
    """Without "not handed over", and without a later beginning, of runs whose earlier calls said otherwise."""
    names = {one.conversation_id for one in told}
    rows = RunOutcome.objects.filter(agent__in={one.agent_id for one in told}, conversation_id__in=names)
    known = {(row.agent_id, row.conversation_id): row for row in rows}
    kept = []
    for one in told:
        row, fields, at = known.get(one.key), dict(one.fields), one.at
        if row is not None and row.escalated and not fields.get("escalated"):
            fields.pop("escalated", None)
        if row is not None and at is not None and row.told.get("at", [""])[0] == DERIVED:
            at = min(at, row.at)
        kept.append(Told(one.agent_id, one.conversation_id, DERIVED, one.said_at, at, fields))
    return kept


@transaction.atomic
def _abandoned_or_not(rules: OutcomeRules, now: datetime) -> set[tuple[UUID, str]]:
    """Runs older than the hours of their agent, where its runs usually have an end: without one abandoned, with one not.

    Only an end that somebody said, or a hand-over, is one; what is derived of contacts later is none.
    """
    old = _older_than(rules, now - timedelta(hours=rules.abandoned_hours))
    counted = old.aggregate(runs=Count("pk"), ended=Count("pk", filter=ENDED))
    if counted["runs"] < OF_AT_LEAST or counted["ended"] < USUALLY * counted["runs"]:
        return set()
    ended = old.filter(ENDED).filter(Q(abandoned=None) | Q(abandoned=True, told__abandoned__0=DERIVED))
    without = old.filter(abandoned=None).exclude(pk__in=old.filter(ENDED).values("pk"))
    return keep_outcomes(
        [derived(row, {"abandoned": False}) for row in ended[:AT_ONCE]]
        + [derived(row, {"abandoned": True}) for row in without[:AT_ONCE]]
    )


@transaction.atomic
def _come_back_or_not(rules: OutcomeRules, now: datetime) -> set[tuple[UUID, str]]:
    """Runs as old as the days of their agent: repeated and not resolved where the contact came back within them; else
    not repeated, and resolved unless handed over."""
    days = timedelta(days=rules.repeat_days)
    again = RunOutcome.objects.filter(
        agent=rules.agent_id,
        contact=OuterRef("contact"),
        at__gt=OuterRef("at"),
        at__lte=OuterRef("at") + days,
    )
    due = _older_than(rules, now - days).filter(repeated=None).exclude(contact="")
    rows = due.annotate(is_again=Exists(again)).order_by("at", "pk")[:AT_ONCE]
    return keep_outcomes([came_back(row) if row.is_again else derived(row, _of_quiet(row)) for row in rows])


def _older_than(rules: OutcomeRules, until: datetime) -> QuerySet[RunOutcome]:
    return RunOutcome.objects.filter(agent=rules.agent_id, at__lte=until, at__gte=until - LOOKED_BACK)


def _of_quiet(row: RunOutcome) -> Mapping[str, object]:
    ended_otherwise = row.escalated or row.abandoned or row.resolved is not None
    return {"repeated": False} | ({} if ended_otherwise else {"resolved": True})

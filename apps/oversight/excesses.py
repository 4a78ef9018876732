"""Is an agent over a limit of its breaker? Counted from what is stored, since the last reset, never from memory.

A call counts by when it was judged or heard of, and not at all where it was made before the last reset. What a kill switch or
the breaker itself stopped is nobody's excess.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from apps.activity.models import Alert, ModelAnswer, ToolCall
from apps.agents.models import Agent, BreakerState
from apps.kit.ids import first_id_at
from apps.oversight.limits import Limit, counted_words, limits_of, window_words
from apps.oversight.models import BreakerRule, BreakerTrip, Decision
from apps.oversight.past import BELIEVED_FOR

MOST_NAMED = 1000
STOPPED_ALREADY = Q(code__startswith="kill_switch.") | Q(code__startswith="breaker.")
CALL_STOPPED_ALREADY = Q(outcome_code__startswith="kill_switch.") | Q(outcome_code__startswith="breaker.")
SEVERE = ("high", "critical")


@dataclass(frozen=True)
class Excess:
    """What was too much: how many, of how many where a share counts, and what they were."""

    cause: str
    limit: Limit
    count: int
    total: int | None = None
    call_ids: list[UUID] = field(default_factory=list)
    named: dict[str, list[str]] = field(default_factory=dict)

    @property
    def words(self) -> str:
        window = window_words(self.limit.window)
        if self.cause == "trial":
            return "A violation while on trial after a reset."
        share = f", {round(100 * self.count / self.total)}% of its calls" if self.total else ""
        more = f" and {self.limit.share_percent}%" if self.limit.share_percent else ""
        return f"{counted_words(self.cause, self.count)} in {window}{share}; the limit is {self.limit.threshold:,}{more}."


@dataclass(frozen=True)
class Watched:
    """An agent with its limits and its last reset."""

    agent: Agent
    limits: dict[str, Limit]
    last_reset: datetime | None

    def since(self, limit: Limit, now: datetime) -> datetime:
        since = now - limit.window
        return max(since, self.last_reset) if self.last_reset else since


def watch(agents: Collection[Agent]) -> list[Watched]:
    """Two queries for any number of agents."""
    ids = [agent.pk for agent in agents]
    rules = list(BreakerRule.objects.filter(Q(agent=None) | Q(agent__in=ids)))
    resets: dict[UUID, datetime] = {}
    told = BreakerTrip.objects.filter(agent__in=ids).exclude(reset_at=None).order_by("reset_at")
    for agent_id, at in told.values_list("agent_id", "reset_at"):
        resets[agent_id] = at  # type: ignore[assignment]
    return [Watched(one, _limits(one, rules), resets.get(one.pk)) for one in agents]


def limits_for(agent: Agent) -> dict[str, Limit]:
    """The limits that hold for an agent now. One query."""
    return _limits(agent, list(BreakerRule.objects.filter(Q(agent=None) | Q(agent=agent))))


def excess_of(watched: Watched, causes: Iterable[str], now: datetime) -> Excess | None:
    """The first of these causes that is over its limit; one query each, one more where a share counts."""
    if "violations" in causes and watched.agent.breaker_state == BreakerState.ON_TRIAL:
        found = _on_trial(watched, now)
        if found is not None:
            return found
    for cause in causes:
        limit = watched.limits[cause]
        excess = COUNTS[cause](watched, limit, now) if limit.is_on else None
        if excess is not None:
            return excess
    return None


def _limits(agent: Agent, rules: Iterable[BreakerRule]) -> dict[str, Limit]:
    mine = [rule for rule in rules if rule.agent_id in (None, agent.pk)]
    return limits_of(agent.tier, mine)


def _on_trial(watched: Watched, now: datetime) -> Excess | None:
    calls = _violations(watched, watched.last_reset or now)
    limit = watched.limits["violations"]
    return Excess("trial", limit, len(calls), call_ids=calls) if calls else None


def _over_violations(watched: Watched, limit: Limit, now: datetime) -> Excess | None:
    calls = _violations(watched, watched.since(limit, now))
    return Excess(limit.cause, limit, len(calls), call_ids=calls) if len(calls) >= limit.threshold else None


def _violations(watched: Watched, since: datetime) -> list[UUID]:
    calls = ToolCall.objects.filter(agent=watched.agent, outcome="violation", judged_at__gt=since)
    counted = _after_reset(calls, watched).exclude(outcome_code__startswith="kill_switch.")
    return list(counted.order_by("judged_at").values_list("pk", flat=True)[:MOST_NAMED])


def _over_errors(watched: Watched, limit: Limit, now: datetime) -> Excess | None:
    heard = _heard(watched, limit, now)
    return _share(limit, heard.filter(status="error"), heard)


def _over_denials(watched: Watched, limit: Limit, now: datetime) -> Excess | None:
    """By the calls reported as blocked or by the decisions that denied, whichever is too much: most are told of twice."""
    heard = _heard(watched, limit, now)
    blocked = heard.filter(outcome="blocked").exclude(CALL_STOPPED_ALREADY)
    since = first_id_at(watched.since(limit, now))
    asked = Decision.objects.filter(agent=watched.agent, pk__gte=since)
    denied = asked.filter(outcome=Decision.Outcome.DENY).exclude(STOPPED_ALREADY)
    return _share(limit, blocked, heard) or _share(limit, denied, asked, named="decisions")


def _over_anomalies(watched: Watched, limit: Limit, now: datetime) -> Excess | None:
    since = first_id_at(watched.since(limit, now))
    alerts = Alert.objects.filter(agent=watched.agent, pk__gte=since, severity__in=SEVERE)
    found = list(alerts.exclude(state=Alert.State.FINE).values_list("pk", flat=True)[:MOST_NAMED])
    if len(found) < limit.threshold:
        return None
    return Excess(limit.cause, limit, len(found), named={"alerts": [str(pk) for pk in found]})


def _over_spend(watched: Watched, limit: Limit, now: datetime) -> Excess | None:
    answers = ModelAnswer.objects.filter(agent=watched.agent, started_at__gt=watched.since(limit, now))
    micros = answers.aggregate(sum=Sum("cost_usd_micros"))["sum"] or 0
    dollars = int(micros) // 1_000_000
    return Excess(limit.cause, limit, dollars) if dollars >= limit.threshold else None


def _share(limit: Limit, counted: QuerySet[Any], of: QuerySet[Any], named: str = "calls") -> Excess | None:
    ids = list(counted.order_by("pk").values_list("pk", flat=True)[:MOST_NAMED])
    if len(ids) < limit.threshold:
        return None
    total = of.order_by().count() if limit.share_percent else None
    if total and 100 * len(ids) < (limit.share_percent or 0) * total:
        return None
    if named == "calls":
        return Excess(limit.cause, limit, len(ids), total, call_ids=ids)
    return Excess(limit.cause, limit, len(ids), total, named={named: [str(pk) for pk in ids]})


def _heard(watched: Watched, limit: Limit, now: datetime) -> QuerySet[ToolCall]:
    calls = ToolCall.objects.filter(agent=watched.agent, pk__gte=first_id_at(watched.since(limit, now)))
    return _after_reset(calls, watched)


def _after_reset(calls: QuerySet[ToolCall], watched: Watched) -> QuerySet[ToolCall]:
    """Without those that were made before the last reset and told after it, where their clock is believed."""
    if watched.last_reset is None:
        return calls
    told_late = Q(pk__gte=first_id_at(watched.last_reset + BELIEVED_FOR))
    return calls.filter(Q(started_at__gt=watched.last_reset) | told_late)


COUNTS: dict[str, Callable[[Watched, Limit, datetime], Excess | None]] = {
    "violations": _over_violations,
    "anomalies": _over_anomalies,
    "denials": _over_denials,
    "errors": _over_errors,
    "spend": _over_spend,
}

"""Reading outcomes: an agent's sums by version and segment, its days, the fleet's falls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import (
    Avg,
    Case,
    Count,
    ExpressionWrapper,
    F,
    FloatField,
    IntegerField,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, TruncDate
from django.http import QueryDict
from django.utils import timezone

from apps.activity.models import OutcomeWatch, RunOutcome
from apps.activity.outcomes.measures import BY_KEY, MEASURES
from apps.activity.signals import oversight_load_asked
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ui.parts import Option

DAYS, BIN_DAYS = 90, 3
MOST_GROUPS = 20
MOST_COUNTED = 10_000
FALLEN, STEADY = "fallen", "steady"
STATUSES = ((FALLEN, "Fell"), (STEADY, "Steady"))


def _share(column: str) -> Avg:
    return Avg(Cast(column, IntegerField()), output_field=FloatField())


RIGHTLY = Case(
    When(Q(escalated=None) | Q(escalation_due=None), then=Value(None)),
    When(escalated=F("escalation_due"), then=Value(1.0)),
    default=Value(0.0),
    output_field=FloatField(),
)
RUNS = Count("pk")
FIGURES: Mapping[str, Any] = {
    "resolved_share": _share("resolved"),
    "escalated_share": _share("escalated"),
    "rightly": Avg(RIGHTLY),
    "abandoned_share": _share("abandoned"),
    "repeated_share": _share("repeated"),
    "mean_rating": Avg("rating"),
    "sum_value": ExpressionWrapper(Sum("value"), output_field=FloatField()),
    "mean_cost": ExpressionWrapper(Avg("cost"), output_field=FloatField()),
}


@dataclass(frozen=True)
class Group:
    """Runs with something in common: shares between 0 and 1, None where nobody said anything; `cost` is a run's."""

    name: str
    runs: int
    resolved: float | None
    escalated: float | None
    rightly_escalated: float | None
    abandoned: float | None
    repeated: float | None
    rating: float | None
    value: float | None
    cost: float | None


@dataclass(frozen=True)
class Summary:
    """What an agent's runs of the last `days` days came to."""

    days: int
    total: Group
    versions: Sequence[Group]
    segments: Sequence[Group]
    watches: Sequence[OutcomeWatch]


def recent_runs(agent: Agent) -> QuerySet[RunOutcome]:
    return RunOutcome.objects.filter(
        agent=agent, at__gte=timezone.make_aware(datetime.combine(first_day(), time()))
    )


def first_day() -> date:
    return timezone.localdate() - timedelta(days=DAYS - 1)


def summary_of(agent: Agent) -> Summary:
    """Four queries."""
    runs = recent_runs(agent).order_by()
    versions = (
        runs.values("version__number")
        .annotate(runs=RUNS, **FIGURES)
        .order_by("-version__number")[:MOST_GROUPS]
    )
    segments = (
        runs.values("segment").annotate(runs=RUNS, **FIGURES).order_by("-runs", "segment")[:MOST_GROUPS]
    )
    return Summary(
        DAYS,
        _group("All runs", runs.aggregate(runs=RUNS, **FIGURES)),
        [_group(_version_name(row["version__number"]), row) for row in versions],
        [_group(row["segment"] or "No segment", row) for row in segments],
        watches_of(agent),
    )


def watches_of(agent: Agent) -> list[OutcomeWatch]:
    """In the order of the measures; only those that anything is known of. One query."""
    held = {watch.measure: watch for watch in OutcomeWatch.objects.filter(agent=agent, runs__gt=0)}
    return [held[measure.key] for measure in MEASURES if measure.key in held]


def _version_name(number: int | None) -> str:
    return "No version known" if number is None else f"Version {number}"


def _group(name: str, row: Mapping[str, Any]) -> Group:
    return Group(name, row["runs"], *(row[key] for key in FIGURES))


SUMS: Mapping[str, Any] = {
    "runs": Count("pk"),
    "sum_resolved": Count("pk", filter=Q(resolved=True)),
    "of_resolved": Count("resolved"),
    "sum_rightly": Sum(RIGHTLY),
    "of_rightly": Count(RIGHTLY),
    "sum_rating": Sum("rating"),
    "of_rating": Count("rating"),
    "sum_cost": ExpressionWrapper(Sum("cost"), output_field=FloatField()),
    "of_cost": Count("cost"),
    "sum_abandoned": Count("pk", filter=Q(abandoned=True)),
    "of_abandoned": Count("abandoned"),
}


@dataclass(frozen=True)
class Days:
    """Stretches of three days, oldest first: what runs came to in each, and how often a person was asked or told."""

    starts: Sequence[date]
    rows: Sequence[Mapping[str, Any] | None]
    asked: Sequence[int]


def days_of(agent: Agent) -> Days:
    """Two queries: one here, one of whoever keeps decisions."""
    since = first_day()
    bins: list[dict[str, Any] | None] = [None] * (DAYS // BIN_DAYS)
    by_day: Iterable[Mapping[str, Any]] = (
        recent_runs(agent).order_by().annotate(day=TruncDate("at")).values("day").annotate(**SUMS)
    )
    for row in by_day:
        at = min((row["day"] - since).days // BIN_DAYS, len(bins) - 1)
        before = bins[at] or {}
        bins[at] = {key: (row[key] or 0) + before.get(key, 0) for key in SUMS}
    starts = [since + timedelta(days=BIN_DAYS * at) for at in range(len(bins))]
    return Days(starts, bins, _asked(agent, since, len(bins)))


def _asked(agent: Agent, since: date, bins: int) -> list[int]:
    counts = [0] * bins
    until = timezone.localdate()
    told: list[tuple[Any, Any]] = oversight_load_asked.send(
        sender=OutcomeWatch, agent=agent, since=since, until=until
    )
    for _, by_day in told:
        for day, count in by_day.items():
            counts[min(max((day - since).days // BIN_DAYS, 0), bins - 1)] += count
    return counts


@dataclass(frozen=True)
class WatchLine:
    """A watch as a line of a list, its levels in words."""

    agent: Agent
    label: str
    sentence: str
    is_fallen: bool
    fell_at: datetime | None
    runs: int
    before: str
    now: str


def line_of(watch: OutcomeWatch) -> WatchLine:
    measure = BY_KEY[watch.measure]
    return WatchLine(
        watch.agent,
        measure.label,
        watch.sentence,
        watch.is_fallen,
        watch.fell_at,
        watch.runs,
        measure.words(watch.usual),
        measure.words(watch.level),
    )


def narrowed_watches(query: QueryDict, *, actor: Principal) -> QuerySet[OutcomeWatch]:
    """By `status` (fell unless given), `measure` and `tier`; what fell last comes first where only those are asked for."""
    rows = OutcomeWatch.objects.visible_to(actor).filter(runs__gt=0).select_related("agent")
    statuses = [one for one in query.getlist("status") if one in (FALLEN, STEADY)] or [FALLEN]
    if len(statuses) == 1:
        rows = rows.filter(fell_at__isnull=statuses[0] == STEADY)
    if measures := [one for one in query.getlist("measure") if one in BY_KEY]:
        rows = rows.filter(measure__in=measures)
    tiers = [int(one) for one in query.getlist("tier") if one in {"1", "2", "3", "4"}]
    return rows.filter(agent__tier__in=tiers) if tiers else rows


def reported_runs(actor: Principal) -> int:
    """Of how many runs something is known, counted up to `MOST_COUNTED`."""
    return RunOutcome.objects.visible_to(actor).order_by()[:MOST_COUNTED].count()


def watch_facets(actor: Principal) -> dict[str, list[Option]]:
    """Values of each filter with their counts; three queries."""
    rows = OutcomeWatch.objects.visible_to(actor).filter(runs__gt=0).order_by()
    fallen = rows.exclude(fell_at=None).count()
    measures = dict(rows.values_list("measure").annotate(n=Count("pk")))
    tiers = dict(rows.values_list("agent__tier").annotate(n=Count("pk")))
    counts = {FALLEN: fallen, STEADY: sum(measures.values()) - fallen}
    return {
        "status": [Option(value, label, counts[value]) for value, label in STATUSES],
        "measure": [Option(one.key, one.label, measures.get(one.key, 0)) for one in MEASURES],
        "tier": [Option(str(tier), f"Tier {tier}", tiers.get(tier, 0)) for tier in (4, 3, 2, 1)],
    }

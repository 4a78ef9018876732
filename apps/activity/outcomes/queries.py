"""Reading outcomes: an agent's sums by version and segment, its days, the fleet's falls."""

from __future__ import annotations

from collections import Counter, defaultdict
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

from apps.activity.models import OutcomeCursor, OutcomeWatch, RunOutcome
from apps.activity.outcomes.measures import BY_KEY, COST, MEASURES, measure_named
from apps.activity.outcomes.watch import LATE_COMMITS, READER
from apps.activity.signals import oversight_load_asked
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ui.parts import Option

DAYS, BIN_DAYS = 90, 3
MOST_GROUPS = 20
IN_CURRENCY = f"{COST.key} "  # how the key of a cost in a currency begins
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
}
AMOUNTS: Mapping[str, Any] = {
    "sum_value": ExpressionWrapper(Sum("value"), output_field=FloatField()),
    "mean_cost": ExpressionWrapper(Avg("cost"), output_field=FloatField()),
}


@dataclass(frozen=True)
class Amount:
    """What runs of one currency were worth in sum and cost on average; None where nobody said. '' is no currency named."""

    currency: str
    value: float | None
    cost: float | None


@dataclass(frozen=True)
class Group:
    """Runs with something in common: shares between 0 and 1, None where nobody said anything; amounts by currency."""

    name: str
    runs: int
    resolved: float | None
    escalated: float | None
    rightly_escalated: float | None
    abandoned: float | None
    repeated: float | None
    rating: float | None
    amounts: Sequence[Amount]


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
    """Seven queries."""
    runs = recent_runs(agent).order_by()
    versions = (
        runs.values("version__number")
        .annotate(runs=RUNS, **FIGURES)
        .order_by("-version__number")[:MOST_GROUPS]
    )
    segments = (
        runs.values("segment").annotate(runs=RUNS, **FIGURES).order_by("-runs", "segment")[:MOST_GROUPS]
    )
    by_version, by_segment = _amounts(runs, "version__number"), _amounts(runs, "segment")
    return Summary(
        DAYS,
        _group("All runs", runs.aggregate(runs=RUNS, **FIGURES), _amounts(runs).get(None, [])),
        [
            _group(_version_name(number), row, by_version.get(number, []))
            for row in versions
            for number in [row["version__number"]]
        ],
        [
            _group(name or "No segment", row, by_segment.get(name, []))
            for row in segments
            for name in [row["segment"]]
        ],
        watches_of(agent),
    )


def _amounts(runs: QuerySet[RunOutcome], column: str = "") -> dict[Any, list[Amount]]:
    """Value and cost in each currency, by the value of a column, or for all (None). One query."""
    columns = [column, "currency"] if column else ["currency"]
    told = runs.filter(Q(value__isnull=False) | Q(cost__isnull=False)).values(*columns).annotate(**AMOUNTS)
    found: dict[Any, list[Amount]] = defaultdict(list)
    for row in told.order_by("currency"):
        found[row[column] if column else None].append(
            Amount(row["currency"], row["sum_value"], row["mean_cost"])
        )
    return found


def watches_of(agent: Agent) -> list[OutcomeWatch]:
    """In the order of the measures; only those that anything is known of. One query."""
    order = [measure.key for measure in MEASURES]
    held = OutcomeWatch.objects.filter(agent=agent, runs__gt=0)
    return sorted(held, key=lambda watch: (order.index(watch.measure.split()[0]), watch.measure))


def read_until() -> datetime | None:
    """Up to when what was said of runs has been weighed; None before the first time. One query."""
    row = OutcomeCursor.objects.filter(name=READER).first()
    return row.at + LATE_COMMITS if row is not None and row.at is not None else None


def _version_name(number: int | None) -> str:
    return "No version known" if number is None else f"Version {number}"


def _group(name: str, row: Mapping[str, Any], amounts: Sequence[Amount]) -> Group:
    return Group(*(name, row["runs"], *(row[key] for key in FIGURES), amounts))


SUMS: Mapping[str, Any] = {
    "runs": Count("pk"),
    "sum_resolved": Count("pk", filter=Q(resolved=True)),
    "of_resolved": Count("resolved"),
    "sum_rightly": Sum(RIGHTLY),
    "of_rightly": Count(RIGHTLY),
    "sum_rating": Sum("rating"),
    "of_rating": Count("rating"),
    "sum_abandoned": Count("pk", filter=Q(abandoned=True)),
    "of_abandoned": Count("abandoned"),
}
COSTS: Mapping[str, Any] = {
    "sum_cost": ExpressionWrapper(Sum("cost"), output_field=FloatField()),
    "of_cost": Count("cost"),
}
Bins = Sequence[Mapping[str, Any] | None]


@dataclass(frozen=True)
class Days:
    """Stretches of three days, oldest first: what runs came to in each, what they cost by currency, and how often a person
    was asked or told."""

    starts: Sequence[date]
    rows: Bins
    costs: Mapping[str, Bins]
    asked: Sequence[int]


def days_of(agent: Agent) -> Days:
    """Three queries: two here, one of whoever keeps decisions."""
    since = first_day()
    runs = recent_runs(agent).order_by().annotate(day=TruncDate("at"))
    bins = _binned(runs.values("day").annotate(**SUMS), SUMS, since)
    by_currency: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in runs.filter(cost__isnull=False).values("day", "currency").annotate(**COSTS):
        by_currency[row["currency"]].append(row)
    costs = {name: _binned(rows, COSTS, since) for name, rows in sorted(by_currency.items())}
    starts = [since + timedelta(days=BIN_DAYS * at) for at in range(len(bins))]
    return Days(starts, bins, costs, _asked(agent, since, len(bins)))


def _binned(by_day: Iterable[Mapping[str, Any]], sums: Iterable[str], since: date) -> Bins:
    bins: list[dict[str, Any] | None] = [None] * (DAYS // BIN_DAYS)
    for row in by_day:
        at = min((row["day"] - since).days // BIN_DAYS, len(bins) - 1)
        before = bins[at] or {}
        bins[at] = {key: (row[key] or 0) + before.get(key, 0) for key in sums}
    return bins


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
    measure = measure_named(watch.measure)
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
        chosen = Q(measure__in=measures)
        rows = rows.filter(chosen | Q(measure__startswith=IN_CURRENCY) if COST.key in measures else chosen)
    tiers = [int(one) for one in query.getlist("tier") if one in {"1", "2", "3", "4"}]
    return rows.filter(agent__tier__in=tiers) if tiers else rows


def reported_runs(actor: Principal) -> int:
    """Of how many runs something is known, counted up to `MOST_COUNTED`."""
    return RunOutcome.objects.visible_to(actor).order_by()[:MOST_COUNTED].count()


def watch_facets(actor: Principal) -> dict[str, list[Option]]:
    """Values of each filter with their counts; three queries."""
    rows = OutcomeWatch.objects.visible_to(actor).filter(runs__gt=0).order_by()
    fallen = rows.exclude(fell_at=None).count()
    measures: Counter[str] = Counter()
    for key, count in rows.values_list("measure").annotate(n=Count("pk")):
        measures[key.split()[0]] += count
    tiers = dict(rows.values_list("agent__tier").annotate(n=Count("pk")))
    counts = {FALLEN: fallen, STEADY: sum(measures.values()) - fallen}
    return {
        "status": [Option(value, label, counts[value]) for value, label in STATUSES],
        "measure": [Option(one.key, one.label, measures.get(one.key, 0)) for one in MEASURES],
        "tier": [Option(str(tier), f"Tier {tier}", tiers.get(tier, 0)) for tier in (4, 3, 2, 1)],
    }

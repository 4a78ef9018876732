"""The page's picture: resolution, right escalation, trust, cost and oversight load over one time axis, with what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.activity.models import ExternalEvent, OutcomeWatch
from apps.activity.outcomes.measures import ABANDONED, COST, ESCALATION, RESOLUTION, TRUST, Measure
from apps.activity.outcomes.queries import BIN_DAYS, Bins, Days
from apps.agents.models import AgentVersion
from apps.kit.ui.formats import DASH, number
from apps.kit.ui.multiples import Mark, Panel

COLUMNS = (
    (RESOLUTION, "resolved"),
    (ESCALATION, "rightly"),
    (TRUST, "rating"),
    (ABANDONED, "abandoned"),
)
MOST_MARKS = 12


@dataclass(frozen=True)
class Happening:
    """Something on the time line, with its number in the picture."""

    number: int
    kind: str
    at: date
    label: str
    detail: str


def panels_of(days: Days, watches: Sequence[OutcomeWatch]) -> list[Panel]:
    """A panel for each measure, for the cost in each currency, and the oversight load; those nobody said anything of have no values."""
    by_key = {watch.measure: watch for watch in watches}
    drawn = [_panel(measure, column, days.rows, by_key.get(measure.key)) for measure, column in COLUMNS]
    for currency, bins in days.costs.items():
        measure = COST.of(currency)
        drawn.append(_panel(measure, "cost", bins, by_key.get(measure.key)))
    return [*drawn, _load(days)]


def _panel(measure: Measure, column: str, bins: Bins, watch: OutcomeWatch | None) -> Panel:
    values = [_mean(row, column) for row in bins]
    usual = watch.usual if watch else None
    return Panel(
        measure.label,
        values,
        [measure.words(value) for value in values],
        usual,
        measure.words(usual),
        is_alarm=usual is not None,
    )


def _mean(row: Mapping[str, Any] | None, column: str) -> float | None:
    of = row[f"of_{column}"] if row else 0
    return float(row[f"sum_{column}"] or 0) / of if row and of else None


def _load(days: Days) -> Panel:
    """How often a person was asked or told, per 100 runs."""
    per_100 = [
        100 * asked / row["runs"] if row and row["runs"] else None
        for asked, row in zip(days.asked, days.rows, strict=True)
    ]
    words = [DASH if value is None else f"{number(value, 1)} asked per 100 runs" for value in per_100]
    return Panel("Oversight load", per_100, words)


def labels_of(days: Days) -> list[str]:
    return [f"{start.day} {start:%b}" for start in days.starts]


def happenings(
    days: Days,
    versions: Sequence[AgentVersion],
    events: Sequence[ExternalEvent],
    watches: Sequence[OutcomeWatch],
) -> list[Happening]:
    """Version changes, external events and where measures fell, within the days drawn; numbered in the order of time."""
    told = [
        (_day(one.first_seen), "Version", f"Version {one.number}", " ".join(one.changes)) for one in versions
    ]
    told += [(one.on, "Event", one.label, f"{one.reason} Noted by {one.noted_by.name}.") for one in events]
    told += [
        (_day(one.fell_at), "Fall", one.sentence[:1].upper() + one.sentence[1:], "")
        for one in watches
        if one.fell_at
    ]
    first, last = days.starts[0], days.starts[-1] + timedelta(days=BIN_DAYS)
    within = sorted(one for one in told if first <= one[0] <= last)[-MOST_MARKS:]
    return [
        Happening(at, kind, day, label, words) for at, (day, kind, label, words) in enumerate(within, start=1)
    ]


def marks_of(days: Days, found: Sequence[Happening]) -> list[Mark]:
    length = BIN_DAYS * len(days.starts)
    share: Callable[[date], float] = lambda day: ((day - days.starts[0]).days + 0.5) / length  # noqa: E731
    return [Mark(min(share(one.at), 1.0), one.number) for one in found]


def _day(moment: datetime) -> date:
    return timezone.localtime(moment).date()

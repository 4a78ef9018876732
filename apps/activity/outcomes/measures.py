"""What is measured of an agent's runs, which way is worse, and how a change of it is told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

import numpy as np

from apps.activity.outcomes.sequential import MEAN_RUNS, Array, Change, Detector, began, scale_of
from apps.kit.ui.formats import number, percent, short_amount


class Run(Protocol):
    """What a measure reads of one run."""

    @property
    def at(self) -> datetime: ...
    @property
    def resolved(self) -> bool | None: ...
    @property
    def escalated(self) -> bool | None: ...
    @property
    def escalation_due(self) -> bool | None: ...
    @property
    def abandoned(self) -> bool | None: ...
    @property
    def rating(self) -> float | None: ...
    @property
    def cost(self) -> Decimal | None: ...


@dataclass(frozen=True)
class Measure:
    """`name` as a sentence says it; `worse` is the way it goes when the agent does its job worse.

    An amount is measured in each currency by itself: `of` makes the measure of one, whose key names it ("cost EUR").
    """

    key: str
    label: str
    name: str
    worse: str
    read: Callable[[Run], float | None]
    is_amount: bool = False
    currency: str = ""

    def of(self, currency: str) -> Measure:
        if not currency:
            return self
        return replace(
            self, key=f"{self.key} {currency}", label=f"{self.label} ({currency})", name=f"{self.name} in {currency}",
            currency=currency,
        )  # fmt: skip

    def words(self, level: float | None) -> str:
        if level is None:
            return number(None)
        return short_amount(level, 2 if level >= 0.1 else 4) if self.is_amount else percent(level, 0)


def _share(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _appropriate(run: Run) -> float | None:
    """Handed to a person exactly when it should have been; None where nobody judged it."""
    if run.escalated is None or run.escalation_due is None:
        return None
    return float(run.escalated == run.escalation_due)


def _cost(run: Run) -> float | None:
    return None if run.cost is None else float(run.cost)


RESOLUTION = Measure("resolution", "Resolved", "resolution", "fell", lambda run: _share(run.resolved))
ESCALATION = Measure("escalation", "Escalated rightly", "right escalation", "fell", _appropriate)
TRUST = Measure("trust", "Trust", "trust", "fell", lambda run: run.rating)
COST = Measure("cost", "Cost a run", "cost a run", "rose", _cost, is_amount=True)
ABANDONED = Measure("abandoned", "Abandoned", "abandonment", "rose", lambda run: _share(run.abandoned))
MEASURES = (RESOLUTION, ESCALATION, TRUST, COST, ABANDONED)
BY_KEY = {measure.key: measure for measure in MEASURES}


def measure_named(key: str) -> Measure:
    """The measure of a watch's key: "resolution", "cost", "cost EUR"."""
    base, _, currency = key.partition(" ")
    return BY_KEY[base].of(currency)


BETTER = {"fell": "rose", "rose": "fell"}


@dataclass(frozen=True)
class Shift:
    """One change of one measure: for the worse or the better, its levels in the measure's own unit, since which run."""

    measure: Measure
    is_worse: bool
    before: float
    after: float
    since: datetime
    told_at: datetime
    runs: int

    @property
    def verb(self) -> str:
        return self.measure.worse if self.is_worse else BETTER[self.measure.worse]

    def sentence(self, today: date) -> str:
        """ "resolution fell from 61% to 52% since Tuesday, 14 April"."""
        day = f"{self.since:%A}, {self.since.day} {self.since:%B}"
        year = "" if self.since.year == today.year else f" {self.since.year}"
        levels = f"from {self.measure.words(self.before)} to {self.measure.words(self.after)}"
        return f"{self.measure.name} {self.verb} {levels} since {day}{year}"


@dataclass(frozen=True)
class Series:
    """The runs a measure says something of, oldest first; values between 0 and 1, higher is better, times `scale`."""

    measure: Measure
    moments: Sequence[datetime]
    values: Array
    scale: float

    def level(self, values: Array) -> float:
        """The mean of these values in the measure's own unit and direction."""
        mean = float(values.mean())
        return (1.0 - mean if self.measure.worse == "rose" else mean) * self.scale


def series_of(measure: Measure, runs: Sequence[Run]) -> Series:
    """Empty for an amount of which too few are known to tell its scale, and where all of these are zero."""
    known = [(run.at, value) for run in runs if (value := measure.read(run)) is not None]
    scale = scale_of([value for _, value in known]) if measure.is_amount else 1.0
    if scale <= 0:
        return Series(measure, [], np.zeros(0), 1.0)
    values: Array = np.clip(np.array([value / scale for _, value in known], dtype=float), 0.0, 1.0)
    return Series(
        measure, [at for at, _ in known], 1.0 - values if measure.worse == "rose" else values, scale
    )


def first_shift(series: Series, mean_runs: float = MEAN_RUNS) -> Shift | None:
    """The first change for the worse or the better; both are looked for at once."""
    detector = Detector(2)
    for at, value in enumerate(series.values):
        evidence = detector.add(np.array([value, 1.0 - value]))
        if evidence.max() >= mean_runs:
            is_worse = bool(evidence[0] >= evidence[1])
            told = series.values[: at + 1]
            start = began(told if is_worse else 1.0 - told)
            change = Change(
                start, at, series.level(told[:start]), series.level(told[start:]), float(evidence.max())
            )
            return _shift(series, change, is_worse)
    return None


def _shift(series: Series, change: Change, is_worse: bool) -> Shift:
    return Shift(
        series.measure,
        is_worse,
        change.before,
        change.after,
        series.moments[change.start],
        series.moments[change.told_at],
        change.told_at + 1 - change.start,
    )


def has_recovered(measure: Measure, usual: float, fallen: float, now: float) -> bool:
    """At least half of the way back to what was usual."""
    middle = (usual + fallen) / 2
    return now >= middle if measure.worse == "fell" else now <= middle

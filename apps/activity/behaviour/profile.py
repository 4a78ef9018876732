"""What is usual for one agent: counts and spreads, learnt one call at a time. Pure; kept as JSON.

Robust to a noisy start: an outlier moves a spread by no more than a few of its own widths, what was seen once
counts as "new things do happen here" (Good and Turing), and old counts fade, so that early noise is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import exp, log1p, sqrt
from typing import Any, Final, Self

from apps.activity.behaviour.acts import OTHER, Act

Counts = dict[str, float]
MOST_NAMES: Final = 400
MOST_HOURS: Final = 24 * 14
MOST_SCORES: Final = 4000
FADES_AT: Final = 5000.0  # calls; then every count is halved
WIDEST_STEP: Final = 4.0
RECENT: Final = 20
SETTLED: Final = 8  # values, before an outlier is reined in


@dataclass
class Spread:
    """Mean and width of a quantity on a logarithmic scale; `low` and `high` are the least and the most seen."""

    count: float = 0.0
    mean: float = 0.0
    square: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def learn(self, value: float) -> None:
        told = signed_log(value)
        if self.count >= SETTLED:
            reach = WIDEST_STEP * max(self.width, 0.1)
            told = min(max(told, self.mean - reach), self.mean + reach)
        self.low, self.high = (
            (value, value) if not self.count else (min(self.low, value), max(self.high, value))
        )
        self.count += 1
        before = told - self.mean
        self.mean += before / self.count
        self.square += before * (told - self.mean)

    @property
    def width(self) -> float:
        return sqrt(self.square / self.count) if self.count > 1 else 0.0

    @property
    def usual(self) -> tuple[float, float]:
        """Within which values nearly all lie: two and a half widths around the mean, as values again."""
        reach = 2.5 * self.width
        return signed_exp(self.mean - reach), signed_exp(self.mean + reach)

    @property
    def typical(self) -> float:
        return signed_exp(self.mean)

    def fade(self) -> None:
        self.count, self.square = self.count / 2, self.square / 2


def signed_log(value: float) -> float:
    return log1p(value) if value >= 0 else -log1p(-value)


def signed_exp(value: float) -> float:
    return exp(value) - 1 if value >= 0 else 1 - exp(-value)


@dataclass
class Profile:
    """Counts by name, spreads by name, calls by hour, and the scores of calls that gave no alarm.

    `pairs` counts `a > b`, `shapes` and `operations` count `tool: shape`; `numbers` is by `tool: argument`.
    `taught` are the causes that a person called fine, as `detector: subject`; `fine_up_to` is by detector of
    stretches the highest level that a person called fine; `opened` counts all causes of calls that
    ever opened an alert and were not confirmed, `open_causes` are those waiting for an answer;
    `chance_alarms` counts the alarms that were taken as usual all the same,
    `alarms` how often the same call for the same request gave one.
    """

    calls: float = 0.0
    learnt: int = 0
    errors: float = 0.0
    tools: Counts = field(default_factory=dict)
    operations: Counts = field(default_factory=dict)
    pairs: Counts = field(default_factory=dict)
    shapes: Counts = field(default_factory=dict)
    classes: Counts = field(default_factory=dict)
    partners: Counts = field(default_factory=dict)
    hours: Counts = field(default_factory=dict)
    by_hour: Counts = field(default_factory=dict)
    numbers: dict[str, Spread] = field(default_factory=dict)
    latency: dict[str, Spread] = field(default_factory=dict)
    tokens: Spread = field(default_factory=Spread)
    repeats: Spread = field(default_factory=Spread)
    gaps: Spread = field(default_factory=Spread)
    signs: dict[str, Spread] = field(default_factory=dict)
    last_at: str = ""
    reference: list[float] = field(default_factory=list)
    scored: int = 0
    opened: int = 0
    chance_alarms: int = 0
    alarms: dict[str, int] = field(default_factory=dict)
    open_causes: list[str] = field(default_factory=list)
    recent_errors: list[bool] = field(default_factory=list)
    taught: list[str] = field(default_factory=list)
    fine_up_to: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        values = {name: value for name, value in told.items() if name in cls.__dataclass_fields__}
        for name in ("numbers", "latency", "signs"):
            values[name] = {key: Spread(**spread) for key, spread in values.get(name, {}).items()}
        for name in ("tokens", "repeats", "gaps"):
            values[name] = Spread(**values.get(name, {}))
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def learn(self, act: Act) -> None:
        """Count one call in."""
        self.calls += 1
        self.learnt += 1
        self.errors += act.failed
        self.recent_errors = [*self.recent_errors, act.failed][-RECENT:]
        for counts, name in self._names(act):
            _count(counts, name)
        for name, value in act.numbers.items():
            _spread(self.numbers, f"{act.tool}: {name}").learn(value)
        if act.duration_ms is not None:
            _spread(self.latency, act.tool).learn(act.duration_ms)
        if act.tokens is not None:
            self.tokens.learn(act.tokens)
        self.repeats.learn(act.repeats)
        if act.signs is not None:
            for name, value in act.signs.parts.items():
                _spread(self.signs, name).learn(value)
        self._learn_time(act.started_at)
        if self.calls > FADES_AT:
            self.fade()

    def remember(self, score: float) -> None:
        """Keep the score of a call that is taken as usual, the last 4,000 of them."""
        self.reference.append(round(score, 4))
        if len(self.reference) > MOST_SCORES:
            del self.reference[: len(self.reference) - MOST_SCORES]

    def widen(self, detector: str, level: float) -> None:
        """Take a level of a stretch as usual, as somebody called it fine. A higher one is told as before."""
        self.fine_up_to[detector] = max(level, self.fine_up_to.get(detector, 0.0))

    def once(self, counts: Counts) -> int:
        """How many names were met only once: what Good and Turing estimate the share of new ones by."""
        return sum(1 for count in counts.values() if count <= 1)

    def _names(self, act: Act) -> list[tuple[Counts, str]]:
        found = [(self.tools, act.tool), (self.shapes, f"{act.tool}: {act.shape}")]
        if act.operation:
            found.append((self.operations, f"{act.tool}: {act.operation}"))
        if act.previous:
            found.append((self.pairs, f"{act.previous} > {act.tool}"))
        if act.partner:
            found.append((self.partners, act.partner))
        found += [(self.classes, name) for name in act.data_classes]
        return found

    def _learn_time(self, at: datetime) -> None:
        at = at.astimezone(UTC)
        _count(self.hours, str(at.hour))
        _count(self.by_hour, f"{at:%Y-%m-%dT%H}")
        if len(self.by_hour) > MOST_HOURS:
            del self.by_hour[min(self.by_hour)]
        if self.last_at:
            gap_s = (at - datetime.fromisoformat(self.last_at)).total_seconds()
            if gap_s > 0:
                self.gaps.learn(gap_s)
        self.last_at = max(self.last_at, at.isoformat())

    def fade(self) -> None:
        """Halve every count: what follows weighs twice as much as what was."""
        self.calls, self.errors = self.calls / 2, self.errors / 2
        for counts in (
            self.tools, self.operations, self.pairs, self.shapes, self.classes, self.partners, self.hours
        ):  # fmt: skip
            for name, count in list(counts.items()):
                counts[name] = max(1.0, count / 2)
        for spread in (*self.numbers.values(), *self.latency.values(), self.tokens, self.repeats, self.gaps):
            spread.fade()


def _count(counts: Counts, name: str) -> None:
    if name not in counts and len(counts) >= MOST_NAMES:
        name = OTHER
    counts[name] = counts.get(name, 0.0) + 1


def _spread(spreads: dict[str, Spread], name: str) -> Spread:
    if name not in spreads and len(spreads) >= MOST_NAMES:
        name = OTHER
    return spreads.setdefault(name, Spread())

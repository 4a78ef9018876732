"""When did it begin to do its job worse? A sequential test that may be asked after every run. Pure; touches no table.

Method. Runs are values between 0 and 1 (a share: 0 or 1). For every run j as the possible start of a fall the evidence is

    E[j, n] = mixture over g of  product for i = j..n of  ( x_i g / p_i + (1 - x_i)(1 - g) / (1 - p_i) )

where p_i is what the runs before i predict if nothing ever changed (Beta(1/2, 1/2) prior) and g runs over the levels at
least `LEAST` below what was usual when j began. For shares this is the Bayes factor of "another, lower level since j" against
"one level all along": the reference is not taken as known, a short one gives little evidence (the two-sample form of Turner,
Ly and Gruenwald, Generic E-variables for Exact Sequential k-Sample Tests, 2021, with a mixture in place of a plug-in). For
other bounded values it is a bet on the mean (Waudby-Smith and Ramdas, Estimating Means of Bounded Random Variables by Betting,
2024), which needs no assumption on their distribution. What is watched is the sum over j, the Shiryaev-Roberts e-detector of
Shin, Ramdas and Rinaldo, E-detectors, 2022: it is told once it reaches `mean_runs`.

Error rates. Where nothing changes the sum grows by one a run on average, so the mean number of runs to a false alarm is at least
`mean_runs` (10,000 unless set), however often one looks. That bound is exact over the prior of the level, and for one given
level it is what `bench/outcomes.py` measures. It holds for each measure of each agent by itself. It assumes runs that do not
depend on each other; a slow drift is told too, as a fall that began somewhere on the way.

Where it began is the split with the largest likelihood ratio of two levels to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MEAN_RUNS = 10_000
LEAST = 0.05  # the smallest fall looked for; of a level below 0.1, half of it
LEAST_BEFORE, LEAST_AFTER = 30, 5
LEVELS: Array = np.arange(0.01, 1.0, 0.02)
SCALE_OF, HEADROOM = 90, 3.0  # costs are cut at three times the 90th percentile of the first runs


@dataclass(frozen=True)
class Change:
    """A level that changed: first run of the new one, run that told it, both levels in the values' own unit."""

    start: int
    told_at: int
    before: float
    after: float
    evidence: float


class Detector:
    """The evidence of many streams of runs at once, fed one run of each at a time."""

    def __init__(self, streams: int) -> None:
        self.count = 0
        self.sums: Array = np.zeros(streams)
        self.evidence: Array = np.zeros((streams, len(LEVELS)))

    def add(self, values: Array) -> Array:
        """Take the next run of every stream; the evidence for a fall in each."""
        usual = (self.sums + 0.5) / (self.count + 1.0)
        if self.count >= LEAST_BEFORE:
            self.evidence += _weights(usual)
        ups, downs = values / usual, (1.0 - values) / (1.0 - usual)
        self.evidence *= downs[:, None] + (ups - downs)[:, None] * LEVELS
        self.sums += values
        self.count += 1
        told: Array = self.evidence.sum(axis=1)
        return told


def _weights(usual: Array) -> Array:
    """The levels looked for from here on, one in sum for each stream; none where nothing lower is left."""
    least = usual - np.minimum(LEAST, usual / 2)
    lower = (least[:, None] >= LEVELS).astype(float)
    found: Array = lower / np.maximum(lower.sum(axis=1), 1.0)[:, None]
    return found


def first_fall(values: Sequence[float], mean_runs: float = MEAN_RUNS) -> Change | None:
    """The first fall of a stream of values between 0 and 1, oldest first; None where none is told."""
    stream: Array = np.clip(np.asarray(values, dtype=float), 0.0, 1.0)
    detector = Detector(1)
    for at, value in enumerate(stream):
        evidence = float(detector.add(np.array([value]))[0])
        if evidence >= mean_runs:
            start = began(stream[: at + 1])
            before, after = float(stream[:start].mean()), float(stream[start : at + 1].mean())
            return Change(start, at, before, after, evidence)
    return None


def first_rise(values: Sequence[float], mean_runs: float = MEAN_RUNS) -> Change | None:
    """As `first_fall`, the other way."""
    found = first_fall([1.0 - value for value in values], mean_runs)
    if found is None:
        return None
    return Change(found.start, found.told_at, 1.0 - found.before, 1.0 - found.after, found.evidence)


def began(values: Array) -> int:
    """The split of a stream into two levels, the second lower, that explains it best."""
    count, total = len(values), float(values.sum())
    sizes = np.arange(1, count, dtype=float)
    sums = np.cumsum(values)[:-1]
    before, after = sums / sizes, (total - sums) / (count - sizes)
    gain = sizes * _fit(before) + (count - sizes) * _fit(after)
    possible = (sizes >= LEAST_BEFORE) & (count - sizes >= min(LEAST_AFTER, count - LEAST_BEFORE))
    gain[~possible | (after >= before)] = -np.inf
    return int(np.argmax(gain)) + 1


def _fit(level: Array) -> Array:
    """The best mean log likelihood of values with this mean."""
    inside = np.clip(level, 1e-9, 1 - 1e-9)
    found: Array = inside * np.log(inside) + (1 - inside) * np.log(1 - inside)
    return found


def scale_of(values: Sequence[float]) -> float:
    """What a value without an upper end is divided by, told from the first runs; 0 while there are too few."""
    if len(values) < LEAST_BEFORE:
        return 0.0
    highest: Any = np.percentile(np.asarray(values[:LEAST_BEFORE], dtype=float), SCALE_OF)
    return float(highest) * HEADROOM


def mean_between(values: Sequence[float]) -> float:
    return float(np.mean(np.asarray(values, dtype=float)))

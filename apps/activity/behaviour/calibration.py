"""From an agent's own scores to the score that only one call in so many passes. Pure.

With enough scores (1 / rate) the bar is conformal (Vovk, Gammerman, Shafer 2005): for calls like those before it
the chance to pass it is at most the rate, whatever the scores' distribution. With fewer, the tail beyond the
highest tenth is taken as exponential (peaks over a threshold, as in Siffer et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, log
from typing import Final

DEFAULT_RATE: Final = 0.001
FLOOR: Final = 3.0  # nats: what happens one time in twenty is never alarming
TAIL: Final = 0.1
LEAST_SCALE: Final = 0.1
BEYOND: Final = 50.0
LEAST_BEYOND: Final = 1.5
SPARE: Final = 3  # alerts an agent may open before its rate is held against it


@dataclass(frozen=True)
class Bar:
    """An alarm is a score strictly above `alarm`. One above `far` would come 50 times more rarely still: it is
    not taken for one of the agent's usual calls, while one between them is, so that the bar stays true."""

    alarm: float
    far: float


def bar_of(reference: Sequence[float], rate: float) -> Bar:
    """The bar that a share of `rate` of the agent's usual calls passes. A rate of 0 means never."""
    if rate <= 0:
        return Bar(inf, inf)
    ordered = sorted(reference, reverse=True)
    start, scale = _tail(ordered)
    allowed = floor(rate * (len(ordered) + 1))
    extrapolated = start + scale * log(max(1.0, TAIL / rate))
    alarm = ordered[allowed - 1] if allowed else extrapolated
    alarm = max(FLOOR, alarm)
    return Bar(alarm, alarm + max(LEAST_BEYOND, scale * log(BEYOND)))


def is_over_its_rate(opened: int, scored: int, rate: float) -> bool:
    """True when an agent opened more alerts than its rate allows: another cause is then taken as usual."""
    return opened > SPARE + rate * scored


def _tail(ordered: Sequence[float]) -> tuple[float, float]:
    """Where the highest tenth begins, and how far its scores lie above that on average."""
    if not ordered:
        return 0.0, LEAST_SCALE
    count = max(1, floor(TAIL * len(ordered)))
    start = ordered[min(count, len(ordered) - 1)]
    return start, max(LEAST_SCALE, sum(one - start for one in ordered[:count]) / count)

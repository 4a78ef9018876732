"""Would a fall of an agent's resolution be told, how soon, and how often is one told that is none?

    python bench/outcomes.py            2,000 streams each
    python bench/outcomes.py --quick    300 streams each

Streams are drawn with replacement from the recorded outcomes of tau_airline (`resolved`, and `turns` as the cost of a run). A
fall is injected after 1,000 runs by turning resolved runs into unresolved ones; the reference is everything before. The other
method is the usual one: each day of 50 runs against the first 20 days, told below two standard errors. Keys: `runs` drawn
without a change, `false_alarms_per_1000` (sequential) and `naive_false_alarms_per_1000`; by fall in points `detected` (within 1,000
runs of it, nothing told before), `delay` (median, in runs), `start_error` (median distance of the told start, in runs), `early`
(streams told before it), the same of the naive method (`naive`) and of it with the limit at which its false alarms are as rare as
those of the sequential one (`naive_matched`, `matched_sigmas`,
`matched_false_alarms_per_1000`); `cost` (injected rise in percent, mean version). `by_level` holds false
alarms per 1,000 runs where 10 to 90 percent are resolved.
"""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from apps.activity.outcomes.sequential import MEAN_RUNS, Detector, began, scale_of
from bench.rig import arguments, data_folder, result, say

Array = NDArray[np.float64]
BEFORE, AFTER = 1000, 1000
FALLS = (10, 15, 20, 30)
RISES = (20, 40, 80)
A_DAY, REFERENCE_DAYS, SIGMAS = 50, 20, 2.0
LIMITS = tuple(2.0 + at / 20 for at in range(41))
FILE = "open/tau_airline.jsonl.gz"


@dataclass(frozen=True)
class Found:
    """Where each stream was told: the run, -1 where it never was."""

    told: NDArray[np.int64]

    def runs(self, length: int) -> int:
        return int(np.where(self.told < 0, length, self.told + 1).sum())


def recorded(path: Path) -> tuple[Array, Array]:
    """Resolved (0 or 1) and turns of every recorded session."""
    with gzip.open(path, "rt") as file:
        told = [one for one in map(json.loads, file) if one.get("kind") == "outcome"]
    return np.array([float(one["resolved"]) for one in told]), np.array([float(one["turns"]) for one in told])


def sequential(streams: Array) -> Found:
    detector, told = Detector(len(streams)), np.full(len(streams), -1)
    for at in range(streams.shape[1]):
        evidence = detector.add(streams[:, at])
        told[(told < 0) & (evidence >= MEAN_RUNS)] = at
        detector.evidence[told >= 0] = 0.0  # what is told needs no further evidence, nor overflows
    return Found(told)


def naive(streams: Array, sigmas: float = SIGMAS) -> Found:
    days = streams.shape[1] // A_DAY
    shares = streams[:, : days * A_DAY].reshape(len(streams), days, A_DAY).mean(axis=2)
    usual = shares[:, :REFERENCE_DAYS].mean(axis=1, keepdims=True)
    low = usual - sigmas * np.sqrt(usual * (1 - usual) / A_DAY)
    alarms = shares < low
    alarms[:, :REFERENCE_DAYS] = False
    first = alarms.argmax(axis=1)
    return Found(np.where(alarms.any(axis=1), (first + 1) * A_DAY - 1, -1))


def fallen(resolved: Array, points: int, streams: int, rng: np.random.Generator) -> Array:
    drawn = rng.choice(resolved, (streams, BEFORE + AFTER))
    keep = rng.random((streams, AFTER)) >= points / 100 / resolved.mean()
    drawn[:, BEFORE:] *= keep
    return drawn


def costlier(turns: Array, percent: int, streams: int, rng: np.random.Generator) -> Array:
    """As the product reads costs: divided by the scale of the first runs, cut, and turned over."""
    drawn = rng.choice(turns, (streams, BEFORE + AFTER))
    drawn[:, BEFORE:] *= 1 + percent / 100
    scales = np.array([scale_of(list(stream[:50])) for stream in drawn])
    turned: Array = 1.0 - np.clip(drawn / scales[:, None], 0.0, 1.0)
    return turned


def measured(streams: Array, found: Found) -> dict[str, Any]:
    hit = found.told >= BEFORE
    delays = found.told[hit] - BEFORE + 1
    return {
        "detected": round(float(hit.mean()), 3),
        "delay": int(np.median(delays)) if len(delays) else None,
        "early": round(float(((found.told >= 0) & ~hit).mean()), 3),
    }


def start_error(streams: Array, found: Found) -> int | None:
    told = [(stream, at) for stream, at in zip(streams, found.told, strict=True) if at >= BEFORE]
    errors = [abs(began(stream[: at + 1]) - BEFORE) for stream, at in told]
    return int(np.median(errors)) if errors else None


def per_1000(found: Found, length: int, skipped: int = 0) -> float:
    runs = found.runs(length) - skipped * len(found.told)
    return round(1000 * float((found.told >= 0).sum()) / runs, 4)


def as_rare(calm: Array, rate: float) -> float:
    """The limit at which the naive method cries wolf no more often than this."""
    skipped = A_DAY * REFERENCE_DAYS
    return next(
        (one for one in LIMITS if per_1000(naive(calm, one), calm.shape[1], skipped) <= rate), LIMITS[-1]
    )


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    folder = data_folder()
    if folder is None:
        say("the recorded outcomes are not here: set CHANCERY_DATA")
        return 0
    resolved, turns = recorded(folder / FILE)
    rng, count = np.random.default_rng(20260414), 300 if given.quick else 2000
    say(f"{len(resolved)} recorded runs, {resolved.mean():.0%} resolved")
    figures = calm_figures(resolved, count, 3000 if given.quick else 6000, rng)
    for points in FALLS:
        say(f"a fall of {points} points")
        streams = fallen(resolved, points, count, rng)
        found = sequential(streams)
        figures[f"fall_{points}"] = measured(streams, found) | {
            "start_error": start_error(streams, found),
            "naive": measured(streams, naive(streams)),
            "naive_matched": measured(streams, naive(streams, figures["matched_sigmas"])),
        }
    for percent in RISES:
        say(f"costs up by {percent} percent")
        streams = costlier(turns, percent, count, rng)
        figures.setdefault("cost", {})[percent] = measured(streams, sequential(streams))
    result(**figures)
    return 0


def calm_figures(resolved: Array, count: int, length: int, rng: np.random.Generator) -> dict[str, Any]:
    """How often a fall is told where there is none."""
    say("without a change")
    calm = rng.choice(resolved, (count, length))
    alarms = sequential(calm)
    figures: dict[str, Any] = {
        "mean_runs": MEAN_RUNS,
        "runs": alarms.runs(length),
        "false_alarms_per_1000": per_1000(alarms, length),
        "naive_false_alarms_per_1000": per_1000(naive(calm), length, skipped=A_DAY * REFERENCE_DAYS),
        "by_level": {},
    }
    matched = figures["matched_sigmas"] = as_rare(calm, figures["false_alarms_per_1000"])
    figures["matched_false_alarms_per_1000"] = per_1000(naive(calm, matched), length, A_DAY * REFERENCE_DAYS)
    for level in (10, 30, 50, 70, 90):
        say(f"without a change at {level} percent")
        streams = (rng.random((count, length // 2)) < level / 100).astype(float)
        figures["by_level"][level] = per_1000(sequential(streams), length // 2)
    return figures


if __name__ == "__main__":
    sys.exit(main())

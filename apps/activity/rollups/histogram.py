"""Durations as counts in buckets that grow by a tenth each: quantiles to within 5%, sums of hours by adding. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import floor, log

GROWTH = 1.1
LEAST_MS = 0.01
# The same bucket in SQL: of greatest(duration_ms, LEAST_MS).
BUCKET_SQL = f"floor(ln(greatest(duration_ms, {LEAST_MS})) / ln({GROWTH}::float8))::int"


def bucket_of(duration_ms: float) -> int:
    """The bucket of a duration: the power of GROWTH at or below it."""
    return floor(log(max(duration_ms, LEAST_MS)) / log(GROWTH))


def added(histograms: Iterable[Mapping[str, int]]) -> Counter[int]:
    """Stored histograms (JSON keys are text) as one."""
    total: Counter[int] = Counter()
    for one in histograms:
        total.update({int(bucket): count for bucket, count in one.items()})
    return total


def quantile(histogram: Mapping[int, int], share: float) -> float | None:
    """The duration in ms below which `share` of the counted lie, to within 5%; None of nothing."""
    total = sum(histogram.values())
    if not total:
        return None
    seen, wanted = 0, share * total
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= wanted:
            break
    return float(GROWTH ** (bucket + 0.5))

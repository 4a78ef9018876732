"""When a breaker trips by itself: the limits Chancery begins with, by cause and tier, and what a trial is. Pure.

Everybody's own choices stand in `BreakerRule`; the narrowest holds: agent, tier, fleet, then these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from django.conf import settings

GRAVEST_TIER = 4
CAUSES = ("violations", "anomalies", "denials", "errors", "spend", "outcomes")
COUNTED = {
    "violations": "violations",
    "anomalies": "anomalies of high severity",
    "denials": "denied calls",
    "errors": "failed calls",
    "spend": "US dollars",
    "outcomes": "outcomes that got worse",
}
SINGULAR = {
    "violations": "violation",
    "anomalies": "anomaly of high severity",
    "denials": "denied call",
    "errors": "failed call",
    "spend": "US dollar",
    "outcomes": "outcome that got worse",
}


@dataclass(frozen=True)
class Limit:
    """`threshold` of what the cause counts within the window; `share_percent` of all calls of the window as well, None for
    any share. `source` says whose limit it is: agent, tier, fleet or chancery."""

    cause: str
    is_on: bool
    threshold: int
    window: timedelta
    share_percent: int | None = None
    source: str = "chancery"

    @property
    def words(self) -> str:
        share = f" and {self.share_percent}% of its calls" if self.share_percent else ""
        return f"{counted_words(self.cause, self.threshold)}{share} in {window_words(self.window)}"


@dataclass(frozen=True)
class TrialTerms:
    """After a reset: armed again after `calls` in order or after `lasts`, and at most so many calls a minute until then."""

    calls: int
    lasts: timedelta
    most_per_minute: int


class Chosen(Protocol):
    """A row of somebody's choice."""

    @property
    def agent_id(self) -> object: ...
    @property
    def tier(self) -> int | None: ...
    @property
    def cause(self) -> str: ...
    @property
    def is_on(self) -> bool: ...
    @property
    def threshold(self) -> int: ...
    @property
    def window_s(self) -> int: ...
    @property
    def share_percent(self) -> int | None: ...


def limits_of(tier: int | None, chosen: Iterable[Chosen] = ()) -> dict[str, Limit]:
    """The limit of every cause for an agent of this tier (None: not assessed). `chosen`: rows that may concern it."""
    found = {cause: _default(cause, tier) for cause in CAUSES}
    for row in sorted(chosen, key=_narrowness):
        if row.cause in found and (row.tier is None or row.tier == tier):
            found[row.cause] = Limit(
                row.cause, row.is_on, row.threshold, timedelta(seconds=row.window_s), row.share_percent, _source(row)
            )  # fmt: skip
    return found


def trial_of(tier: int | None) -> TrialTerms:
    """The graver the agent, the longer and the slower."""
    if tier is None or tier < 3:
        return TrialTerms(20, timedelta(minutes=15), 30)
    return TrialTerms(50, timedelta(hours=1), 10) if tier == 3 else TrialTerms(100, timedelta(hours=4), 5)


def counted_words(cause: str, count: int) -> str:
    """ "5 violations", "1 violation"."""
    words = SINGULAR[cause] if count == 1 else COUNTED[cause]
    return f"{count:,} {words}"


def window_words(window: timedelta) -> str:
    seconds = int(window.total_seconds())
    for unit, word in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit and seconds % unit == 0:
            return f"{seconds // unit} {word}"
    return f"{seconds} seconds"


def _narrowness(row: Chosen) -> int:
    return 2 if row.agent_id is not None else int(row.tier is not None)


def _source(row: Chosen) -> str:
    return ("fleet", "tier", "agent")[_narrowness(row)]


def _default(cause: str, tier: int | None) -> Limit:
    """Errors and denials trip only where they are most of what an agent does; spend only where somebody set a sum."""
    ten_minutes, grave = timedelta(minutes=10), tier is not None and tier >= 3
    defaults = {
        "violations": Limit(cause, True, settings.BREAKER_THRESHOLD, settings.BREAKER_WINDOW),
        "anomalies": Limit(cause, grave, 5, timedelta(hours=1)),
        "denials": Limit(cause, True, 20, ten_minutes, 50),
        "errors": Limit(cause, True, 30, ten_minutes, 80),
        "spend": Limit(cause, False, 100, timedelta(days=1)),
        "outcomes": Limit(cause, tier == GRAVEST_TIER, 1, timedelta(days=1)),
    }
    found = defaults[cause]
    if tier == GRAVEST_TIER and cause != "outcomes":
        return replace(found, threshold=max(1, found.threshold * 3 // 5))
    return found

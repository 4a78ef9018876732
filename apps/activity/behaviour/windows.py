"""Detectors of stretches of time rather than of single calls: volume, error rate, silence. Pure.

What a person called fine of a stretch widens what counts as usual for that agent up to the level seen then, never without
end: a stretch well above it is told, and so are 20 calls that nearly all fail and a silence of several days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil, log
from statistics import fmean, pvariance
from typing import Final

from apps.activity.behaviour.profile import RECENT, Profile
from apps.activity.behaviour.surprise import Surprise

LEAST_HOURS: Final = 6
LEAST_NATS: Final = 7.0  # one in a thousand
LONGEST_SILENCE_H: Final = 24 * 7
LEAST_ERRORS: Final = 4
MOST_FINE: Final[Mapping[str, float]] = {"error_rate": 0.5, "silence": LONGEST_SILENCE_H / 2}


def of_stretches(profile: Profile, now: datetime, rate: float, off: Iterable[str] = ()) -> list[Surprise]:
    """Which stretches are unlikelier than the rate allows. A cause is one hour (volume), one day (failures), one silence
    since its last call."""
    silent = set(off)
    found = [*_volume(profile, now), *_errors(profile), *_silence(profile, now)]
    least = max(LEAST_NATS, -log(rate)) if rate > 0 else float("inf")
    return [one for one in found if one.detector not in silent and one.nats >= least]


def _fine(profile: Profile, detector: str) -> float:
    return min(profile.fine_up_to.get(detector, 0.0), MOST_FINE.get(detector, float("inf")))


def _volume(profile: Profile, now: datetime) -> Iterator[Surprise]:
    """The hour that runs against the hours before it: a Poisson tail, widened by how much hours differ."""
    hour = f"{now.astimezone(UTC):%Y-%m-%dT%H}"
    count = profile.by_hour.get(hour, 0.0)
    before = [calls for key, calls in profile.by_hour.items() if key != hour]
    if len(before) < LEAST_HOURS:
        return
    mean = fmean(before)
    usual = max(mean, _fine(profile, "volume"))
    if count > usual:
        spread = max(1.0, pvariance(before) / mean)
        nats = (count * log(count / usual) - (count - usual)) / spread
        words = f"{count:.0f} calls in the hour from {hour[-2:]}:00 UTC; an hour at work has {mean:.0f} on average, at most {max(before):.0f}."
        yield Surprise("volume", hour, nats, words, count)


def _errors(profile: Profile) -> Iterator[Surprise]:
    """The newest 20 calls against the agent's share of failures: a binomial tail (Chernoff)."""
    failed = sum(profile.recent_errors)
    if len(profile.recent_errors) < RECENT or failed < LEAST_ERRORS:
        return
    seen = (max(0.0, profile.errors - failed) + 1) / (max(1.0, profile.calls - RECENT) + 2)
    usual = max(seen, _fine(profile, "error_rate"))
    share = failed / RECENT
    if share > usual:
        rest = (1 - share) * log((1 - share) / (1 - usual)) if share < 1 else 0.0
        nats = RECENT * (share * log(share / usual) + rest)
        words = f"{failed} of the newest {RECENT} calls failed; usual is {seen:.0%}."
        yield Surprise("error_rate", profile.last_at[:10], nats, words, share)


def _silence(profile: Profile, now: datetime) -> Iterator[Surprise]:
    """No call for so long, where its hours would have brought some. Rests on a day of hours at least.

    Only the hours beyond a silence that was called fine count.
    """
    if not profile.last_at or len(profile.by_hour) < LEAST_HOURS:
        return
    last = datetime.fromisoformat(profile.last_at)
    first = datetime.strptime(min(profile.by_hour), "%Y-%m-%dT%H").replace(tzinfo=UTC)
    days = max(1.0, (last - first) / timedelta(days=1))
    hours = min(LONGEST_SILENCE_H, int((now - last) / timedelta(hours=1)))
    if (last - first) < timedelta(days=1) or hours < 2:
        return
    shares = _shares(profile, days)
    expected = [shares[(last.hour + 1 + step) % 24] for step in range(hours)]
    beyond = sum(expected[ceil(_fine(profile, "silence")) :])
    counts = list(profile.by_hour.values())
    spread = max(1.0, pvariance(counts) / fmean(counts))
    words = f"No call for {hours} hours, in which {sum(expected):.0f} were to be expected."
    yield Surprise("silence", f"{last:%Y-%m-%dT%H:%M}", beyond / spread, words, float(hours))


def _shares(profile: Profile, days: float) -> list[float]:
    """Calls to be expected in each hour of the day."""
    of_day = [0.0] * 24
    for key, count in profile.by_hour.items():
        of_day[int(key[-2:])] += count
    return [count / days for count in of_day]

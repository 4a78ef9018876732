"""What is normal for an agent, in sentences its owner understands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from apps.activity.behaviour.profile import Profile, Spread
from apps.kit.ui.formats import milliseconds, number

MOST_SAID: Final = 3
OFTEN: Final = 0.02
LEAST_HOURS: Final = 24  # at work, on at least so many days, before hours and volume are told
LEAST_DAYS: Final = 3


def usual_in_words(profile: Profile) -> list[str]:
    """What is normal, the most telling first; empty before the first call."""
    if not profile.learnt:
        return []
    return [
        *_tools(profile), *_sequences(profile), *_hours(profile), *_speed(profile), *_arguments(profile),
        *_request(profile),
    ]  # fmt: skip


def shares(counts: Mapping[str, float]) -> list[tuple[str, float]]:
    """Each name's share, the largest first."""
    total = sum(counts.values()) or 1.0
    return sorted(((name, count / total) for name, count in counts.items()), key=lambda one: -one[1])


def _tools(profile: Profile) -> Iterator[str]:
    found = shares(profile.tools)
    told = ", ".join(f"{name} ({share:.0%})" for name, share in found[:MOST_SAID])
    rest = f" and {len(found) - MOST_SAID} more" if len(found) > MOST_SAID else ""
    yield f"It calls {told}{rest}."
    if profile.classes:
        yield f"Its tools are on record for {_listed(sorted(profile.classes))} data."
    if profile.partners:
        yield f"It hands over to {_listed(sorted(profile.partners))}."


def _sequences(profile: Profile) -> Iterator[str]:
    found = [(name, share) for name, share in shares(profile.pairs)[:2] if share >= OFTEN]
    for name, _ in found:
        before, _, after = name.partition(" > ")
        of_before = sum(count for pair, count in profile.pairs.items() if pair.startswith(f"{before} > "))
        yield f"After {before} comes {after} in {profile.pairs[name] / of_before:.0%} of its conversations."


def _hours(profile: Profile) -> Iterator[str]:
    yield from _called_fine(profile.fine_up_to)
    if not _seen_long_enough(profile):
        yield "It is too early to tell at what hours it works and how much."
        return
    begin, length = _shortest_stretch(profile.hours)
    if length >= 23:
        yield "It works around the clock."
    else:
        yield f"Nine in ten of its calls begin between {begin:02d}:00 and {(begin + length) % 24:02d}:00 UTC."
    counts = sorted(profile.by_hour.values())
    yield f"An hour at work has {number(counts[len(counts) // 2])} calls, at most {number(counts[-1])}."


def _called_fine(levels: Mapping[str, float]) -> Iterator[str]:
    if calls := levels.get("volume"):
        yield f"Up to {number(calls)} calls in an hour were called fine."
    if share := levels.get("error_rate"):
        yield f"Up to {share:.0%} of 20 calls failing was called fine."
    if hours := levels.get("silence"):
        yield f"Up to {number(hours)} hours without a call were called fine."


def _seen_long_enough(profile: Profile) -> bool:
    """Its calls fell into enough different hours of enough different days (UTC)."""
    days = {hour.partition("T")[0] for hour in profile.by_hour}
    return len(profile.by_hour) >= LEAST_HOURS and len(days) >= LEAST_DAYS


def _speed(profile: Profile) -> Iterator[str]:
    for name, _ in shares(profile.tools)[:1]:
        spread = profile.latency.get(name)
        if spread is not None and spread.count:
            yield f"{name} takes {milliseconds(spread.typical)}, at most {milliseconds(spread.high)} so far."
    failed = profile.errors / profile.calls if profile.calls else 0.0
    yield f"{failed:.1%} of its calls fail." if profile.errors else "None of its calls failed."
    if profile.tokens.count:
        yield f"The answer before a call takes {number(profile.tokens.typical)} tokens."


def _arguments(profile: Profile) -> Iterator[str]:
    ranked = sorted(profile.numbers.items(), key=lambda one: -one[1].count)
    figures = [(name, spread) for name, spread in ranked if not name.endswith(")")]
    for name, spread in figures[:MOST_SAID]:
        tool, _, argument = name.partition(": ")
        yield f"{argument} of {tool} is {range_words(spread)}."


def _request(profile: Profile) -> Iterator[str]:
    away = profile.signs.get("distance")
    if away is None:
        yield "No request of a person was seen beside its calls, so none is compared with one."
    else:
        yield f"Its calls stay {away.typical:.2f} away from what was asked (0 the same, 1 unrelated)."


def range_words(spread: Spread) -> str:
    """Where nearly all values lie, within what was seen."""
    low, high = (figure(value) for value in usual_range(spread))
    return low if low == high else f"{low} to {high}"


def figure(value: float) -> str:
    """A whole number from ten on, two digits below."""
    return number(round(value)) if abs(value) >= 10 else f"{value:.2g}"


def usual_range(spread: Spread) -> tuple[float, float]:
    low, high = spread.usual
    return min(max(low, spread.low), spread.high), max(min(high, spread.high), spread.low)


def _shortest_stretch(hours: Mapping[str, float]) -> tuple[int, int]:
    """The hour it begins and how many hours hold nine tenths of the calls."""
    counts = [hours.get(str(hour), 0.0) for hour in range(24)]
    needed = 0.9 * sum(counts)
    for length in range(1, 25):
        for begin in range(24):
            if sum(counts[(begin + step) % 24] for step in range(length)) >= needed:
                return begin, length
    return 0, 24


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

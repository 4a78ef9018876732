"""The detectors: how surprising one call is against a profile, each small and with its reason. Pure.

A surprise is in nats, -ln of how likely such a thing is for this agent by what was seen of it: 3 is one in
twenty, 7 one in a thousand. For what was never seen the likelihood is that of anything new at all, estimated
by how much was seen only once (Good and Turing), so a detector needs no threshold of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from math import log
from typing import Final

from apps.activity.behaviour.acts import Act
from apps.activity.behaviour.profile import Counts, Profile, Spread, signed_log

NIGHT: Final = (22, 6)  # from, until; UTC
WIDEST: Final = 12.0
LEAST_WIDTH: Final = 0.25
ENOUGH: Final = 12  # values before a spread says what is usual
LOOP: Final = 4
LEAST_HOURS: Final = 24  # at work, before hours say when an agent rests


@dataclass(frozen=True)
class Surprise:
    """What one detector says of a call: about what it is surprised, how much, in words.

    `level` is of a stretch: calls in the hour, the share that failed, hours without a call.
    """

    detector: str
    subject: str
    nats: float
    reason: str
    level: float | None = None

    @property
    def cause(self) -> str:
        return f"{self.detector}: {self.subject}"


def new_tool(act: Act, profile: Profile) -> Iterator[Surprise]:
    if act.tool not in profile.tools:
        yield Surprise(
            "new_tool", act.tool, _of_new(profile, profile.tools), _never(f"{act.tool} was", profile)
        )


def new_operation(act: Act, profile: Profile) -> Iterator[Surprise]:
    name = f"{act.tool}: {act.operation}"
    known = _within(profile.operations, f"{act.tool}: ")
    if act.operation and known and name not in profile.operations:
        words = _never(f"{act.tool} was never told to {act.operation}; it was", profile)
        yield Surprise("new_operation", name, _of_new_in(profile, known), words)


def new_data_class(act: Act, profile: Profile) -> Iterator[Surprise]:
    for name in act.data_classes:
        if name not in profile.classes:
            words = f"{act.tool} touches {name} data; none of its {_calls(profile)} did."
            yield Surprise("new_data_class", name, _of_new(profile, profile.classes), words)


def rare_transition(act: Act, profile: Profile) -> Iterator[Surprise]:
    if not act.previous or act.tool not in profile.tools:
        return
    before = _within(profile.pairs, f"{act.previous} > ")
    total = sum(before.values())
    if total < ENOUGH:
        return
    pair = f"{act.previous} > {act.tool}"
    share = profile.tools[act.tool] / profile.calls
    backed_off = (before.get(pair, 0.0) + len(before) * share) / (total + len(before))
    words = f"{act.tool} followed {act.previous} in {before.get(pair, 0):.0f} of the {total:.0f} times it was seen."
    yield Surprise("rare_transition", pair, min(WIDEST, -log(backed_off)), words)


def argument_shape(act: Act, profile: Profile) -> Iterator[Surprise]:
    known = _within(profile.shapes, f"{act.tool}: ")
    if known and f"{act.tool}: {act.shape}" not in profile.shapes:
        words = f"{act.tool} was called with {act.shape or 'no arguments'}; it never was in {sum(known.values()):.0f} calls."
        yield Surprise("argument_shape", f"{act.tool}: {act.shape}", _of_new_in(profile, known), words)


def argument_range(act: Act, profile: Profile) -> Iterator[Surprise]:
    for name, value in act.numbers.items():
        key = f"{act.tool}: {name}"
        spread = profile.numbers.get(key)
        if spread is None or spread.count < ENOUGH or spread.low <= value <= spread.high:
            continue
        words = f"{name} of {act.tool} is {value:g}; usual is {_range(spread)}."
        yield Surprise("argument_range", key, _of_distance(spread, value), words)


def loop(act: Act, profile: Profile) -> Iterator[Surprise]:
    usual = profile.repeats
    if act.repeats >= LOOP and usual.count >= ENOUGH:
        words = f"The same call of {act.tool} was made {act.repeats + 1} times in a row; usual is {usual.typical + 1:.0f}."
        yield Surprise("loop", act.tool, _of_distance(usual, act.repeats), words)


def night_work(act: Act, profile: Profile) -> Iterator[Surprise]:
    hour = act.started_at.astimezone(UTC).hour
    if NIGHT[1] <= hour < NIGHT[0] or len(profile.by_hour) < LEAST_HOURS:
        return
    total = sum(profile.hours.values())
    near = sum(profile.hours.get(str((hour + step) % 24), 0.0) for step in (-1, 0, 1))
    words = f"It works at {hour:02d}:00 UTC, when {near:.0f} of {total:.0f} calls were made."
    yield Surprise("night_work", f"{hour:02d}:00", min(WIDEST, -log((near + 1) / (total + 24))), words)


def latency_shift(act: Act, profile: Profile) -> Iterator[Surprise]:
    spread = profile.latency.get(act.tool)
    if act.duration_ms is None or spread is None or spread.count < ENOUGH or act.duration_ms <= spread.high:
        return
    words = f"{act.tool} took {act.duration_ms:.0f} ms; usual is {spread.typical:.0f} ms, the most {spread.high:.0f} ms."
    yield Surprise("latency_shift", act.tool, _of_distance(spread, act.duration_ms), words)


def hand_over(act: Act, profile: Profile) -> Iterator[Surprise]:
    if act.partner and act.partner not in profile.partners:
        words = _never(f"It hands over to {act.partner}, which was", profile)
        yield Surprise("hand_over", act.partner, _of_new(profile, profile.partners), words)


Detector = Callable[[Act, Profile], Iterator[Surprise]]
OF_A_CALL: Final[Mapping[str, Detector]] = {
    "new_tool": new_tool,
    "new_operation": new_operation,
    "new_data_class": new_data_class,
    "rare_transition": rare_transition,
    "argument_shape": argument_shape,
    "argument_range": argument_range,
    "loop": loop,
    "night_work": night_work,
    "latency_shift": latency_shift,
    "hand_over": hand_over,
}


def surprises(act: Act, profile: Profile, off: Iterable[str] = ()) -> list[Surprise]:
    """What the detectors that are on say of a call, the strongest first; nothing that a person called fine."""
    silent = set(off)
    found = [
        one
        for name, detector in OF_A_CALL.items()
        if name not in silent
        for one in detector(act, profile)
        if one.cause not in profile.taught
    ]
    return sorted(found, key=lambda one: -one.nats)


def _of_new(profile: Profile, counts: Counts) -> float:
    return max(0.0, -log((profile.once(counts) + 1) / (profile.calls + 1)))


def _of_new_in(profile: Profile, known: Counts) -> float:
    return max(0.0, -log((profile.once(known) + 1) / (sum(known.values()) + 1)))


def _of_distance(spread: Spread, value: float) -> float:
    """-ln of a heavy-tailed likelihood (the square of Chebyshev's bound) of lying so far out."""
    away = abs(signed_log(value) - spread.mean) / max(spread.width, LEAST_WIDTH)
    return min(WIDEST, max(0.0, 2 * log(away))) if away > 1 else 0.0


def _within(counts: Counts, prefix: str) -> Counts:
    return {name: count for name, count in counts.items() if name.startswith(prefix)}


def _range(spread: Spread) -> str:
    low, high = spread.usual
    return (
        f"{max(low, spread.low):.4g} to {min(high, spread.high):.4g}"
        if spread.low < spread.high
        else f"{spread.low:g}"
    )


def _calls(profile: Profile) -> str:
    return f"{profile.learnt} calls"


def _never(what: str, profile: Profile) -> str:
    return f"{what} never called in the {profile.learnt} calls before."

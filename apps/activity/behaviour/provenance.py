"""Where the arguments of a call came from. Pure.

A value that stands in the person's request was asked for. One that stands only in an earlier result was found
on the way, which is how agents work; one that stands in a sentence of a result that tells to do something is
how they are misled. One that stands nowhere was made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.activity.behaviour.instructions import WEAK_WEIGHT, Instruction
from apps.activity.behaviour.texts import LONGEST_READ, normal

PARTLY: Final = 0.8  # all words of a value, but not in its order
QUOTED: Final = 30  # characters from which an instruction within an argument is a quotation of it
SHARE_FOUND: Final = 0.75


class Source:
    """A text in which values are looked for."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._text = normal(" ".join(texts)[: 4 * LONGEST_READ])
        self._words = set(self._text.split())

    def holds(self, value: str) -> float:
        """1 where the value stands in the text, less where only some of its words do. `value` is normal."""
        if not self._text:
            return 0.0
        if value in self._text:
            return 1.0
        words = set(value.split())
        return PARTLY * len(words & self._words) / len(words)


@dataclass(frozen=True)
class Origin:
    """How far one value stands in the request, in strong and weak instructions, in any earlier result."""

    name: str
    value: str
    request: float
    strong: float
    weak: float
    result: float

    @property
    def place(self) -> str:
        """`request`, `instruction`, `result` or `nowhere`."""
        if self.request >= SHARE_FOUND:
            return "request"
        if max(self.strong, self.weak) >= SHARE_FOUND:
            return "instruction"
        return "result" if self.result >= SHARE_FOUND else "nowhere"


@dataclass(frozen=True)
class Provenance:
    """Of all values of a call: how much nobody asked for, how much came from instructions in results."""

    origins: tuple[Origin, ...]
    unasked: float
    taken: float

    def told_from(self, place: str) -> list[Origin]:
        return [one for one in self.origins if one.place == place]


def without_quotations(
    arguments: Iterable[tuple[str, str]], instructions: Sequence[Instruction]
) -> list[tuple[str, str]]:
    """Arguments without whole instructions they merely carry: passing a text on is not obeying it."""
    quoted = sorted({one.text for one in instructions if len(one.text) > QUOTED}, key=len, reverse=True)
    cleaned = []
    for name, value in arguments:
        for text in quoted:
            value = value.replace(text, "")
        cleaned.append((name, value))
    return cleaned


def provenance_of(
    arguments: Sequence[tuple[str, str]],
    request: str,
    results: Sequence[str],
    instructions: Sequence[Instruction],
) -> Provenance:
    """Look every value up. Without arguments half is taken as unasked: nothing tells."""
    places = (
        Source([request]),
        Source(one.text for one in instructions if one.is_strong),
        Source(one.text for one in instructions if not one.is_strong),
        Source(results),
    )
    origins = tuple(
        Origin(name, value, *(place.holds(normal(value)) for place in places))
        for name, value in arguments
        if normal(value)
    )
    if not origins:
        return Provenance((), 0.0 if arguments else 0.5, 0.0)
    strong = _mean(one.strong - one.request for one in origins)
    weak = WEAK_WEIGHT * _mean(one.weak - one.request for one in origins)
    unasked = 1 - _mean(one.request for one in origins)
    return Provenance(origins, unasked, max(0.0, strong, weak))


def _mean(values: Iterable[float]) -> float:
    told = list(values)
    return sum(told) / len(told)

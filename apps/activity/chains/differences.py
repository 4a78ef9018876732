"""Two runs side by side: which steps they have in common, and where they first differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from apps.activity.chains.steps import Step
from apps.activity.chains.values import normal, text_of

LONGEST_FLAT = 400
AROUND, SHORT = 3, 60
LARGEST = 250_000


@dataclass(frozen=True)
class Pair:
    """A line of the comparison: a step of either run or of both (by place), and what is different about them."""

    left: int | None
    right: int | None
    what: str = ""


@dataclass(frozen=True)
class Comparison:
    """All lines, and the place of the first that differs; None when the runs do the same."""

    pairs: Sequence[Pair]
    first: int | None


@dataclass(frozen=True)
class Fold:
    """So many lines in a row that are the same and need not be shown."""

    lines: int


def folded(found: Comparison, around: int = AROUND) -> Iterator[int | Fold]:
    """The places to show: what differs, and a few lines about it; the rest as folds."""
    shown = {
        near
        for at, pair in enumerate(found.pairs)
        if pair.what
        for near in range(at - around, at + around + 1)
    }
    left_out = 0
    for at in range(len(found.pairs)):
        if at not in shown and len(found.pairs) > SHORT:
            left_out += 1
            continue
        if left_out:
            yield Fold(left_out)
            left_out = 0
        yield at
    if left_out:
        yield Fold(left_out)


def compare(left: Sequence[Step], right: Sequence[Step]) -> Comparison:
    """Runs aligned by what each step does; arguments and outcome are compared where it is the same."""
    one, other = [_doing(step) for step in left], [_doing(step) for step in right]
    begin = _common(one, other)
    end = _common(one[begin:][::-1], other[begin:][::-1])
    pairs = [_same(left, right, at, at) for at in range(begin)]
    middle = one[begin : len(one) - end], other[begin : len(other) - end]
    # What is frequent is left out of the search in a long middle: alignment there is quadratic otherwise.
    matcher = SequenceMatcher(None, *middle, autojunk=len(middle[0]) * len(middle[1]) > LARGEST)
    pairs += _pairs(left, right, matcher, begin)
    pairs += [_same(left, right, len(one) - back, len(other) - back) for back in range(end, 0, -1)]
    first = next((at for at, pair in enumerate(pairs) if pair.what), None)
    return Comparison(pairs, first)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the first are the same in both."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _same(left: Sequence[Step], right: Sequence[Step], one: int, other: int) -> Pair:
    return Pair(one, other, difference(left[one], right[other]))


def _pairs(
    left: Sequence[Step], right: Sequence[Step], matcher: SequenceMatcher[str], begin: int
) -> Iterator[Pair]:
    """The middle of both runs, which begins at `begin` in either."""
    for what, *bounds in matcher.get_opcodes():
        i1, i2, j1, j2 = (begin + bound for bound in bounds)
        if what == "equal":
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                yield _same(left, right, i, j)
            continue
        for offset in range(max(i2 - i1, j2 - j1)):
            one = i1 + offset if i1 + offset < i2 else None
            other = j1 + offset if j1 + offset < j2 else None
            yield Pair(one, other, "only here" if one is None or other is None else "another step")


def difference(one: Step, other: Step) -> str:
    """What is different about two steps that do the same; '' when nothing is."""
    if one.is_hidden or other.is_hidden:
        return ""
    if not _alike(one.given, other.given):
        return f"other arguments: {', '.join(_keys(one.given, other.given)) or 'the whole'}"
    if one.is_failed != other.is_failed:
        return "one failed"
    if one.is_refused != other.is_refused:
        return "one was refused"
    if one.outcome != other.outcome:
        return "judged differently"
    return "" if _alike(one.produced, other.produced) else "another result"


def _keys(one: object, other: object) -> list[str]:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return []
    return sorted(
        key for key in one.keys() | other.keys() if normal(str(one.get(key))) != normal(str(other.get(key)))
    )[:4]


def _doing(step: Step) -> str:
    return (
        "hidden" if step.is_hidden else f"{step.agent_id or step.agent}/{step.kind}/{step.tool or step.title}"
    )


def _alike(one: object, other: object) -> bool:
    return _beginning(one) == _beginning(other)


def _beginning(thing: object) -> str:
    return " ".join(text_of(thing).casefold().split())[:LONGEST_FLAT]

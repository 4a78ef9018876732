"""Two runs side by side: which steps they have in common, and where they first differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import orjson

from apps.activity.chains.steps import Step
from apps.activity.chains.values import normal

LONGEST_FLAT = 400


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


def compare(left: Sequence[Step], right: Sequence[Step]) -> Comparison:
    """Runs aligned by what each step does; arguments and outcome are compared where it is the same."""
    one, other = [_doing(step) for step in left], [_doing(step) for step in right]
    pairs = list(_pairs(left, right, SequenceMatcher(None, one, other, autojunk=False)))
    first = next((at for at, pair in enumerate(pairs) if pair.what), None)
    return Comparison(pairs, first)


def _pairs(left: Sequence[Step], right: Sequence[Step], matcher: SequenceMatcher[str]) -> Iterator[Pair]:
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        if what == "equal":
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                yield Pair(i, j, difference(left[i], right[j]))
            continue
        for offset in range(max(i2 - i1, j2 - j1)):
            one = i1 + offset if i1 + offset < i2 else None
            other = j1 + offset if j1 + offset < j2 else None
            yield Pair(one, other, "only here" if one is None or other is None else "another step")


def difference(one: Step, other: Step) -> str:
    """What is different about two steps that do the same; '' when nothing is."""
    if one.is_hidden or other.is_hidden:
        return ""
    if _flat(one.given) != _flat(other.given):
        return f"other arguments: {', '.join(_keys(one.given, other.given)) or 'the whole'}"
    if one.is_failed != other.is_failed:
        return "one failed"
    if one.outcome != other.outcome:
        return "judged differently"
    return "another result" if _flat(one.produced) != _flat(other.produced) else ""


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


def _flat(thing: object) -> str:
    text = (
        thing
        if isinstance(thing, str)
        else orjson.dumps(thing, default=str, option=orjson.OPT_SORT_KEYS).decode()
    )
    return " ".join(text.casefold().split())[:LONGEST_FLAT]

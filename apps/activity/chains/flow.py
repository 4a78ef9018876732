"""Data flow: which step used a value that an earlier step's result had brought in.

A value is looked for in three ways, and the edge says which one found it: exact, normalised (spelling of numbers,
dates, identifiers, case and spaces) and partial (a value inside a longer text, or put together from several fields).
What a step was given itself it did not bring in, and what most results say tells nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apps.activity.chains.steps import Edge, Link, Step, Used
from apps.activity.chains.values import Value, normal, says_something, values_of

MOST_FLOWS_IN = 24
COMMON_FROM, COMMON_SHARE = 6, 0.3
WAYS = ("exact", "normalised", "partial")
Origin = tuple[int, Value]


@dataclass
class Brought:
    """What the results so far have brought in, by normal form: whole values, and those inside texts."""

    whole: dict[str, list[Origin]] = field(default_factory=lambda: defaultdict(list))
    inside: dict[str, list[Origin]] = field(default_factory=lambda: defaultdict(list))

    def add(self, at: int, values: Iterable[Value], known: set[str]) -> None:
        for value in values:
            form = normal(value.raw)
            if form not in known:
                (self.inside if value.in_text else self.whole)[form].append((at, value))


def used_in(steps: Sequence[Step]) -> Used:
    """Every step's values, taken once."""
    given = [[] if step.is_hidden else values_of(step.given) for step in steps]
    produced = [[] if step.is_hidden else values_of(step.produced) for step in steps]
    return Used(given, produced, _common(produced))


def _common(produced: Sequence[list[Value]]) -> frozenset[str]:
    seen = Counter(form for values in produced for form in {normal(value.raw) for value in values})
    speaking = sum(1 for values in produced if values)
    most = max(COMMON_FROM, COMMON_SHARE * speaking)
    return frozenset(form for form, count in seen.items() if count > most)


def flows(used: Used) -> list[Edge]:
    """The edges of values from results into later arguments, of steps in order."""
    brought, found = Brought(), []
    for at in range(len(used.given)):
        found += _read(at, used, brought)
        known = {normal(value.raw) for value in used.given[at]}
        brought.add(at, used.produced[at], known | used.common)
    return found


def _read(at: int, used: Used, brought: Brought) -> list[Edge]:
    edges: dict[tuple[int, str], Edge] = {}
    for value in used.given[at]:
        edge = _whole(at, value, brought) or _inside(at, value, brought) or _split(at, value, brought)
        if edge is not None:
            edges.setdefault((edge.source, normal(value.raw)), edge)
        if len(edges) >= MOST_FLOWS_IN:
            break
    return list(edges.values())


def _whole(at: int, value: Value, brought: Brought) -> Edge | None:
    origins = brought.whole.get(normal(value.raw))
    if not origins:
        return None
    same = [origin for origin in origins if origin[1].raw == value.raw]
    source, said = (same or origins)[-1]
    if value.in_text:
        words = f"{said.raw} of {_place(said)} stands inside {_place(value)}"
        return _edge(source, at, said, value, "partial", words)
    if same:
        return _edge(source, at, said, value, "exact", f"{_place(value)} is exactly what {_place(said)} said")
    words = f"{_place(value)} is {said.raw} of {_place(said)}, written {value.raw}"
    return _edge(source, at, said, value, "normalised", words)


def _inside(at: int, value: Value, brought: Brought) -> Edge | None:
    origins = brought.inside.get(normal(value.raw))
    if not origins:
        return None
    source, said = origins[-1]
    spelled = "" if said.raw == value.raw else f", written {said.raw}"
    words = f"{_place(value)} stands inside the text of {_place(said)}{spelled}"
    return _edge(source, at, said, value, "partial", words)


def _split(at: int, value: Value, brought: Brought) -> Edge | None:
    """A value put together from several fields of one result, such as a first and a last name."""
    parts = [part for part in value.raw.replace(",", " ").split() if says_something(part)]
    if value.in_text or not 2 <= len(parts) <= 6:
        return None
    origins = [brought.whole.get(normal(part)) for part in parts]
    if not all(origins):
        return None
    shared = set.intersection(*({at for at, _ in some or ()} for some in origins))
    if not shared:
        return None
    source = max(shared)
    said = [value for some in origins for step, value in reversed(some or ()) if step == source][: len(parts)]
    words = f"{_place(value)} is put together from {', '.join(_place(one) for one in said)}"
    return _edge(source, at, said[0], value, "partial", words)


def _edge(source: int, target: int, said: Value, value: Value, how: str, words: str) -> Edge:
    return Edge(Link.FLOW, source, target, words, how, value.raw, said.raw, said.path, value.path)


def _place(value: Value) -> str:
    return value.path or "the text"


def from_nowhere(at: int, used: Used, edges: Iterable[Edge], asked: frozenset[str]) -> list[Value]:
    """Values a step was given that no earlier result, earlier argument or the request had said."""
    told = {normal(edge.value) for edge in edges if edge.target == at}
    before = {normal(value.raw) for earlier in used.given[:at] for value in earlier}
    return [
        value
        for value in used.given[at]
        if not value.in_text and normal(value.raw) not in told | before | asked and _is_specific(value.raw)
    ]


def _is_specific(raw: str) -> bool:
    """What has to come from somewhere: numbers, identifiers, addresses; not free words."""
    return any(letter.isdigit() for letter in raw) and len(raw) <= 80

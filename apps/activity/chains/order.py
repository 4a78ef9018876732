"""The order of steps: what caused what comes first, what the clocks say second.

Services have clocks of their own. A child that began before its parent, or a value that was used before the only
result that could have brought it in, proves that two clocks disagree: the later service's is moved forward, as
tracing back ends do for clock skew. Within one clock times are believed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

from apps.activity.chains.steps import Kind, Step, Used
from apps.activity.chains.values import is_distinctive, normal

Pair = tuple[int, int]
ROUNDS = 4
SHORTEST_NAME = 3
JUST_AFTER = timedelta(microseconds=1)


def parents_of(steps: Sequence[Step]) -> dict[int, int]:
    """The nearest ancestor of each step that is a step itself; by trace and span, whoever reported them."""
    places = {(step.trace, step.span): at for at, step in enumerate(steps) if step.span}
    found = {}
    for at, step in enumerate(steps):
        above = (places.get((step.trace, span)) for span in step.parents)
        nearest = next((place for place in above if place is not None and place != at), None)
        if nearest is not None:
            found[at] = nearest
    return found


def proven_pairs(steps: Sequence[Step], used: Used) -> list[Pair]:
    """(result, use) of long identifiers that one step of another clock alone brought in."""
    makers: dict[str, set[int]] = defaultdict(set)
    for at, values in enumerate(used.produced):
        own = {normal(value.raw) for value in used.given[at]}
        for value in values:
            if is_distinctive(value.raw) and normal(value.raw) not in own:
                makers[normal(value.raw)].add(at)
    pairs = []
    for at, values in enumerate(used.given):
        for form in {normal(value.raw) for value in values}:
            (maker, *others) = makers.get(form) or {at}
            if not others and maker != at and steps[maker].clock != steps[at].clock:
                pairs.append((maker, at))
    return pairs


def handed_over(steps: Sequence[Step]) -> list[Pair]:
    """(hand-over, first step of the trace it led to): the first hand-over to an agent led to its first trace."""
    starts: dict[str, list[int]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    by_time = sorted(range(len(steps)), key=lambda at: steps[at].started_at)
    for at in by_time:
        step = steps[at]
        if not step.is_hidden and (step.agent, step.trace) not in seen:
            seen.add((step.agent, step.trace))
            starts[_letters(step.agent)].append(at)
    pairs = []
    for at in by_time:
        step = steps[at]
        if step.kind != Kind.HANDOVER or step.is_hidden:
            continue
        told = _letters(f"{step.title} {step.given if step.given is not None else ''}")
        for name, waiting in starts.items():
            later = [one for one in waiting if steps[one].trace != step.trace]
            if later and len(name) >= SHORTEST_NAME and name != _letters(step.agent) and name in told:
                waiting.remove(later[0])
                pairs.append((at, later[0]))
                break
    return pairs


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def shifts_of(steps: Sequence[Step], starts: Sequence[Pair], proven: Sequence[Pair]) -> dict[str, timedelta]:
    """By how much each clock must be moved for causes to come before effects.

    Of a pair in `starts` the second begins after the first began, of one in `proven` after it ended.
    """
    shifts: dict[str, timedelta] = {step.clock: timedelta() for step in steps}
    for _ in range(ROUNDS):
        changed = False
        for before, after in starts:
            changed |= _move(steps[before].clock, steps[after], steps[before].started_at, shifts)
        for before, after in proven:
            end = steps[before].ended_at or steps[before].started_at
            changed |= _move(steps[before].clock, steps[after], end, shifts)
        if not changed:
            break
    return shifts


def _move(clock: str, later: Step, told: datetime, shifts: dict[str, timedelta]) -> bool:
    missing = told + shifts[clock] - (later.started_at + shifts[later.clock])
    if clock == later.clock or missing <= timedelta():
        return False
    shifts[later.clock] += missing + JUST_AFTER
    return True


def in_order(begins: Sequence[datetime], before: Iterable[Pair]) -> list[int]:
    """Places by time, except where a cause must come first; a circle is broken at its earliest step."""
    waiting: dict[int, set[int]] = {at: set() for at in range(len(begins))}
    leads: dict[int, set[int]] = defaultdict(set)
    for first, second in before:
        if first != second and first not in leads[second]:
            waiting[second].add(first)
            leads[first].add(second)
    ready = [(begins[at], at) for at, needs in waiting.items() if not needs]
    heapify(ready)
    ordered: list[int] = []
    while waiting:
        if not ready:
            ready = [min((begins[at], at) for at in waiting)]
        _, at = heappop(ready)
        if waiting.pop(at, None) is None:
            continue
        ordered.append(at)
        for later in leads[at]:
            if later in waiting:
                waiting[later].discard(at)
                if not waiting[later]:
                    heappush(ready, (begins[later], later))
    return ordered

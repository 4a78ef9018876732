"""From the steps of a run to its chain: ordered, with parents, data flow, hand-overs, retries, people and loops."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from apps.activity.chains import order
from apps.activity.chains.flow import flows, used_in
from apps.activity.chains.steps import Chain, Edge, Kind, Link, Step, Used
from apps.activity.chains.values import normal, text_of

DEEPEST = 8
RETRY_WITHIN = 12
ALIKE = 0.5
LOOP_FROM = 3
LONGEST_CIRCLE = 4
HANDOVER_TOOL = re.compile(
    r"^(transfer|hand_?off|hand_?over|delegate|forward|escalate)(_|$|\b)|_(agent|specialist)$"
    r"|^(call|ask|invoke|message|route_to|send_to)_.*agent|^a2a|^message[/_](send|stream)$|^tasks?/send",
    re.I,
)
APPROVAL_TOOL = re.compile(
    r"(human|person)_?(input|approval|review|feedback)|(ask|consult)_?(human|user|person)"
    r"|(request|await|wait_for|get)_?approval|blocked_on_user|permission_prompt|confirm_with_user",
    re.I,
)
OUTCOME_TOOL = re.compile(
    r"^(final_?answer|finish|submit_?(answer|result)?|task_?complete|complete_task|done|conclude|mark_resolved)$",
    re.I,
)


def kind_of_tool(name: str, *, is_agent: bool = False) -> Kind:
    """What calling a tool of this name means; `is_agent` when the register knows that the tool is an agent."""
    if is_agent or HANDOVER_TOOL.search(name):
        return Kind.HANDOVER
    if APPROVAL_TOOL.search(name):
        return Kind.APPROVAL
    return Kind.OUTCOME if OUTCOME_TOOL.match(name) else Kind.TOOL


def build_chain(steps: Sequence[Step]) -> Chain:
    """The chain of these steps, given in any order; linear in their values."""
    used = used_in(steps)
    parents = order.parents_of(steps)
    handed = order.handed_over(steps)
    proven = order.proven_pairs(steps, used)
    starts = [(parent, child) for child, parent in parents.items()] + handed
    shifts = order.shifts_of(steps, starts, proven)
    begins = [step.started_at + shifts[step.clock] for step in steps]
    places = order.in_order(begins, starts + proven)
    new = {old: at for at, old in enumerate(places)}
    ordered = [steps[old] for old in places]
    above = {new[child]: new[parent] for child, parent in parents.items()}
    used = _reordered(used, places)
    edges = [
        *_parent_edges(ordered, above),
        *flows(used),
        *_handovers(ordered, {new[taker]: new[giver] for giver, taker in handed}),
        *_retries(ordered),
    ]
    return Chain(
        ordered,
        edges,
        _depths(len(ordered), above),
        [begins[old] for old in places],
        {clock: shift.total_seconds() for clock, shift in shifts.items() if shift},
        loops_in(ordered),
        used,
    )


def _reordered(used: Used, places: Sequence[int]) -> Used:
    return replace(
        used, given=[used.given[at] for at in places], produced=[used.produced[at] for at in places]
    )


def _parent_edges(steps: Sequence[Step], above: dict[int, int]) -> list[Edge]:
    found = []
    for child, parent in above.items():
        if Kind.APPROVAL in (steps[child].kind, steps[parent].kind):
            found.append(Edge(Link.HUMAN, parent, child, "a person was asked"))
        else:
            found.append(Edge(Link.PARENT, parent, child, "ran within it"))
    return found


def _depths(count: int, above: dict[int, int]) -> list[int]:
    depths = [0] * count
    for at in range(count):  # a parent comes before its children
        if at in above and above[at] < at:
            depths[at] = min(DEEPEST, depths[above[at]] + 1)
    return depths


def _handovers(steps: Sequence[Step], handed: dict[int, int]) -> list[Edge]:
    """Where another agent goes on: from the hand-over that names it, else from the step just before."""
    found = []
    for at, step in enumerate(steps):
        source = handed.get(at, at - 1)
        if source < 0 or step.agent == steps[source].agent:
            continue
        kind = Link.HUMAN if steps[source].kind == Kind.APPROVAL else Link.HANDOVER
        is_told = at in handed or steps[source].kind in (Kind.HANDOVER, Kind.APPROVAL)
        words = (
            f"{steps[source].agent} hands over to {step.agent}" if is_told else f"then {step.agent} goes on"
        )
        found.append(Edge(kind, source, at, words))
    return found


def _retries(steps: Sequence[Step]) -> list[Edge]:
    """The same tool by the same agent with like arguments, soon after it failed or was refused."""
    found: list[Edge] = []
    last: dict[tuple[str, str], int] = {}
    for at, step in enumerate(steps):
        if not step.tool or step.is_hidden:
            continue
        earlier = last.get((step.agent, step.tool))
        if (
            earlier is not None
            and at - earlier <= RETRY_WITHIN
            and (steps[earlier].is_failed or steps[earlier].is_refused)
            and likeness(steps[earlier].given, step.given) >= ALIKE
        ):
            words = "was refused" if steps[earlier].is_refused else "failed"
            found.append(Edge(Link.RETRY, earlier, at, f"{step.tool} is tried again after it {words}"))
        last[step.agent, step.tool] = at
    return found


def likeness(left: object, right: object) -> float:
    """The share of argument names and values two calls have in common; 1 when both have none."""
    one, other = _pairs(left), _pairs(right)
    return len(one & other) / len(one | other) if one | other else 1.0


def _pairs(given: object) -> set[str]:
    if isinstance(given, dict):
        return {f"{key}={normal(str(value))}" for key, value in given.items()} | {str(key) for key in given}
    return set(str(given).casefold().split()) if given is not None else set()


def loops_in(steps: Sequence[Step]) -> dict[int, str]:
    """Steps from the third identical one on, and from the third turn of a circle of up to four steps."""
    found: dict[int, str] = {}
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    marks = [(step.agent, step.tool or step.kind, text_of(step.given or step.produced)) for step in steps]
    for at, mark in enumerate(marks):
        if steps[at].is_hidden:
            continue
        counts[mark] += 1
        if counts[mark] >= LOOP_FROM:
            found[at] = f"the same step for the {_ordinal(counts[mark])} time"
    names = [(step.agent, step.tool or step.kind) for step in steps]
    for size in range(2, LONGEST_CIRCLE + 1):
        for at in range(3 * size, len(names) + 1):
            turn = marks[at - size : at]
            if turn == marks[at - 2 * size : at - size] and len(set(names[at - size : at])) > 1:
                found.setdefault(at - 1, f"{size} steps go round in a circle")
    return found


def _ordinal(number: int) -> str:
    return {3: "third", 4: "fourth", 5: "fifth"}.get(number, f"{number}th")

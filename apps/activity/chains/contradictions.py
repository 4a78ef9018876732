"""What only calls with arguments show: values from nowhere, contradictions, loops, policy, and what a hand-over lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from apps.activity.chains.flow import from_nowhere
from apps.activity.chains.steps import Chain, Edge, Kind, Link, Step, Used
from apps.activity.chains.values import Value, normal, values_of

NEW_TOOL = "behaviour.new_tool"
GRAVE = ("violation", "blocked")
LOOKS_BACK = 200
Told = dict[int, dict[str, str]]


def doubts_in(chain: Chain, request: str) -> Told:
    """By step: each doubt by name, with the fact in words."""
    used = chain.used
    flows = [edge for edge in chain.edges if edge.kind == Link.FLOW]
    told: Told = defaultdict(dict)
    for at, step in enumerate(chain.steps):
        if not step.is_hidden:
            told[at] |= _of_verdict(step)
    _nowhere(chain.steps, used, flows, request, told)
    _contradictions(chain.steps, used, flows, told)
    for at, words in chain.loops.items():
        told[at]["loop"] = words
    _losses(chain, request, told)
    _leads_to_failure(chain, flows, told)
    return {at: doubts for at, doubts in told.items() if doubts}


def _of_verdict(step: Step) -> dict[str, str]:
    if step.outcome in GRAVE:
        return {"policy": step.reason.rstrip(".") or f"it was judged a {step.outcome}"}
    if step.code == NEW_TOOL:
        return {"new_tool": f"its agent had never called {step.tool} before"}
    if step.outcome == "anomaly":
        return {"unusual": step.reason.rstrip(".") or "it is unusual for its agent"}
    return {}


def _nowhere(steps: Sequence[Step], used: Used, flows: Sequence[Edge], request: str, told: Told) -> None:
    """Arguments nobody had said. Without the request on record only identifiers that others agree on can be judged."""
    into: dict[int, list[Edge]] = defaultdict(list)
    for edge in flows:
        into[edge.target].append(edge)
    said = " ".join(step.said + " " + step.prompt for step in steps if step.said or step.prompt)
    asked = frozenset(normal(value.raw) for text in (request, said) for value in values_of(text))
    known: set[str] = set()
    for at, step in enumerate(steps):
        if step.tool and asked:
            alone = Used(used.given[at : at + 1], used.produced[at : at + 1], used.common)
            edges = [Edge(Link.FLOW, 0, 0, "", value=edge.value) for edge in into[at]]
            lost = from_nowhere(0, alone, edges, asked | known)
            if lost:
                values = ", ".join(f"{value.path} {value.raw}" for value in lost[:2])
                told[at]["nowhere"] = f"comes from nowhere: no result and no request said {values}"
        known |= {normal(value.raw) for value in used.given[at]}


def _contradictions(steps: Sequence[Step], used: Used, flows: Sequence[Edge], told: Told) -> None:
    """An argument that differs from what every result before said of the field of the same name."""
    read = {(edge.target, edge.target_path) for edge in flows}
    said: dict[str, dict[str, tuple[int, Value]]] = defaultdict(dict)
    for at in range(len(steps)):
        for value in used.given[at]:
            before = said.get(_field(value.path), {})
            if len(before) != 1 or value.in_text or normal(value.raw) in before or (at, value.path) in read:
                continue
            ((source, other),) = before.values()
            if at - source <= LOOKS_BACK and _same_sort(value.raw, other.raw):
                words = f"{_field(value.path)} is {value.raw} here; step {source + 1} said {other.raw}"
                told[at].setdefault("contradiction", words)
        for value in used.produced[at]:
            if not value.in_text and value.path:
                said[_field(value.path)][normal(value.raw)] = (at, value)


def _field(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0]


def _same_sort(one: str, other: str) -> bool:
    return (
        any(c.isdigit() for c in one) == any(c.isdigit() for c in other) and max(len(one), len(other)) <= 60
    )


def _losses(chain: Chain, request: str, told: Told) -> None:
    """What the request named, the handing agent knew, and whoever took over never mentions."""
    asked = {normal(value.raw): value.raw for value in values_of(request) if _is_key(value.raw)}
    if not asked:
        return
    mentioned: dict[str, set[str]] = defaultdict(set)
    values = [values_of(step.given) + values_of(step.said) for step in chain.steps]
    for at, step in enumerate(chain.steps):
        mentioned[step.agent] |= {normal(value.raw) for value in values[at]}
    for edge in chain.edges:
        giver, taker = chain.steps[edge.source], chain.steps[edge.target]
        if edge.kind != Link.HANDOVER or giver.kind != Kind.HANDOVER or giver.is_hidden or taker.is_hidden:
            continue
        lost = [raw for form, raw in asked.items() if form in mentioned[giver.agent] - mentioned[taker.agent]]
        if lost:
            told[edge.source]["loss"] = f"{', '.join(lost[:2])} was asked for and did not reach {taker.agent}"


def _is_key(raw: str) -> bool:
    return any(letter.isdigit() for letter in raw) and len(raw) >= 4


def reach_of(chain: Chain) -> list[float]:
    """The share of later steps that a step's values reached, over any number of hands; 0 to 1."""
    after = _after(chain, [edge for edge in chain.edges if edge.kind == Link.FLOW])
    last = max(1, len(chain.steps) - 1)
    return [steps.bit_count() / last for steps in after]


def _after(chain: Chain, flows: Sequence[Edge]) -> list[int]:
    """For each step the set of steps its values reached, as bits of a number."""
    after = [0] * len(chain.steps)
    for edge in sorted(flows, key=lambda edge: -edge.source):
        after[edge.source] |= 1 << edge.target | after[edge.target]
    return after


def _leads_to_failure(chain: Chain, flows: Sequence[Edge], told: Told) -> None:
    """Doubtful steps whose values went into a step that failed or broke a rule; what was refused did neither."""
    after = _after(chain, flows)
    bad = [at for at, step in enumerate(chain.steps) if step.is_failed or step.outcome == "violation"]
    for at in [at for at, doubts in told.items() if doubts]:
        hit = next((later for later in bad if after[at] >> later & 1), None)
        if hit is not None:
            told[at]["failed_by_it"] = f"step {hit + 1} used its values and failed"

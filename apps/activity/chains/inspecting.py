"""One step looked at closely: what it read from where, who used what it brought in, how it stands to what is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from apps.activity.chains.drawing import icon_of
from apps.activity.chains.reading import Run
from apps.activity.chains.steps import Edge, Link, Step
from apps.activity.effects.queries import EffectView, effect_of
from apps.activity.models import FAILED, REFUSED, ToolCall
from apps.identity.models import Principal
from apps.kit.ids import first_id_at, id_or_none, time_of
from apps.kit.ui.formats import milliseconds, percent

USUAL_OF, USUAL_DAYS = 200, 30
LEAST_FOR_USUAL = 10
MOST_SHOWN = 12
LONGEST_SHOWN = 8_000


@dataclass(frozen=True)
class Inspected:
    """A step for the page: the step, its number, texts, edges in and out, verdicts and the usual beside it."""

    step: Step
    number: int
    last: int
    icon: str
    word: str
    given: str
    produced: str
    reads: Sequence[Edge]
    read_by: Sequence[Edge]
    causes: Sequence[Edge]
    effects: Sequence[Edge]
    loop: str
    call: ToolCall | None
    found: EffectView | None
    verdicts: Sequence[tuple[str, str, str]]
    usual: Sequence[str]

    @property
    def previous(self) -> int | None:
        return self.number - 1 or None

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.last else None


def inspect(run: Run, number: int, *, actor: Principal) -> Inspected:
    """The step of this number, from 1; four queries when it is a call."""
    at = number - 1
    step, chain = run.steps[at], run.chain
    shape, word = icon_of(step)
    call = _call(step, actor)
    into, out = chain.into(at), chain.out_of(at)
    return Inspected(
        step, number, len(chain.steps), shape, word, pretty(step.given), pretty(step.produced),
        [edge for edge in into if edge.kind == Link.FLOW][:MOST_SHOWN],
        [edge for edge in out if edge.kind == Link.FLOW][:MOST_SHOWN],
        [edge for edge in into if edge.kind != Link.FLOW][:MOST_SHOWN],
        [edge for edge in out if edge.kind != Link.FLOW][:MOST_SHOWN],
        chain.loops.get(at, ""), call, effect_of(call, actor=actor) if call else None, _verdicts(call), usual_of(call, actor=actor) if call else [],
    )  # fmt: skip


def _call(step: Step, actor: Principal) -> ToolCall | None:
    pk = id_or_none(step.key[1:]) if step.key.startswith("c") and not step.is_hidden else None
    return ToolCall.objects.visible_to(actor).select_related("agent").filter(pk=pk).first() if pk else None


def _verdicts(call: ToolCall | None) -> list[tuple[str, str, str]]:
    said: Mapping[str, Any] = call.verdicts if call else {}
    return [(judge, str(words[0]), str(words[1])) for judge, words in said.items() if len(words) > 1]


def usual_of(call: ToolCall, *, actor: Principal) -> list[str]:
    """Where a call stands among the 200 calls of the same tool that its agent made in the 30 days before; one query."""
    if call.agent_id is None:
        return ["Nobody knows yet whose call it is, so nothing is usual for it."]
    since = first_id_at(time_of(call.pk) - timedelta(days=USUAL_DAYS))
    same = ToolCall.objects.visible_to(actor).filter(
        agent_id=call.known_agent_id, tool_name=call.tool_name, pk__lt=call.pk, pk__gte=since
    )
    before = list(same.order_by("-pk").values_list("duration_ms", "status")[:USUAL_OF])
    if len(before) < LEAST_FOR_USUAL:
        often = "Never called" if not before else f"Called {_times(len(before))}"
        return [f"{often} before by this agent: too few to say what is usual."]
    failed = sum(status in FAILED for _, status in before) / len(before)
    refused = sum(status in REFUSED for _, status in before) / len(before)
    more = f" and {percent(refused)} were refused" if refused else ""
    told = [f"Of the last {len(before)} calls of this tool by this agent, {percent(failed)} failed{more}."]
    took = sorted(ms for ms, _ in before if ms is not None)
    if took and call.duration_ms is not None:
        low, high = took[len(took) // 20], took[-1 - len(took) // 20]
        where = "within" if low <= call.duration_ms <= high else "outside"
        told.append(
            f"{milliseconds(call.duration_ms)} is {where} its usual {milliseconds(low)} to {milliseconds(high)}."
        )
    return told


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def pretty(thing: object) -> str:
    """JSON as people read it, cut where it is long; '' for nothing."""
    if thing is None or thing == "":
        return ""
    text = (
        thing
        if isinstance(thing, str)
        else orjson.dumps(thing, default=str, option=orjson.OPT_INDENT_2).decode()
    )
    return text[:LONGEST_SHOWN]

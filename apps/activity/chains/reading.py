"""A stored run as steps, through the eyes of one actor.

The conversation's id joins the traces of a run, also those of several services. An id too short to be anybody's
own ("1", "thread-7") joins only what one source reported. What belongs to an agent the actor may not know of is read
without its content and becomes a hidden step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.activity.chains.build import build_chain, kind_of_tool
from apps.activity.chains.spans import SpanMap, SpanRow, by_span, line_of, read_span_rows, words_in
from apps.activity.chains.steps import Chain, Kind, Step
from apps.activity.models import ToolCall, sees_every_call
from apps.agents.models import Agent, Tool
from apps.identity.models import Principal
from apps.kit.errors import NotFound

MOST_STEPS = 2_000
OWN_FROM = 16
ANOTHER = "Another team\N{RIGHT SINGLE QUOTATION MARK}s agent"
NOBODY = "Not known yet"
LIGHT = ("pk", "trace_id", "span_id", "parent_span_id", "started_at", "ended_at", "agent_id", "source_id",
         "agent_name", "service_name")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run as one actor sees it. `is_cut` when it has more steps than are shown; `request` is what was asked."""

    conversation: str
    chain: Chain
    request: str
    is_cut: bool
    agent_ids: frozenset[UUID]

    @property
    def steps(self) -> Sequence[Step]:
        return self.chain.steps


@dataclass(frozen=True)
class Seen:
    """Names of the agents an actor may know of, and whether it may also know of calls nobody owns."""

    names: dict[UUID, str]
    everything: bool
    teams: dict[UUID, str] = field(default_factory=dict)

    def hides(self, agent_id: UUID | None) -> bool:
        return not self.everything if agent_id is None else agent_id not in self.names

    def name(self, agent_id: UUID | None, told: str = "") -> str:
        return self.names[agent_id] if agent_id is not None else told or NOBODY


def read_run(conversation: str, *, actor: Principal) -> Run:
    """The chain of a conversation; NotFound when the actor may see no call of it. Six queries."""
    visible = list(
        calls_of(conversation, actor=actor).select_related("agent").order_by("pk")[: MOST_STEPS + 1]
    )
    if not visible:
        raise NotFound("There is no such run, or none of its steps is yours to see.", code="chains.not_found")
    others = _others(visible[0], actor)
    seen = _seen({call.agent_id for call in [*visible, *others] if call.agent_id}, actor)
    everything = [*visible[:MOST_STEPS], *others]
    rows = _rows_around(everything)
    spans = by_span(rows)
    agent_tools = _agent_tools(visible)
    steps = [_step_of_call(call, seen, spans, agent_tools) for call in everything]
    steps += _steps_of_spans(rows, spans, everything, seen)
    steps = _with_foreign(steps, everything, seen)
    steps = sorted(steps, key=lambda step: step.started_at)
    shown = steps[:MOST_STEPS]
    agents = frozenset(step.agent_id for step in shown if step.agent_id and not step.is_hidden)
    is_cut = len(steps) > MOST_STEPS or len(visible) > MOST_STEPS
    chain = build_chain(shown)
    return Run(conversation, chain, _request(chain.steps), is_cut, agents)


def calls_of(conversation: str, *, actor: Principal) -> QuerySet[ToolCall]:
    """The calls of a conversation that the actor may see; of a short id those of the newest call's source."""
    calls = ToolCall.objects.visible_to(actor).filter(conversation_id=conversation)
    if len(conversation) >= OWN_FROM:
        return calls
    newest = calls.order_by("-pk").first()
    return calls.filter(source_id=newest.source_id) if newest is not None else calls.none()


def _others(first: ToolCall, actor: Principal) -> list[ToolCall]:
    """The rest of the run, without its content: only when and below which span it ran."""
    if sees_every_call(actor):
        return []
    run = ToolCall.objects.filter(conversation_id=first.conversation_id)
    if len(first.conversation_id) < OWN_FROM:
        run = run.filter(source_id=first.source_id)
    own = calls_of(first.conversation_id, actor=actor).values("pk")
    return list(run.exclude(pk__in=own).only(*LIGHT).order_by("pk")[:MOST_STEPS])


def _seen(agent_ids: Iterable[UUID], actor: Principal) -> Seen:
    agents = Agent.objects.visible_to(actor).filter(pk__in=list(agent_ids))
    told = list(agents.values_list("pk", "name", "team__name"))
    teams = {pk: team for pk, _, team in told if team}
    return Seen({pk: name for pk, name, _ in told}, sees_every_call(actor), teams)


def _with_foreign(steps: Sequence[Step], calls: Sequence[ToolCall], seen: Seen) -> list[Step]:
    """The steps, those of other teams' agents marked. The run is of the team whose agent called first of those seen."""
    ordered = sorted(calls, key=lambda call: (call.started_at, call.pk))
    home = next((seen.teams[one.agent_id] for one in ordered if one.agent_id in seen.teams), "")
    return [replace(step, foreign=_foreign(step, home, seen)) for step in steps]


def _foreign(step: Step, home: str, seen: Seen) -> str:
    if step.is_hidden or step.agent_id is None:
        return ""
    team = seen.teams.get(step.agent_id, "")
    return team if home and team != home else ""


def _rows_around(calls: Sequence[ToolCall]) -> list[SpanRow]:
    traces = {bytes(call.trace_id) for call in calls if bytes(call.trace_id)}
    if not traces:
        return []
    starts = [call.started_at for call in calls]
    return read_span_rows(list(traces), min(starts), max(starts))


def _agent_tools(calls: Iterable[ToolCall]) -> set[str]:
    """Which of the tools called are agents by the register."""
    names = {call.tool_name for call in calls}
    return set(Tool.objects.filter(kind=Tool.Kind.AGENT, name__in=names).values_list("name", flat=True))


def _step_of_call(call: ToolCall, seen: Seen, spans: SpanMap, agent_tools: set[str]) -> Step:
    trace, parent = bytes(call.trace_id).hex(), bytes(call.parent_span_id or b"").hex()
    place: dict[str, Any] = {
        "key": f"c{call.pk.hex}", "started_at": call.started_at, "ended_at": call.ended_at, "trace": trace,
        "clock": f"{call.source_id}/{call.service_name}", "span": bytes(call.span_id).hex(),
        "parents": tuple(line_of(trace, parent, spans)),
    }  # fmt: skip
    if seen.hides(call.agent_id):
        return Step(**_hidden(place))
    return Step(
        **place,
        kind=kind_of_tool(call.tool_name, is_agent=call.tool_name in agent_tools),
        agent=seen.name(call.agent_id, call.agent_name or call.service_name),
        agent_id=call.agent_id,
        title=call.tool_name,
        tool=call.tool_name,
        given=call.arguments,
        produced=call.result,
        error=" ".join(filter(None, (call.error_type, call.error_message))),
        status=call.status,
        outcome=call.outcome,
        reason=call.outcome_reason,
        code=call.outcome_code,
        model=call.response_model or call.request_model,
    )


def _hidden(place: dict[str, Any]) -> dict[str, Any]:
    hidden = {"kind": Kind.DECISION, "agent": ANOTHER, "title": "A step of another team\u2019s agent"}
    return place | hidden | {"is_hidden": True}


def _steps_of_spans(
    rows: Sequence[SpanRow], spans: SpanMap, calls: Sequence[ToolCall], seen: Seen
) -> list[Step]:
    owners = _owners(calls, spans)
    steps = []
    for row in rows:
        line = line_of(row.trace, row.parent, spans)
        owner, is_known = _owner(row, line, spans, owners)
        if row.kind == "model":
            steps.append(_model_step(row, line, owner, is_known, seen))
        elif row.kind == "agent" and row.agent_name and line:
            outer, outer_known = _outer(row, line, spans, owners)
            if outer_known and outer != owner:
                inner = ANOTHER if seen.hides(owner if is_known else None) else row.agent_name
                steps.append(_handover_step(row, line, outer, inner, seen))
    return steps


Owners = dict[object, set[UUID | None]]


def _owners(calls: Sequence[ToolCall], spans: SpanMap) -> Owners:
    """Whose calls stand below each span, in each trace, and under each agent's name."""
    owners: Owners = defaultdict(set)
    for call in calls:
        trace = bytes(call.trace_id).hex()
        owners[trace].add(call.agent_id)
        if call.agent_name:
            owners[call.source_id, call.service_name, call.agent_name].add(call.agent_id)
        for span in line_of(trace, bytes(call.parent_span_id or b"").hex(), spans):
            owners[trace, span].add(call.agent_id)
    return owners


def _owner(row: SpanRow, line: Sequence[str], spans: SpanMap, owners: Owners) -> tuple[UUID | None, bool]:
    """The agent a span belongs to: by the nearest name above it, else by whose calls stand beside it."""
    above = [row, *(spans[row.trace, span] for span in line if (row.trace, span) in spans)]
    named = next((one for one in above if one.agent_name), None)
    candidates = [owners.get((named.source_id, named.service_name, named.agent_name))] if named else []
    if named is None:
        candidates = [owners.get((row.trace, one.span)) for one in above] + [owners.get(row.trace)]
    one = next((found for found in candidates if found and len(found) == 1), None)
    return (next(iter(one)), True) if one else (None, False)


def _outer(row: SpanRow, line: Sequence[str], spans: SpanMap, owners: Owners) -> tuple[UUID | None, bool]:
    above = spans.get((row.trace, line[0]))
    return _owner(above, line[1:], spans, owners) if above is not None else (None, False)


def _place_of(row: SpanRow, line: Sequence[str]) -> dict[str, Any]:
    return {
        "key": f"s{row.trace[:16]}{row.span}", "started_at": row.started_at, "ended_at": row.ended_at, "trace": row.trace,
        "clock": f"{row.source_id}/{row.service_name}", "span": row.span, "parents": tuple(line),
    }  # fmt: skip


def _model_step(row: SpanRow, line: Sequence[str], owner: UUID | None, is_known: bool, seen: Seen) -> Step:
    place = _place_of(row, line)
    if seen.hides(owner if is_known else None):
        return Step(**_hidden(place))
    decides = "tool_call" in row.answer or "function_call" in row.answer
    title = "Model decides what to call" if decides else "Model answers"
    return Step(
        **place,
        kind=Kind.DECISION if decides else Kind.LLM,
        agent=seen.name(owner if is_known else None, row.agent_name or row.service_name),
        agent_id=owner,
        title=title,
        prompt=words_in(row.prompt),
        said=words_in(row.answer),
        status=row.status,
        error=row.error,
        model=row.model,
    )


def _handover_step(row: SpanRow, line: Sequence[str], outer: UUID | None, inner: str, seen: Seen) -> Step:
    place = _place_of(row, line)
    if seen.hides(outer):
        return Step(**_hidden(place))
    return Step(
        **place,
        kind=Kind.HANDOVER,
        agent=seen.name(outer),
        agent_id=outer,
        title=f"Hands over to {inner}",
        status=row.status,
        error=row.error,
    )


def _request(steps: Sequence[Step]) -> str:
    """What was asked: the first prompt a model was given."""
    return next((step.prompt for step in steps if step.prompt), "")

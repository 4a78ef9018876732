"""Reports to calls: what shares a key is one call, also with what is stored already. Touches no table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from uuid import UUID

from apps.activity.models import Outcome, ToolCall
from apps.activity.pipeline.reports import Report, merged
from apps.activity.pipeline.trace import SpanView
from apps.activity.services import EFFECT_JUDGE, stand_gravest

TOLD = (
    "trace_id", "parent_span_id", "started_at", "ended_at", "tool_name", "mcp_server", "call_id",
    "conversation_id", "service_name", "agent_name", "arguments", "result", "is_cut", "status", "error_type",
    "error_message", "request_model", "response_model", "ran", "is_refused", "source_id",
)  # fmt: skip


@dataclass
class Work:
    """The calls one step makes and changes. `known` finds a call by any key seen in this step; `keys` are
    those to be written; `dropped` are stored calls that were joined with an older one; `taken_back` are calls as they
    were counted, once too often or for an agent whose they are not; `rejudged` are those of which verdicts changed
    with that; `answered` are answers of models with the ids of the agents they went to; `reported` are the reports that
    made or changed each call."""

    known: dict[bytes, ToolCall] = field(default_factory=dict)
    created: dict[UUID, ToolCall] = field(default_factory=dict)
    changed: dict[UUID, ToolCall] = field(default_factory=dict)
    keys: dict[bytes, UUID] = field(default_factory=dict)
    to_judge: set[UUID] = field(default_factory=set)
    named: set[UUID] = field(default_factory=set)
    dropped: set[UUID] = field(default_factory=set)
    rejudged: dict[UUID, ToolCall] = field(default_factory=dict)
    taken_back: list[ToolCall] = field(default_factory=list)
    answered: list[tuple[SpanView, UUID]] = field(default_factory=list)
    reported: dict[UUID, list[Report]] = field(default_factory=lambda: defaultdict(list))

    def all(self) -> dict[UUID, ToolCall]:
        return self.created | self.changed

    def found_by(self, report: Report) -> list[ToolCall]:
        """The calls under a report's keys, the oldest first."""
        keys = [*report.keys, *self.open_keys(report)]
        found = {self.known[key].pk: self.known[key] for key in keys if key in self.known}
        return [found[pk] for pk in sorted(found)]

    def open_keys(self, report: Report) -> list[bytes]:
        """Its shared keys, without those that lead to a call of which it is certain that it is another's."""
        return [
            key
            for key in report.shared_keys
            if key not in self.known or _is_of(report, self.known[key], self)
        ]

    def leave_agent(self, call: ToolCall) -> None:
        """The call is another agent's: what it counted and was judged by as this one's goes; whether it happened stays."""
        self.taken_back.append(copy(call))
        call.verdicts = {judge: said for judge, said in call.verdicts.items() if judge == EFFECT_JUDGE}
        call.outcome, call.outcome_reason, call.outcome_code, call.judged_at = Outcome.PENDING, "", "", None
        stand_gravest(call)
        self.rejudged[call.pk] = call

    def point(self, keys: Sequence[bytes], call: ToolCall) -> None:
        """From now on these keys lead to this call."""
        for key in keys:
            if self.known.get(key) is not call:
                self.known[key] = call
                self.keys[key] = call.pk


def work_of(reports: Sequence[Report], known: Mapping[bytes, ToolCall]) -> Work:
    """The calls these reports make and change; `known` are the stored calls under their keys."""
    work = Work(known=dict(known))
    for report in reports:
        call = _call_for(report, work)
        _fill(call, report, work)
        work.reported[call.pk].append(report)
        work.point([*report.keys, *work.open_keys(report)], call)
    return work


def _call_for(report: Report, work: Work) -> ToolCall:
    found = work.found_by(report)
    if not found:
        call = ToolCall(position=0, source_id=report.source_id)
        work.created[call.pk] = call
        return call
    call, *others = found
    if call.pk not in work.created:
        work.changed[call.pk] = call
    for other in others:
        _join(call, other, report, work)
    return call


def _join(call: ToolCall, other: ToolCall, like: Report, work: Work) -> None:
    """One report has the keys of both, so both are one: `other`, the younger, goes up in `call`."""
    both, told = _as_report(call, like), _as_report(other, like)
    _bring(call, merged(both, told))
    call.sources = sorted({*call.sources, *other.sources})
    if call.agent_id is not None and _knows_better(other, call):
        work.leave_agent(call)
        call.agent_id = None
    if call.agent_id is None:
        call.agent_id, call.is_guess, call.is_bound = other.agent_id, other.is_guess, other.is_bound
    elif other.agent_id is not None and other.pk not in work.created:
        work.taken_back.append(other)
    work.reported[call.pk] += work.reported.pop(other.pk, [])
    call.verdicts = other.verdicts | call.verdicts
    stand_gravest(call)
    work.rejudged[call.pk] = call
    work.to_judge.add(call.pk)
    led_to_other = [key for key, target in work.known.items() if target is other]
    work.point([*led_to_other, *told.keys, *both.keys], call)
    work.changed.pop(other.pk, None)
    if work.created.pop(other.pk, None) is None:
        work.dropped.add(other.pk)
        call.replaces = sorted({*(call.replaces or ()), *(other.replaces or ()), other.pk})


def _knows_better(other: ToolCall, call: ToolCall) -> bool:
    """Whether the agent of `other` is the more certain one."""
    if other.agent_id is None or other.is_guess:
        return False
    return call.is_guess or (other.is_bound and not call.is_bound and other.agent_id != call.agent_id)


def _is_of(report: Report, call: ToolCall, work: Work) -> bool:
    """Nothing certain says that they are two agents': a report of another's credential is another's call."""
    told = {one.bound_id for one in work.reported.get(call.pk, ()) if one.bound_id is not None}
    certain = told | ({call.agent_id} if call.is_bound else set())
    return report.bound_id is None or not certain or report.bound_id in certain


def _fill(call: ToolCall, report: Report, work: Work) -> None:
    """Bring what a report says into a call; another status is judged again, and a refusal beside a run."""
    before = _judged_by(call)
    if call.is_guess and report.complete:
        call.agent_name = ""  # it was told without this report
    _bring(call, merged(_as_report(call, report), report) if call.sources else report)
    call.sources = sorted({*call.sources, report.signal})
    if report.signal == "span" and report.otel_span_id == bytes(call.span_id):
        call.missing_ancestor = report.missing_ancestor
    if call.agent_id is None or _judged_by(call) != before:
        work.to_judge.add(call.pk)


def _judged_by(call: ToolCall) -> tuple[str, bool]:
    return call.status, call.is_refused and call.ran


def _bring(call: ToolCall, told: Report) -> None:
    for name in TOLD:
        setattr(call, name, getattr(told, name))
    call.span_id = told.otel_span_id
    call.conversation_id = call.conversation_id or told.trace_id.hex()
    call.duration_ms = _duration_ms(call)


def _as_report(call: ToolCall, like: Report) -> Report:
    values = {name: getattr(call, name) for name in Report.__dataclass_fields__ if hasattr(call, name)}
    extra = {
        "span_id": like.span_id, "otel_span_id": bytes(call.span_id), "declared_agent_id": "", "framework": "",
        "complete": False, "team_id": like.team_id, "bound_id": None, "signal": "span" if "span" in call.sources else "log",
        "trace_id": bytes(call.trace_id), "missing_ancestor": bytes(call.missing_ancestor),
        "parent_span_id": bytes(call.parent_span_id) if call.parent_span_id else None,
    }  # fmt: skip
    if call.conversation_id == bytes(call.trace_id).hex():
        extra["conversation_id"] = ""  # it stood in for one that nobody had told yet
    return Report(**(values | extra))


def _duration_ms(call: ToolCall) -> float | None:
    if call.ended_at is None:
        return None
    return max(0.0, (call.ended_at - call.started_at).total_seconds() * 1000)

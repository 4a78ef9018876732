"""One step of the pipeline: a handful of outbox rows become calls with verdicts, or nothing happens."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.activity.models import OutboxItem, ToolCall
from apps.activity.pipeline import store
from apps.activity.pipeline.detectors import new_tools
from apps.activity.pipeline.reports import STATUS_ORDER, Report, framework_of, merged, report_of
from apps.activity.pipeline.trace import SpanView, Trace
from apps.activity.services import record_verdicts
from apps.activity.signals import calls_recorded
from apps.agents.services.discovery import (
    ModelUse,
    Sighting,
    ToolUse,
    record_model_uses,
    record_tool_uses,
    resolve_agents,
)

SETTLE_AFTER = timedelta(seconds=20)
EMPTY = Trace({})


@dataclass(frozen=True)
class Stepped:
    """What a step did: outbox rows finished, calls touched, the feed's newest position (0: unchanged)."""

    outbox: int
    calls: int
    position: int


@dataclass
class Work:
    """The calls one step makes and changes."""

    created: dict[UUID, ToolCall] = field(default_factory=dict)
    changed: dict[UUID, ToolCall] = field(default_factory=dict)
    keys: dict[bytes, UUID] = field(default_factory=dict)
    to_judge: set[UUID] = field(default_factory=set)
    named: set[UUID] = field(default_factory=set)

    def all(self) -> dict[UUID, ToolCall]:
        return self.created | self.changed


@transaction.atomic
def step(only: int | None = None) -> Stepped:
    """Finish the oldest outbox rows in one transaction; nothing is done when none waits."""
    taken = store.take_outbox(only)
    if not taken.outbox_ids:
        return Stepped(0, 0, 0)
    spans = store.read_spans(taken.span_ids)
    traces = store.read_traces(spans)
    pending = store.pending_calls(traces)
    reports = [*_reports(spans, traces), *_reports_again(pending, traces)]
    work = _merge(reports)
    _name_agents(work, reports)
    _count_models(spans, traces, reports)
    position = _finish(work)
    OutboxItem.objects.filter(pk__in=taken.outbox_ids).delete()
    return Stepped(len(taken.outbox_ids), len(work.all()), position)


@transaction.atomic
def settle_overdue(now: datetime | None = None) -> Stepped:
    """Give calls that waited too long for an ancestor the agent that can be told without it."""
    overdue = store.overdue_calls((now or timezone.now()) - SETTLE_AFTER)
    if not overdue:
        return Stepped(0, 0, 0)
    work = Work(changed={call.pk: call for call in overdue})
    sightings = {call.pk: _sighting_of_call(call) for call in overdue}
    _assign(work, sightings)
    return Stepped(0, len(overdue), _finish(work))


def _reports(spans: Iterable[SpanView], traces: dict[store.TraceKey, Trace]) -> list[Report]:
    """A report for each tool record of the batch; a part of a call reports for the call above it."""
    found: dict[UUID, Report] = {}
    for span in spans:
        trace = traces.get((span.source_id, span.trace_id), EMPTY) if span.signal == "span" else EMPTY
        subject: SpanView | None = span
        if span.kind == "part":
            subject = trace.spans.get(span.parent_span_id or b"")
        if subject is not None and subject.kind == "tool" and subject.tool_name:
            found[subject.id] = report_of(subject, trace)
    return list(found.values())


def _reports_again(pending: Iterable[ToolCall], traces: dict[store.TraceKey, Trace]) -> list[Report]:
    """What pending calls of these traces look like now that more of the trace has arrived."""
    again = []
    for call in pending:
        trace = traces.get((call.source_id, bytes(call.trace_id)), EMPTY)
        span = trace.spans.get(bytes(call.span_id))
        if span is not None and span.kind == "tool":
            again.append(report_of(span, trace))
    return again


def _merge(reports: Sequence[Report]) -> Work:
    """Reports to calls: those that share a key are one call, also with what is stored already."""
    work = Work()
    known = store.calls_by_key(key for report in reports for key in report.keys)
    for report in reports:
        call = next((known[key] for key in report.keys if key in known), None)
        if call is None:
            call = ToolCall(position=0, source_id=report.source_id)
            work.created[call.pk] = call
        elif call.pk not in work.created:
            work.changed[call.pk] = call
        _fill(call, report, work)
        for key in report.keys:
            if key not in known:
                known[key] = call
                work.keys[key] = call.pk
    return work


def _fill(call: ToolCall, report: Report, work: Work) -> None:
    """Bring what a report says into a call; a graver status is judged again."""
    before = call.status
    both = merged(_as_report(call, report), report) if call.sources else report
    for name in (
        "trace_id", "parent_span_id", "started_at", "ended_at", "tool_name", "mcp_server", "call_id",
        "conversation_id", "service_name", "agent_name", "arguments", "result", "is_cut", "status", "error_type",
        "error_message", "request_model", "response_model",
    ):  # fmt: skip
        setattr(call, name, getattr(both, name))
    call.span_id = both.otel_span_id
    call.conversation_id = call.conversation_id or report.trace_id.hex()
    call.duration_ms = _duration_ms(call)
    call.sources = sorted({*call.sources, report.signal})
    if call.agent_id is None or STATUS_ORDER[call.status] > STATUS_ORDER.get(before, 0):
        work.to_judge.add(call.pk)


def _as_report(call: ToolCall, like: Report) -> Report:
    values = {name: getattr(call, name) for name in Report.__dataclass_fields__ if hasattr(call, name)}
    spans = "span" in call.sources
    extra = {
        "span_id": like.span_id, "otel_span_id": bytes(call.span_id), "declared_agent_id": "", "framework": "",
        "complete": False, "signal": "span" if spans else "log", "trace_id": bytes(call.trace_id),
        "parent_span_id": bytes(call.parent_span_id) if call.parent_span_id else None,
    }  # fmt: skip
    if call.conversation_id == bytes(call.trace_id).hex():
        extra["conversation_id"] = ""  # it stood in for one that nobody had told yet
    return Report(**(values | extra))


def _duration_ms(call: ToolCall) -> float | None:
    if call.ended_at is None:
        return None
    return max(0.0, (call.ended_at - call.started_at).total_seconds() * 1000)


def _name_agents(work: Work, reports: Sequence[Report]) -> None:
    """Find or discover the agent of every call that can be told now."""
    calls = work.all()
    sightings: dict[UUID, Sighting] = {}
    by_key = work.keys | {}
    known = {key: call.pk for key, call in store.calls_by_key(k for r in reports for k in r.keys).items()}
    for report in reports:
        pk = next((found for key in report.keys if (found := by_key.get(key) or known.get(key))), None)
        if pk in calls and calls[pk].agent_id is None and report.complete:
            sightings.setdefault(pk, _sighting(report))
    _assign(work, sightings)


def _assign(work: Work, sightings: dict[UUID, Sighting]) -> None:
    calls = work.all()
    agents = resolve_agents(sightings.values())
    for pk, sighting in sightings.items():
        calls[pk].agent = agents[sighting]
        work.named.add(pk)
        work.to_judge.add(pk)


def _sighting(report: Report) -> Sighting:
    return Sighting(
        report.source_id,
        report.service_name,
        report.agent_name,
        report.declared_agent_id,
        framework=report.framework,
        seen_at=_not_later_than_now(report.started_at),
    )


def _sighting_of_call(call: ToolCall) -> Sighting:
    seen_at = _not_later_than_now(call.started_at)
    return Sighting(call.source_id, call.service_name, call.agent_name, seen_at=seen_at)


def _not_later_than_now(moment: datetime) -> datetime:
    """A reporter's clock may be wrong; nobody was seen in the future."""
    return min(moment, timezone.now())


def _count_models(
    spans: Sequence[SpanView], traces: dict[store.TraceKey, Trace], reports: Sequence[Report]
) -> None:
    """Model answers of agents that became known with this batch, each counted once."""
    wanted = [*_answers_in_traces(spans, traces), *_answers_in_logs(spans, reports)]
    agents = resolve_agents(sighting for sighting, _ in wanted) if wanted else {}
    record_model_uses([_model_use(agents[sighting].pk, sighting, span) for sighting, span in wanted])


def _answers_in_traces(
    spans: Sequence[SpanView], traces: dict[store.TraceKey, Trace]
) -> Iterator[tuple[Sighting, SpanView]]:
    """Model spans whose agent could not be told before one of these spans arrived."""
    fresh = {span.id for span in spans}
    for trace in traces.values():
        for span in trace.spans.values():
            if span.kind != "model" or not (span.response_model or span.request_model):
                continue
            found = trace.resolve(span)
            if found.complete and found.path & fresh:
                yield _sighting_of_answer(span, found.agent_name, found.declared_agent_id), span


def _answers_in_logs(
    spans: Sequence[SpanView], reports: Sequence[Report]
) -> Iterator[tuple[Sighting, SpanView]]:
    """Model log records, which name no agent: that of a call of the same conversation in this batch."""
    known = {
        (one.source_id, one.conversation_id): one for one in reports if one.complete and one.conversation_id
    }
    for span in spans:
        call = known.get((span.source_id, span.conversation_id))
        if span.kind == "model" and span.signal == "log" and call is not None:
            yield _sighting_of_answer(span, call.agent_name, call.declared_agent_id), span


def _sighting_of_answer(span: SpanView, agent_name: str, declared_id: str) -> Sighting:
    return Sighting(
        span.source_id,
        span.service_name,
        agent_name,
        declared_id,
        framework=framework_of(span),
        seen_at=_not_later_than_now(span.started_at),
    )


def _model_use(agent_id: UUID, sighting: Sighting, span: SpanView) -> ModelUse:
    at = sighting.seen_at or span.started_at
    return ModelUse(agent_id, span.provider, span.response_model or span.request_model, 1, at, at)


def _finish(work: Work) -> int:
    """Write, judge, number. Returns the feed's newest position."""
    calls = work.all()
    if not calls:
        return 0
    store.write_calls(list(work.created.values()), list(work.changed.values()), work.keys)
    named = [calls[pk] for pk in work.named]
    anomalies = new_tools(named)
    record_tool_uses(_tool_uses(named))
    judged = [call for pk, call in calls.items() if pk in work.to_judge and call.agent_id is not None]
    if judged:
        calls_recorded.send(sender=ToolCall, calls=judged)
        record_verdicts(anomalies)
        store.allow_the_rest(call.pk for call in judged)
    ordered = sorted(calls.values(), key=lambda call: (call.started_at, call.pk))
    return store.give_positions([call.pk for call in ordered])


def _tool_uses(calls: Sequence[ToolCall]) -> list[ToolUse]:
    counted: Counter[tuple[UUID, str, str]] = Counter()
    times: dict[tuple[UUID, str, str], list[datetime]] = defaultdict(list)
    for call in calls:
        key = (call.known_agent_id, call.tool_name, call.mcp_server)
        counted[key] += 1
        times[key].append(_not_later_than_now(call.started_at))
    return [ToolUse(*key, count, min(times[key]), max(times[key])) for key, count in counted.items()]

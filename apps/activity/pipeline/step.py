"""One step of the pipeline: a handful of outbox rows become calls with verdicts, or nothing happens.

What other transactions may wait for comes last: the agents' times of being seen, then the feed's counter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.activity.models import ToolCall
from apps.activity.pipeline import store
from apps.activity.pipeline.answers import answers_told, model_use
from apps.activity.pipeline.notes import note_outcomes
from apps.activity.pipeline.recording import keep_to_policy
from apps.activity.pipeline.relatives import TraceKey, read_traces
from apps.activity.pipeline.reports import Report, not_later_than_now, report_of
from apps.activity.pipeline.trace import SpanView, Trace
from apps.activity.pipeline.work import Work, work_of
from apps.activity.rollups.marking import count_answers
from apps.activity.signals import calls_recorded
from apps.agents.models import Agent
from apps.agents.services.discovery import (
    Sighting,
    ToolUse,
    mark_seen,
    record_model_uses,
    record_tool_uses,
    resolve_agents,
    standings_of,
    take_back_tool_uses,
)

SETTLE_AFTER = timedelta(seconds=20)
EMPTY = Trace({})
Seen = dict[Sighting, Agent]


@dataclass(frozen=True)
class Stepped:
    """What a step did: outbox rows finished, calls touched, the feed's newest position (0: unchanged)."""

    outbox: int
    calls: int
    position: int


@transaction.atomic
def step(rows: Sequence[int], part: Collection[UUID] | None = None) -> Stepped:
    """Finish these outbox rows in one transaction, or only `part` of their spans."""
    taken = store.take_outbox(rows, part)
    if not taken.outbox_ids:
        return Stepped(0, 0, 0)
    spans = store.read_spans(taken.span_ids)
    pending, late = store.pending_calls(spans), store.late_calls(spans)
    traces = read_traces(spans, [*pending, *late])
    better, missing = _better_reports(late, traces)
    reports = _standing([*_reports(spans, traces), *_reports_again(pending, traces), *better])
    keys = (key for report in reports for key in (*report.keys, *report.shared_keys))
    work = work_of(reports, store.calls_by_key(keys))
    seen = _name_agents(work) | _count_models(work, spans, traces, reports)
    keep_to_policy(work, spans)
    _write(work)
    if late:
        store.note_missing(missing)
        store.look_again(late, spans)
    note_outcomes(spans)
    store.finish_outbox(taken)
    mark_seen(seen)
    return Stepped(len(taken.outbox_ids), len(work.all()), _number(work))


@transaction.atomic
def settle_overdue(
    now: datetime | None = None, *, only: UUID | None = None, without: Collection[UUID] = ()
) -> Stepped:
    """Give calls that waited too long for an ancestor the agent that can be told without it."""
    waiting = overdue(now, only=only, without=without)
    if not waiting:
        return Stepped(0, 0, 0)
    work = Work(changed={call.pk: call for call in waiting})
    sightings = {call.pk: _sighting_of_call(call) for call in waiting}
    certain = {sighting for sighting, one in standings_of(sightings.values()).items() if one.agent_id}
    seen = _assign(work, sightings, certain)
    for call in waiting:
        call.is_guess = True
    keep_to_policy(work, [])
    _write(work)
    mark_seen(seen)
    return Stepped(0, len(waiting), _number(work))


def overdue(
    now: datetime | None, *, only: UUID | None = None, without: Collection[UUID] = ()
) -> list[ToolCall]:
    return store.overdue_calls((now or timezone.now()) - SETTLE_AFTER, only=only, without=without)


def _reports(spans: Iterable[SpanView], traces: Mapping[TraceKey, Trace]) -> list[Report]:
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


def _reports_again(pending: Iterable[ToolCall], traces: Mapping[TraceKey, Trace]) -> list[Report]:
    """What pending calls of these traces look like now that more of the trace has arrived."""
    again = []
    for call in pending:
        trace = traces.get((call.source_id, bytes(call.trace_id)), EMPTY)
        span = trace.spans.get(bytes(call.span_id))
        if span is not None and span.kind == "tool":
            again.append(report_of(span, trace))
    return again


def _better_reports(
    late: Iterable[ToolCall], traces: Mapping[TraceKey, Trace]
) -> tuple[list[Report], dict[UUID, bytes]]:
    """What settled calls look like with an ancestor that came late, where that says more; and what each lacks now."""
    better, missing = [], {}
    for call in late:
        (report,) = _reports_again([call], traces) or (None,)
        missing[call.pk] = report.missing_ancestor if report else b""
        if report and (
            (call.is_guess and report.complete) or report.conversation_id not in ("", call.conversation_id)
        ):
            better.append(report)
    return better, missing


def _name_agents(work: Work) -> Seen:
    """Find or discover the agent of every call that can be told now."""
    telling: dict[UUID, Report] = {}
    for pk, call in work.all().items():
        tellers = _tellers(work.reported.get(pk, ()), call)
        if tellers:
            telling[pk] = tellers[0]
    sightings = {pk: _sighting(report) for pk, report in telling.items()}
    certain = {_sighting(report) for report in telling.values() if report.bound_id is not None}
    return _assign(work, sightings, certain)


def _tellers(reports: Sequence[Report], call: ToolCall) -> list[Report]:
    """The reports that say whose the call is, where that is not known as well already: the certain ones first."""
    certain = [one for one in reports if one.bound_id is not None]
    if not (call.agent_id is None or call.is_guess):
        return [] if call.is_bound else certain
    return [*certain, *(one for one in reports if one.complete and one.bound_id is None)]


def _assign(work: Work, sightings: Mapping[UUID, Sighting], certain: Collection[Sighting]) -> Seen:
    calls = work.all()
    agents = resolve_agents(sightings.values())
    for pk, sighting in sightings.items():
        call, agent = calls[pk], agents[sighting]
        call.is_guess, call.is_bound = False, sighting in certain
        if call.agent_id == agent.pk:
            continue
        if call.agent_id is not None:
            work.leave_agent(call)
        call.agent = agent
        work.named.add(pk)
        work.to_judge.add(pk)
    return agents


def _standing(reports: Sequence[Report]) -> list[Report]:
    """The reports with the agent and the team that are certain of each."""
    if not reports:
        return []
    told = standings_of(_sighting(report) for report in reports)
    return [
        replace(one, team_id=by.team_id, bound_id=by.agent_id)
        for one in reports
        for by in [told[_sighting(one)]]
    ]


def _sighting(report: Report) -> Sighting:
    return Sighting(
        report.source_id,
        report.service_name,
        report.agent_name,
        report.declared_agent_id,
        framework=report.framework,
        seen_at=not_later_than_now(report.started_at),
    )


def _sighting_of_call(call: ToolCall) -> Sighting:
    seen_at = not_later_than_now(call.started_at)
    return Sighting(call.source_id, call.service_name, call.agent_name, seen_at=seen_at)


def _count_models(
    work: Work, spans: Sequence[SpanView], traces: Mapping[TraceKey, Trace], reports: Sequence[Report]
) -> Seen:
    """Model answers of agents that became known with this batch, each counted once for all time."""
    told = answers_told(spans, traces, reports)
    first = store.first_told({key: span.id for key, (_, span) in told.items()}) if told else set()
    answers = [answer for key, answer in told.items() if key in first]
    agents = resolve_agents(sighting for sighting, _ in answers)
    record_model_uses([model_use(agents[answer[0]].pk, answer) for answer in answers])
    work.answered = [(span, agents[sighting].pk) for sighting, span in answers]
    count_answers({span.id: agent_id for span, agent_id in work.answered})
    return agents


def _write(work: Work) -> None:
    """Write calls, count what agents used, have the calls judged."""
    calls = work.all()
    if not calls:
        return
    store.write_calls(work)
    named = [calls[pk] for pk in work.named]
    record_tool_uses(_tool_uses(named))
    take_back_tool_uses(_tool_uses(work.taken_back))
    judged = [call for pk, call in calls.items() if pk in work.to_judge and call.agent_id is not None]
    if judged:
        calls_recorded.send(sender=ToolCall, calls=judged)
        store.allow_the_rest(call.pk for call in judged)


def _number(work: Work) -> int:
    """Give every call its position; returns the feed's newest, 0 when there was none to give."""
    ordered = sorted(work.all().values(), key=lambda call: (call.started_at, call.pk))
    return store.give_positions([call.pk for call in ordered]) if ordered else 0


def _tool_uses(calls: Sequence[ToolCall]) -> list[ToolUse]:
    counted: Counter[tuple[UUID, str, str]] = Counter()
    times: dict[tuple[UUID, str, str], list[datetime]] = defaultdict(list)
    for call in calls:
        key = (call.known_agent_id, call.tool_name, call.mcp_server)
        counted[key] += 1
        times[key].append(not_later_than_now(call.started_at))
    return [ToolUse(*key, count, min(times[key]), max(times[key])) for key, count in counted.items()]

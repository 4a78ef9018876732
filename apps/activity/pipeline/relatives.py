"""What is read of the traces of a step: for each span no more than it needs, however long its trace is.

Whole spans are read of tools and of what tells more of them (the parent that lists its calls, its parts, the
model answers just before it). Ancestors are found by id, level by level, without their payloads. Model spans
that name no agent are read again, without payload, when more of their trace arrives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.activity.ingest.dialects import named_dialect
from apps.activity.models import ToolCall
from apps.activity.pipeline.trace import DEEPEST_WALK, Found, SpanView, Trace
from apps.kit.ids import as_array, first_id_at, time_of

TraceKey = tuple[UUID, bytes]
AROUND = timedelta(days=1)
NO_TRACE = Trace({})
MOST_PARTS = 20
MOST_ANSWERS = 50
MOST_WAITING = 2000
VIEW = tuple(one.name for one in fields(SpanView))
BINARY = ("trace_id", "span_id", "parent_span_id")
WHOLE = ", ".join(VIEW)
# An agent span that is named nowhere else is named by an attribute of its node.
LIGHT = WHOLE.replace(
    "attributes",
    "CASE WHEN kind = 'agent' AND agent_name = '' THEN attributes ELSE '{}'::jsonb END AS attributes",
)
# LATERAL with LIMIT keeps this a walk over the index by key; the bounds on id prune partitions for each key.
LOOK_UP = """
SELECT found.* FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[], %s::timestamptz[], %s::uuid[], %s::uuid[])
  AS wanted (source_id, trace_id, span_id, at, low, high)
CROSS JOIN LATERAL (
  SELECT {columns} FROM activity_span s WHERE s.trace_id = wanted.trace_id AND s.source_id = wanted.source_id
  AND s.signal = 'span' AND s.id >= wanted.low AND s.id < wanted.high AND {condition}
) AS found
"""
BY_SPAN = "s.span_id = wanted.span_id LIMIT 1"
PARTS = f"s.parent_span_id = wanted.span_id AND s.kind = 'part' LIMIT {MOST_PARTS}"
ANSWERS = f"s.kind = 'model' AND s.started_at <= wanted.at ORDER BY s.id DESC LIMIT {MOST_ANSWERS}"
TELLING = "s.{column} <> '' ORDER BY s.started_at LIMIT 1"
WAITING = f"s.kind = 'model' AND s.agent_name = '' AND s.declared_agent_id = '' ORDER BY s.id DESC LIMIT {MOST_WAITING}"


@dataclass(frozen=True)
class Wanted:
    """What is looked for: spans of a trace, by a span's id where the question is about one, near a time."""

    source_id: UUID
    trace_id: bytes
    span_id: bytes
    at: datetime
    low: UUID
    high: UUID

    @property
    def key(self) -> tuple[UUID, bytes, bytes]:
        return self.source_id, self.trace_id, self.span_id


@dataclass
class Known:
    """The spans read so far, by trace."""

    traces: dict[TraceKey, dict[bytes, SpanView]] = field(default_factory=lambda: defaultdict(dict))

    def __iter__(self) -> Iterator[SpanView]:
        return (span for spans in self.traces.values() for span in spans.values())

    def add(self, spans: Iterable[SpanView]) -> list[SpanView]:
        """Returns those that are new. What was read first stays: whole spans are read first."""
        new = []
        for span in spans:
            of_trace = self.traces[span.source_id, span.trace_id]
            if span.span_id not in of_trace:
                of_trace[span.span_id] = span
                new.append(span)
        return new

    def missing_parents(self, spans: Iterable[SpanView]) -> list[Wanted]:
        return [
            _near(span, span.parent_span_id)
            for span in spans
            if span.parent_span_id and span.parent_span_id not in self.traces[span.source_id, span.trace_id]
        ]


def read_traces(fresh: Sequence[SpanView], pending: Iterable[ToolCall]) -> dict[TraceKey, Trace]:
    """The traces of `fresh` as far as these spans and the `pending` calls need them.

    Six queries and one for each level of ancestors that is not at hand.
    """
    known = Known()
    known.add(span for span in fresh if span.signal == "span")
    parts = [span for span in known if span.kind == "part"]
    known.add(_look_up(known.missing_parents(parts), BY_SPAN))
    known.add(_look_up(_spans_of(pending, known), BY_SPAN))
    tools = [span for span in known if span.kind == "tool"]
    known.add(_look_up(known.missing_parents(tools), BY_SPAN))
    known.add(_look_up([_near(s, s.span_id) for s in tools if named_dialect(s.dialect).part_spans], PARTS))
    known.add(_look_up(_latest_of_trace(s for s in tools if not s.call_id), ANSWERS))
    may_name = [span for span in fresh if span.signal == "span" and span.kind not in ("model", "part")]
    known.add(_look_up(_latest_of_trace(may_name), WAITING, LIGHT))
    _climb(known)
    return {key: Trace(spans) for key, spans in known.traces.items()}


def resolve_runs(spans: Sequence[SpanView]) -> dict[UUID, Found]:
    """Agent and conversation of each span as of a call: by itself, by its ancestors, and where these are whole and say
    nothing, by the outermost of its trace that does. At most three queries and one for each level of ancestors."""
    known = Known()
    known.add(span for span in spans if span.signal == "span")
    _climb(known)
    traces = {key: Trace(of_trace) for key, of_trace in known.traces.items()}
    found = {span.id: traces.get((span.source_id, span.trace_id), NO_TRACE).resolve(span) for span in spans}
    whole = [span for span in spans if span.signal == "span" and found[span.id].complete]
    silent = [span for span in whole if not named_dialect(span.dialect).service_is_agent]
    names = _first_telling(silent, "agent_name", "declared_agent_id", "conversation_id")
    for span in silent:
        key = span.source_id, span.trace_id
        is_named = any(one.agent_name or one.declared_agent_id for one in traces[key].ancestors(span))
        found[span.id] = _completed(found[span.id], names, key, is_named=is_named)
    return found


def _first_telling(spans: Iterable[SpanView], *columns: str) -> dict[tuple[str, TraceKey], SpanView]:
    wanted = _latest_of_trace(spans)
    return {
        (column, (one.source_id, one.trace_id)): one
        for column in columns
        for one in _look_up(wanted, TELLING.format(column=column), LIGHT)
    }


def _completed(
    found: Found, names: Mapping[tuple[str, TraceKey], SpanView], trace: TraceKey, *, is_named: bool
) -> Found:
    """What is known stays; the rest is what the trace says. A mere name of a span gives way to it."""

    def told(column: str) -> str:
        return str(getattr(names.get((column, trace)), column, ""))

    conversation = found.conversation_id or told("conversation_id")
    if is_named:
        return replace(found, conversation_id=conversation)
    return replace(
        found,
        agent_name=told("agent_name") or found.agent_name,
        declared_agent_id=told("declared_agent_id"),
        conversation_id=conversation,
    )


def read_views(where: str, parameters: Sequence[Any], columns: str = WHOLE) -> list[SpanView]:
    """Spans as views; `where` is the rest of the statement after FROM activity_span."""
    return _views(f"SELECT {columns} FROM activity_span WHERE {where}", parameters)  # noqa: S608


def _climb(known: Known) -> None:
    """Every ancestor of what is known, up to a root or a gap. A cycle ends it: nothing new is found."""
    asking = list(known)
    for _ in range(DEEPEST_WALK):
        asking = known.add(_look_up(known.missing_parents(asking), BY_SPAN, LIGHT))
        if not asking:
            return


def _look_up(wanted: Iterable[Wanted], condition: str, columns: str = WHOLE) -> list[SpanView]:
    distinct = list({one.key: one for one in wanted}.values())
    if not distinct:
        return []
    arrays = [
        as_array(one.source_id for one in distinct),
        [one.trace_id for one in distinct],
        [one.span_id for one in distinct],
        [one.at for one in distinct],
        as_array(one.low for one in distinct),
        as_array(one.high for one in distinct),
    ]
    return _views(LOOK_UP.format(columns=columns, condition=condition), arrays)


def _views(statement: str, parameters: Sequence[Any]) -> list[SpanView]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [_view(row) for row in cursor.fetchall()]


def _view(row: tuple[Any, ...]) -> SpanView:
    values = dict(zip(VIEW, row, strict=True))
    for name in BINARY:
        values[name] = bytes(values[name]) if values[name] is not None else None
    values["attributes"] = orjson.loads(
        values["attributes"]
    )  # Django leaves jsonb as text on this connection
    return SpanView(**values)


def _near(span: SpanView, span_id: bytes) -> Wanted:
    """`span_id` in the trace of `span`, within a day of it by its id's time and by its own."""
    times = (time_of(span.id), span.started_at)
    low, high = _hour_bounds(_hour(min(times)))[0], _hour_bounds(_hour(max(times)))[1]
    return Wanted(span.source_id, span.trace_id, span_id, span.started_at, low, high)


def _spans_of(calls: Iterable[ToolCall], known: Known) -> list[Wanted]:
    wanted = []
    for call in calls:
        trace_id, span_id = bytes(call.trace_id), bytes(call.span_id)
        if span_id and span_id not in known.traces[call.source_id, trace_id]:
            low, high = _hour_bounds(_hour(call.started_at))
            wanted.append(Wanted(call.source_id, trace_id, span_id, call.started_at, low, high))
    return wanted


def _latest_of_trace(spans: Iterable[SpanView]) -> list[Wanted]:
    """One question for each trace, as of the latest of its spans."""
    latest: dict[TraceKey, SpanView] = {}
    for span in spans:
        key = (span.source_id, span.trace_id)
        if key not in latest or latest[key].started_at < span.started_at:
            latest[key] = span
    return [_near(span, b"") for span in latest.values()]


def _hour(moment: datetime) -> int:
    """Hours since 1970, not before it: ids know no earlier time."""
    return max(0, int(moment.timestamp() // 3600))


@lru_cache(maxsize=1024)
def _hour_bounds(hour: int) -> tuple[UUID, UUID]:
    """The first id a day before this hour, and the first one a day after it."""
    begin = datetime.fromtimestamp(hour * 3600, UTC)
    return first_id_at(begin - AROUND), first_id_at(begin + AROUND + timedelta(hours=1))

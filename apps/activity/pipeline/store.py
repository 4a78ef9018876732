"""The pipeline's reading and writing: one place that knows the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from apps.activity.models import CallKey, OutboxItem, Outcome, Span, ToolCall
from apps.activity.pipeline.trace import SpanView, Trace
from apps.kit.ids import first_id_at

VIEW = tuple(field.name for field in fields(SpanView))
BINARY = ("trace_id", "span_id", "parent_span_id")
MOST_SPANS = 4000
MOST_TRACE_SPANS = 20_000
AROUND = timedelta(days=1)
TraceKey = tuple[UUID, bytes]
MERGED = (
    "ended_at", "started_at", "duration_ms", "tool_name", "mcp_server", "call_id", "conversation_id", "agent_name",
    "service_name", "arguments", "result", "is_cut", "status", "error_type", "error_message", "request_model",
    "response_model", "sources", "agent", "trace_id", "span_id", "parent_span_id",
)  # fmt: skip


@dataclass(frozen=True)
class Taken:
    """Outbox rows held by this transaction, and the span ids in them."""

    outbox_ids: list[int]
    span_ids: list[UUID]


def take_outbox(only: int | None = None) -> Taken:
    """Lock the oldest outbox rows, up to about 4,000 spans; `only` one row when isolating a fault."""
    waiting = OutboxItem.objects.select_for_update(skip_locked=True).filter(failed_at=None)
    waiting = waiting.filter(pk=only) if only is not None else waiting
    ids: list[int] = []
    span_ids: list[UUID] = []
    for pk, some in waiting.order_by("pk").values_list("pk", "span_ids")[:200]:
        ids.append(pk)
        span_ids.extend(some)
        if len(span_ids) >= MOST_SPANS:
            break
    return Taken(ids, span_ids)


def read_spans(span_ids: Iterable[UUID]) -> list[SpanView]:
    return _views(Q(pk__in=list(span_ids)))


def read_traces(spans: Sequence[SpanView]) -> dict[TraceKey, Trace]:
    """Every trace these spans belong to, as far as it is stored, in one query."""
    trace_ids = {span.trace_id for span in spans if span.trace_id}
    by_trace: dict[TraceKey, dict[bytes, SpanView]] = defaultdict(dict)
    if trace_ids:
        low = min(span.started_at for span in spans) - AROUND
        high = max(span.started_at for span in spans) + AROUND
        near = Q(pk__gte=first_id_at(low), pk__lt=first_id_at(high))
        for view in _views(Q(trace_id__in=list(trace_ids), signal="span") & near, MOST_TRACE_SPANS):
            by_trace[view.source_id, view.trace_id][view.span_id] = view
    for span in spans:
        if span.signal == "span":
            by_trace[span.source_id, span.trace_id].setdefault(span.span_id, span)
    return {key: Trace(known) for key, known in by_trace.items()}


def pending_calls(traces: Iterable[TraceKey]) -> list[ToolCall]:
    """Calls of these traces whose agent nobody knew so far."""
    trace_ids = [trace_id for _, trace_id in traces]
    return list(ToolCall.objects.filter(trace_id__in=trace_ids, outcome=Outcome.PENDING)) if trace_ids else []


def overdue_calls(older_than: datetime, limit: int = 500) -> list[ToolCall]:
    """Calls that have waited for an ancestor since before `older_than`."""
    waiting = ToolCall.objects.filter(outcome=Outcome.PENDING, pk__lt=first_id_at(older_than))
    return list(waiting.filter(pk__gte=first_id_at(older_than - AROUND * 7)).order_by("pk")[:limit])


def calls_by_key(keys: Iterable[bytes]) -> dict[bytes, ToolCall]:
    """Calls already known under these keys; two queries."""
    known = {bytes(row.key): row.call_id for row in CallKey.objects.filter(key__in=list(keys))}
    calls = ToolCall.objects.in_bulk(set(known.values()))
    return {key: calls[call_id] for key, call_id in known.items() if call_id in calls}


def write_calls(created: list[ToolCall], changed: list[ToolCall], keys: dict[bytes, UUID]) -> None:
    """New calls, changed calls and the keys they are found by."""
    ToolCall.objects.bulk_create(created, batch_size=1000)
    ToolCall.objects.bulk_update(changed, list(MERGED), batch_size=500)
    CallKey.objects.bulk_create(
        [CallKey(key=key, call_id=call_id) for key, call_id in keys.items()],
        ignore_conflicts=True,
        batch_size=2000,
    )


def allow_the_rest(call_ids: Iterable[UUID]) -> None:
    """Calls with an agent to which nobody objected are allowed."""
    rest = ToolCall.objects.filter(pk__in=list(call_ids), outcome=Outcome.PENDING, agent__isnull=False)
    rest.update(outcome=Outcome.ALLOWED, judged_at=timezone.now())


def give_positions(call_ids: Sequence[UUID]) -> int:
    """The next positions of the feed, in the order given; returns the last one.

    The counter's row lock makes positions appear in commit order whoever else runs.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE activity_feedposition SET last = last + %s RETURNING last", [len(call_ids)])
        last: int = cursor.fetchone()[0]
        first = last - len(call_ids) + 1
        cursor.execute(
            "UPDATE activity_toolcall c SET position = %s + n.at - 1 "
            "FROM unnest(%s::uuid[]) WITH ORDINALITY AS n(id, at) WHERE c.id = n.id",
            [first, list(call_ids)],
        )
    return last


def _views(where: Q, limit: int | None = None) -> list[SpanView]:
    rows = Span.objects.filter(where).values_list(*VIEW)
    return [_view(row) for row in (rows[:limit] if limit else rows)]


def _view(row: tuple[Any, ...]) -> SpanView:
    values = dict(zip(VIEW, row, strict=True))
    for name in BINARY:
        values[name] = bytes(values[name]) if values[name] is not None else None
    return SpanView(**values)

"""The pipeline's reading and writing: one place that knows the tables."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Field, Func, IntegerField, JSONField, Q, QuerySet
from django.utils import timezone
from psycopg.types.json import Jsonb

from apps.activity.models import CallEffect, CallScore, OutboxItem, Outcome, ToolCall
from apps.activity.pipeline.relatives import read_views
from apps.activity.pipeline.trace import SpanView
from apps.activity.pipeline.work import Work
from apps.activity.rollups.marking import mark_calls
from apps.kit.ids import as_array, first_id_at

logger = logging.getLogger(__name__)
MOST_SPANS = 4000
MOST_ROWS = 4000
PAUSES = (timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10))
MOST_PENDING = 2000
MOST_LATE = 2000
LATE_WITHIN = timedelta(hours=6)
SETTLED_WITHIN = timedelta(days=7)
MERGED = (
    "ended_at", "started_at", "duration_ms", "tool_name", "mcp_server", "call_id", "conversation_id", "agent_name",
    "service_name", "arguments", "result", "is_cut", "status", "error_type", "error_message", "request_model",
    "response_model", "sources", "agent", "trace_id", "span_id", "parent_span_id", "ran", "is_refused",
    "missing_ancestor", "is_guess", "is_bound", "source_id", "replaces",
)  # fmt: skip
VERDICT = ("verdicts", "outcome", "outcome_reason", "outcome_code", "judged_at")
FIELDS: tuple[Field[Any, Any], ...] = tuple(ToolCall._meta.concrete_fields)
INTO = f"COPY %s ({', '.join(str(field.column) for field in FIELDS)}) FROM STDIN"
STAGE = "CREATE TEMP TABLE IF NOT EXISTS pipeline_calls (LIKE activity_toolcall) ON COMMIT DELETE ROWS"
POINT = """
INSERT INTO activity_callkey (key, call_id) SELECT * FROM unnest(%s::bytea[], %s::uuid[]) AS new (key, call_id)
ON CONFLICT (key) DO UPDATE SET call_id = EXCLUDED.call_id -- it may have led to a call that was joined with another
"""
GO_ON = """
UPDATE activity_callkey k SET call_id = n.stays FROM unnest(%s::uuid[], %s::uuid[]) AS n (goes, stays)
WHERE k.call_id = n.goes
"""
NOW_MISSING = """
UPDATE activity_toolcall c SET missing_ancestor = n.missing FROM unnest(%s::uuid[], %s::bytea[]) AS n (id, missing)
WHERE c.id = n.id
"""
CLAIM = """
INSERT INTO activity_callkey (key, call_id) SELECT * FROM unnest(%s::bytea[], %s::uuid[])
ON CONFLICT (key) DO NOTHING RETURNING key
"""


@dataclass(frozen=True)
class Taken:
    """Outbox rows held by this transaction, the span ids in them, and those to leave in each row."""

    outbox_ids: list[int]
    span_ids: list[UUID]
    left: dict[int, list[UUID]] = field(default_factory=dict)


def next_rows() -> list[int]:
    """The oldest outbox rows whose time has come, up to about 4,000 spans; one that failed before comes alone."""
    due = Q(try_after=None) | Q(try_after__lte=timezone.now())
    waiting = OutboxItem.objects.filter(due, failed_at=None).annotate(
        size=Func("span_ids", function="cardinality", output_field=IntegerField())
    )
    rows: list[int] = []
    spans = 0
    for pk, size, try_after in waiting.order_by("pk").values_list("pk", "size", "try_after")[:MOST_ROWS]:
        if try_after is not None:
            if not rows:
                return [pk]
            continue
        if rows and spans + size > MOST_SPANS:
            break
        rows.append(pk)
        spans += size
    return rows


def take_outbox(rows: Sequence[int], part: Collection[UUID] | None = None) -> Taken:
    """Lock these outbox rows, unless another has them; of their spans only `part`, when it is given."""
    waiting = _rows(rows).select_for_update(skip_locked=True).filter(failed_at=None)
    held = dict(waiting.order_by("pk").values_list("pk", "span_ids"))
    wanted = None if part is None else set(part)
    span_ids = [one for some in held.values() for one in some if wanted is None or one in wanted]
    left = {pk: [one for one in some if one not in wanted] for pk, some in held.items()} if wanted else {}
    return Taken(list(held), span_ids, {pk: some for pk, some in left.items() if some})


def finish_outbox(taken: Taken) -> None:
    """Delete the rows; of one that was taken in part the rest stays."""
    _rows([pk for pk in taken.outbox_ids if pk not in taken.left]).delete()
    for pk, rest in taken.left.items():
        OutboxItem.objects.filter(pk=pk).update(span_ids=rest)


def _rows(pks: Sequence[int]) -> QuerySet[OutboxItem]:
    """One parameter for any number of them."""
    return OutboxItem.objects.extra(where=["activity_outbox.id = ANY(%s)"], params=[list(pks)])


def spans_of_row(pk: int) -> list[UUID]:
    return list(OutboxItem.objects.values_list("span_ids", flat=True).get(pk=pk))


def note_failure(pk: int, words: str, *, progressed: bool) -> None:
    """Put a row off, longer each time; after the last pause it is set aside. Progress costs no attempt."""
    item = OutboxItem.objects.filter(pk=pk).only("attempts").first()
    if item is None:
        return
    item.error, item.attempts = words, item.attempts + (not progressed)
    if item.attempts > len(PAUSES):
        item.failed_at = timezone.now()
        logger.critical("outbox row %s was set aside after %s attempts: %s", pk, item.attempts, words)
    else:
        item.try_after = timezone.now() + PAUSES[max(item.attempts, 1) - 1]
    item.save(update_fields=["error", "attempts", "failed_at", "try_after"])


def take_up_again(rows: Collection[int] | None = None) -> int:
    """Let set-aside rows, or those of them with these ids, be tried anew; returns how many."""
    aside = OutboxItem.objects.exclude(failed_at=None)
    aside = aside if rows is None else aside.filter(pk__in=rows)
    return aside.update(failed_at=None, try_after=None, attempts=0)


def read_spans(span_ids: Sequence[UUID]) -> list[SpanView]:
    return read_views("id = ANY(%s::uuid[])", [as_array(span_ids)])


def pending_calls(spans: Iterable[SpanView]) -> list[ToolCall]:
    """Calls of the traces of these spans whose agent nobody knew so far; the newest 2,000."""
    trace_ids = {span.trace_id for span in spans if span.signal == "span"}
    if not trace_ids:
        return []
    waiting = ToolCall.objects.among(trace_ids, "trace_id").filter(outcome=Outcome.PENDING)
    return list(waiting.order_by("-pk")[:MOST_PENDING])


def late_calls(spans: Iterable[SpanView]) -> list[ToolCall]:
    """Settled calls of the last six hours that lacked one of these spans; the oldest 2,000. One query over an index
    that holds only calls that lack something."""
    arrived = [(span.span_id, span.trace_id, span.source_id) for span in spans if span.signal == "span"]
    if not arrived:
        return []
    since = first_id_at(timezone.now() - LATE_WITHIN)
    lacking = ToolCall.objects.filter(pk__gte=since).exclude(outcome=Outcome.PENDING)
    columns = [list(column) for column in zip(*arrived, strict=True)]
    return list(
        lacking.extra(
            where=[
                "missing_ancestor <> ''::bytea AND (missing_ancestor, trace_id, source_id) IN "
                "(SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::uuid[]))"
            ],
            params=columns,
        ).order_by("pk")[:MOST_LATE]
    )


def note_missing(missing: Mapping[UUID, bytes]) -> None:
    """What each of these calls lacks now; b"" is nothing."""
    with connection.cursor() as cursor:
        cursor.execute(NOW_MISSING, [list(missing), list(missing.values())])


def look_again(late: Sequence[ToolCall], spans: Iterable[SpanView]) -> None:
    """Where more calls may lack these spans than one step takes, a step of their own follows for the rest."""
    if len(late) == MOST_LATE:
        lacked = {bytes(call.missing_ancestor) for call in late}
        OutboxItem.objects.create(
            created_at=timezone.now(), span_ids=[span.id for span in spans if span.span_id in lacked]
        )


def overdue_calls(
    older_than: datetime, *, only: UUID | None = None, without: Collection[UUID] = (), limit: int = 500
) -> list[ToolCall]:
    """Calls that have waited for an ancestor since before `older_than`."""
    waiting = ToolCall.objects.filter(outcome=Outcome.PENDING, pk__lt=first_id_at(older_than))
    waiting = waiting.filter(pk__gte=first_id_at(older_than - SETTLED_WITHIN)).exclude(pk__in=without)
    waiting = waiting.filter(pk=only) if only is not None else waiting
    return list(waiting.order_by("pk")[:limit])


def calls_by_key(keys: Iterable[bytes]) -> dict[bytes, ToolCall]:
    """Calls already known under these keys; two queries."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, call_id FROM activity_callkey WHERE key = ANY(%s)", [list(keys)])
        known = {bytes(key): call_id for key, call_id in cursor.fetchall()}
    calls = {call.pk: call for call in ToolCall.objects.among(set(known.values()))} if known else {}
    return {key: calls[call_id] for key, call_id in known.items() if call_id in calls}


def first_told(answers: Mapping[bytes, UUID]) -> set[bytes]:
    """Which of these keys nobody has claimed before; from now on they are claimed."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [list(answers), list(answers.values())])
        return {bytes(key) for (key,) in cursor.fetchall()}


def write_calls(work: Work) -> None:
    """New calls, changed calls, the keys they are found by; without those that turned out to be another's."""
    mark_calls({*work.changed, *work.dropped})  # the hours they stood in so far
    if work.created:
        _copy("activity_toolcall", work.created.values())
    if work.changed:
        _change(list(work.changed.values()), MERGED)
    rejudged = [call for pk, call in work.rejudged.items() if pk in work.changed]
    if rejudged:
        _change(rejudged, VERDICT)
    # Another baseline is asked of those that stay, none of those that go.
    if told := {call.pk for call in work.taken_back} | work.dropped:
        CallScore.objects.filter(pk__in=told).delete()
    if work.dropped:
        CallEffect.objects.filter(pk__in=work.dropped).delete()
        ToolCall.objects.among(work.dropped).delete()
        _lead_on(work)
    with connection.cursor() as cursor:
        cursor.execute(POINT, [list(work.keys), list(work.keys.values())])


def _lead_on(work: Work) -> None:
    """Every key of a call that went up in another leads to that one, also those nobody named in this step."""
    stays = {
        goes: pk for pk, call in work.all().items() for goes in call.replaces or () if goes in work.dropped
    }
    with connection.cursor() as cursor:
        cursor.execute(GO_ON, [list(stays), list(stays.values())])


def _copy(table: str, calls: Iterable[ToolCall]) -> None:
    """COPY: written as single statements, most of a step would be spent on their text."""
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(INTO % table) as copy:
        for call in calls:
            copy.write_row([_value(call, field) for field in FIELDS])


def _change(calls: Sequence[ToolCall], names: Sequence[str]) -> None:
    """Write these fields of calls that are stored already."""
    columns = [field.column for field in FIELDS if field.name in names]
    told = ", ".join(f"{column} = n.{column}" for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(STAGE)
        _copy("pipeline_calls", calls)
        cursor.execute(f"UPDATE activity_toolcall c SET {told} FROM pipeline_calls n WHERE c.id = n.id")  # noqa: S608
        cursor.execute("TRUNCATE pipeline_calls")


def _value(call: ToolCall, field: Field[Any, Any]) -> Any:
    value = getattr(call, field.attname)
    return Jsonb(value, dumps=orjson.dumps) if isinstance(field, JSONField) and value is not None else value


def allow_the_rest(call_ids: Iterable[UUID]) -> None:
    """Calls with an agent to which nobody objected are allowed."""
    rest = ToolCall.objects.among(call_ids).filter(outcome=Outcome.PENDING, agent__isnull=False)
    rest.update(outcome=Outcome.ALLOWED, judged_at=timezone.now())


def give_positions(call_ids: Sequence[UUID]) -> int:
    """The next positions of the feed, in the order given; returns the last one.

    The counter's row lock makes positions appear in commit order whoever else runs. Whatever changes a call comes
    by here, so this is also where its hour is marked to be summed anew.
    """
    with connection.cursor() as cursor:
        cursor.execute("UPDATE activity_feedposition SET last = last + %s RETURNING last", [len(call_ids)])
        last: int = cursor.fetchone()[0]
        first = last - len(call_ids) + 1
        cursor.execute(
            "UPDATE activity_toolcall c SET position = %s + n.at - 1 "
            "FROM unnest(%s::uuid[]) WITH ORDINALITY AS n(id, at) WHERE c.id = n.id",
            [first, as_array(call_ids)],
        )
    mark_calls(call_ids)
    return last

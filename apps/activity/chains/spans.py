"""The spans around a run's calls: ancestors for the tree, model requests and hand-overs as steps of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.kit.ids import first_id_at

MOST_SPANS = 20_000
LONGEST_TEXT = 6_000
HIGHEST = 64
AROUND = timedelta(days=1)
# Texts of a model request by preference, cut in the database: a prompt may be megabytes.
PROMPTS = ("gen_ai.input.messages", "input.value", "traceloop.entity.input", "gen_ai.prompt.0.content")
ANSWERS = ("gen_ai.output.messages", "output.value", "traceloop.entity.output", "gen_ai.completion.0.content")
READ = """
SELECT source_id, trace_id, span_id, parent_span_id, kind, name, started_at, ended_at, service_name, agent_name,
  status, error_type, coalesce(nullif(response_model, ''), request_model), input_tokens, output_tokens,
  CASE WHEN kind = 'model' THEN left(coalesce({prompts}), %s) ELSE '' END,
  CASE WHEN kind = 'model' THEN left(coalesce({answers}), %s) ELSE '' END
FROM activity_span WHERE trace_id = ANY(%s) AND signal = 'span' AND id >= %s AND id < %s ORDER BY id LIMIT %s
""".format(
    prompts=", ".join(f"attributes->>'{name}'" for name in PROMPTS) + ", ''",
    answers=", ".join(f"attributes->>'{name}'" for name in ANSWERS) + ", ''",
)


@dataclass(frozen=True)
class SpanRow:
    """A span as far as a chain needs it; ids in hex, '' for no parent."""

    source_id: UUID
    trace: str
    span: str
    parent: str
    kind: str
    name: str
    started_at: datetime
    ended_at: datetime | None
    service_name: str
    agent_name: str
    status: str
    error: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    prompt: str
    answer: str


SpanMap = Mapping[tuple[str, str], SpanRow]


def read_span_rows(traces: Sequence[bytes], since: datetime, until: datetime) -> list[SpanRow]:
    """The spans of these traces around these times, at most 20,000; one query over the index by trace."""
    low, high = first_id_at(since - AROUND), first_id_at(until + AROUND)
    with connection.cursor() as cursor:
        cursor.execute(READ, [LONGEST_TEXT, LONGEST_TEXT, list(traces), low, high, MOST_SPANS])
        return [_row(row) for row in cursor.fetchall()]


def _row(row: tuple[Any, ...]) -> SpanRow:
    source, trace, span, parent, *rest = row
    return SpanRow(
        source, bytes(trace).hex(), bytes(span).hex(), bytes(parent).hex() if parent else "", *rest
    )


def by_span(rows: Iterable[SpanRow]) -> SpanMap:
    return {(row.trace, row.span): row for row in rows}


def line_of(trace: str, parent: str, spans: SpanMap) -> list[str]:
    """The ids of the ancestors, nearest first; ends at a root, a gap, a circle or 64 levels."""
    line: list[str] = []
    at = parent
    while at and at not in line and len(line) < HIGHEST:
        line.append(at)
        above = spans.get((trace, at))
        at = above.parent if above is not None else ""
    return line


def words_in(text: str) -> str:
    """What people would read of a recorded prompt or answer: the contents of its messages, else the text itself."""
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    words = list(_contents(told))
    return "\n".join(words) if words else text


def _contents(thing: Any) -> Iterable[str]:
    if isinstance(thing, list):
        for inner in thing:
            yield from _contents(inner)
    elif isinstance(thing, dict):
        called = thing.get("name") or (thing.get("function") or {}).get("name")
        if isinstance(called, str) and ("tool_call" in str(thing.get("type")) or "function" in thing):
            yield f"calls {called}"
        for name in ("content", "text"):
            if isinstance(thing.get(name), str):
                yield thing[name]
        for name in ("messages", "parts", "content", "tool_calls", "generations", "kwargs", "message"):
            if isinstance(thing.get(name), (list, dict)):
                yield from _contents(thing[name])

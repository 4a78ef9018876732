"""OpenAI traces v1, as the agents SDK exports them when it is pointed here: {"data": [trace | trace.span, ...]}.

Ids are text (`trace_` with 32 hex digits, `span_` with 24); a span's is hashed to the eight bytes of a row's. A trace is a row
of its own above its spans, for it alone knows the group they belong to. Nothing in it names the service: the exporter's
project (header `OpenAI-Project`) does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from apps.activity.ingest.decode import JSON
from apps.activity.ingest.errors import Malformed
from apps.activity.ingest.normalise import Batch
from apps.activity.ingest.way import Answer, Heard, Way
from apps.activity.ways.told import Record, json_only, origin_of, parsed_body, problem, row_told, time_told

SCOPE, SERVICE = "openai_agents.traces", "openai-agents"
KINDS = {"function": "tool", "generation": "model", "response": "model", "agent": "agent"}


def _read(heard: Heard) -> Answer:
    told = parsed_body(heard.body)
    items = told.get("data") if isinstance(told, dict) else None
    if not isinstance(items, list):
        raise Malformed('the body is no {"data": [...]}')
    origin, batch = origin_of(heard.source_id, SCOPE, heard.headers.get("openai-project") or SERVICE), Batch()
    batch.resources[origin.resource_id] = origin.resource
    begins = _beginnings(items)
    for item in items:
        try:
            batch.rows.append(row_told(_record(item, begins), origin))
        except Malformed as error:
            batch.reject(error.message)
    if batch.rejected and not batch.rows:
        raise Malformed(batch.why)
    body = {"accepted": len(batch.rows), "rejected": batch.rejected, "detail": batch.why}
    return Answer(JSON, orjson.dumps(body), batch=batch)


def _beginnings(items: list[Any]) -> Mapping[str, datetime | None]:
    """When the first span of each trace in this request began: a trace does not say it."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("trace_id"), str):
            try:
                at = time_told(item.get("started_at"))
            except Malformed:
                continue
            if at is not None:
                found[item["trace_id"]].append(at)
    return {trace: min(times) for trace, times in found.items()}


@dataclass(frozen=True)
class Ids:
    """Which row an item is: its trace, itself, the row above."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None


def _record(item: Any, begins: Mapping[str, datetime | None]) -> Record:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        raise Malformed("an item is a JSON object with an id")
    if item.get("object") == "trace":
        return _trace(item, begins)
    if item.get("object") == "trace.span":
        return _span(item)
    raise Malformed(f"object {item.get('object')!r:.40} is neither trace nor trace.span")


def _trace(item: dict[str, Any], begins: Mapping[str, datetime | None]) -> Record:
    ids = Ids(_trace_id(item["id"]), _digest(item["id"], 8), None)
    name = item.get("workflow_name") if isinstance(item.get("workflow_name"), str) else ""
    return _told(item, ids, name or "trace", "other", begins.get(item["id"]), None)


def _span(item: dict[str, Any]) -> Record:
    trace, parent, data = item.get("trace_id"), item.get("parent_id"), item.get("span_data")
    if not isinstance(trace, str) or not isinstance(data, dict):
        raise Malformed("a span says its trace_id and its span_data")
    above = parent if isinstance(parent, str) and parent else trace
    ids = Ids(_trace_id(trace), _digest(item["id"], 8), _digest(above, 8))
    kind = str(data.get("type", ""))
    name = data.get("name") if isinstance(data.get("name"), str) else kind
    began, ended = time_told(item.get("started_at")), time_told(item.get("ended_at"))
    return _told(item | _agent(kind, data), ids, name or kind, KINDS.get(kind, "other"), began, ended)


def _told(
    item: dict[str, Any],
    ids: Ids,
    name: str,
    kind: str,
    began: datetime | None,
    ended: datetime | None,
) -> Record:
    return Record(
        key=ids.trace_id + ids.span_id,
        at=began,
        signal="span",
        name=name,
        kind=kind,
        status="error" if item.get("error") else "ok",
        attributes=item,
        trace_id=ids.trace_id,
        span_id=ids.span_id,
        parent_span_id=ids.parent_span_id,
        ended_at=ended,
    )


def _agent(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Who acts: an agent's span by its name, a turn's by its agent."""
    inner = data.get("data")
    told = (
        data.get("name") if kind == "agent" else inner.get("agent_name") if isinstance(inner, dict) else None
    )
    return {"agent.name": told} if isinstance(told, str) else {}


def _trace_id(words: str) -> bytes:
    digits = words.removeprefix("trace_")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    return found if len(found) == 16 and any(found) else _digest(words, 16)


def _digest(words: str, size: int) -> bytes:
    return blake2b(words.encode(), digest_size=size).digest()


WAYS = {"/v1/traces/ingest": Way(json_only, _read, problem)}

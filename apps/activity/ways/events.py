"""CloudEvents 1.0 over HTTP: structured, batch and binary mode (HTTP binding, section 3), each event a row.

An event is known by its source and id, for as long as its time stays the same; sent again it is stored once. Of a batch every
event has a result of its own. Types and what their data mean:

ai.chancery.tool_call.started/.finished/.denied   tool, mcp_server, call_id, conversation_id, arguments, result, error, reason
ai.chancery.handover                              to_agent, task: work given to another agent, judged as a call of agent/<to_agent>
ai.chancery.outcome                               what a piece of work came to; its data are kept as they are

All may say service, agent, agent_id and model; what else they say is kept. `traceparent` is the W3C trace context.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote

import orjson

from apps.activity.ingest.decode import JSON
from apps.activity.ingest.errors import Malformed, Refused, UnsupportedMedia
from apps.activity.ingest.normalise import Batch
from apps.activity.ingest.reading import LONGEST_NAME
from apps.activity.ingest.rows import Row
from apps.activity.ingest.way import Answer, Headers, Heard, Way
from apps.activity.outcomes.words import contradictions_in
from apps.activity.ways.told import Record, origin_of, parsed_body, problem, row_told, time_told, trace_of

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
BINARY = "binary"
SCOPE = "chancery.events"
STARTED, FINISHED, DENIED = (
    "ai.chancery.tool_call.started", "ai.chancery.tool_call.finished", "ai.chancery.tool_call.denied",
)  # fmt: skip
HANDOVER, OUTCOME = "ai.chancery.handover", "ai.chancery.outcome"
KINDS = {STARTED: "tool", FINISHED: "tool", DENIED: "tool", HANDOVER: "tool", OUTCOME: "outcome"}
STATUS = {STARTED: "unset", FINISHED: "ok", DENIED: "denied", HANDOVER: "ok", OUTCOME: "unset"}
AGENTS = "agent"  # where a tool has its MCP server, an agent that is handed work has this
CONTEXT = ("id", "source", "type", "specversion")
MOST_EVENTS = 2000
UNREADABLE = "the event could not be read"
NOT_ITS_OWN = "the event names an agent that this key may not speak for"
NO_SUCH_AGENT = "No agent of this id, number or slug that you report for"


def _media(headers: Headers) -> str:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "ce-type" in headers or "ce-id" in headers:
        if kind not in ("", JSON):
            raise UnsupportedMedia(f"content-type {kind}: send data as {JSON}")
        return BINARY
    if kind not in (STRUCTURED, BATCH, JSON):
        raise UnsupportedMedia(f"content-type {kind or 'is missing'}: send {STRUCTURED} or {BATCH}")
    return kind


def _read(heard: Heard) -> Answer:
    if heard.kind == BINARY:
        return _one(_from_headers(heard), heard)
    told = parsed_body(heard.body)
    is_batch = heard.kind == BATCH or (heard.kind == JSON and isinstance(told, list))
    return _several(told, heard) if is_batch else _one(told, heard)


def _one(event: Any, heard: Heard) -> Answer:
    """A single event is taken or refused as a whole."""
    batch = Batch()
    try:
        row, batch.resources = _row(event, heard)
    except (ArithmeticError, RecursionError) as error:
        raise Malformed(UNREADABLE) from error
    batch.rows.append(row)
    return _answer([_named(event) | {"status": "accepted"}], batch, is_single=True)


def _several(events: Any, heard: Heard) -> Answer:
    if not isinstance(events, list):
        raise Malformed("a batch of events is a JSON array")
    if len(events) > MOST_EVENTS:
        raise Malformed(f"at most {MOST_EVENTS} events a batch")
    batch = Batch()
    return _answer([_take(event, heard, batch) for event in events], batch)


def _answer(results: list[dict[str, Any]], batch: Batch, *, is_single: bool = False) -> Answer:
    settle = partial(_settled, results, batch, is_single=is_single)
    return Answer(JSON, orjson.dumps(_body(results, batch)), batch=batch, settle=settle)


def _settled(
    results: list[dict[str, Any]], batch: Batch, speaks_for: Mapping[str, str], *, is_single: bool
) -> Answer:
    """Without the events of agents that the source may not speak for; the others declare theirs by id."""
    kept, told = Batch([], batch.resources, batch.rejected, batch.why), []
    rows = iter(batch.rows)
    for result in results:
        row = next(rows) if result["status"] == "accepted" else None
        if row is not None and row.declared_agent_id not in ("", *speaks_for):
            refusal = Refused(NOT_ITS_OWN, "ingest.agent_not_yours", {"agent_id": NO_SUCH_AGENT})
            if is_single:
                raise refusal
            kept.reject(refusal.message)
            result = {name: result[name] for name in result if name != "status"} | _rejected(refusal)
        elif row is not None:
            known = speaks_for.get(row.declared_agent_id, "")
            kept.rows.append(row._replace(declared_agent_id=known))
        told.append(result)
    return Answer(JSON, orjson.dumps(_body(told, kept)), batch=kept)


def _body(results: list[dict[str, Any]], batch: Batch) -> dict[str, Any]:
    return {"accepted": len(batch.rows), "rejected": batch.rejected, "results": results}


def _take(event: Any, heard: Heard, batch: Batch) -> dict[str, Any]:
    """The event's row into the batch, its result out of it; one bad event costs no other."""
    try:
        row, resources = _row(event, heard)
    except (Malformed, ArithmeticError, RecursionError) as error:
        refusal = error if isinstance(error, Malformed) else Malformed(UNREADABLE)
        batch.reject(refusal.message)
        return _named(event) | _rejected(refusal)
    batch.rows.append(row)
    batch.resources |= resources
    return _named(event) | {"status": "accepted"}


def _named(event: Any) -> dict[str, Any]:
    return {name: event.get(name) for name in ("source", "id")} if isinstance(event, dict) else {}


def _rejected(refusal: Malformed) -> dict[str, Any]:
    more = {"code": refusal.code, "fields": refusal.fields} if isinstance(refusal, Refused) else {}
    return {"status": "rejected", "detail": refusal.message} | more


def _row(event: Any, heard: Heard) -> tuple[Row, dict[Any, dict[str, Any]]]:
    _check_context(event)
    name, data = event["type"], _data(event)
    at = time_told(event.get("time"))
    ended = at if name in (FINISHED, DENIED, HANDOVER) else None
    began = at - _duration(data) if at is not None and ended else at
    trace_id, parent = trace_of(event.get("traceparent"))
    record = Record(
        key=_key(event),
        at=at,
        signal="event",
        name=name,
        kind=KINDS[name],
        status="error" if name in (FINISHED, HANDOVER) and _failed(data) else STATUS[name],
        attributes=_attributes(event, data),
        trace_id=trace_id,
        parent_span_id=parent,
        ended_at=ended,
    )
    origin = origin_of(heard.source_id, SCOPE, _text(data.get("service")) or event["source"])
    row = row_told(record, origin)
    return row._replace(started_at=began or row.started_at), {origin.resource_id: origin.resource}


def _check_context(event: Any) -> None:
    if not isinstance(event, dict):
        raise Malformed("an event is a JSON object")
    for name in CONTEXT:
        value = event.get(name)
        if not isinstance(value, str) or not value:
            raise Malformed(f"an event says its {name} as text")
        if len(value) > LONGEST_NAME:
            raise Malformed(f"an event's {name} is at most {LONGEST_NAME} characters")
    if event["specversion"] != "1.0":
        raise Malformed(f"specversion {event['specversion']} is not 1.0")
    if event["type"] not in KINDS:
        raise Malformed(f"type {event['type']} is not one of {', '.join(KINDS)}")


def _data(event: Mapping[str, Any]) -> dict[str, Any]:
    told = event.get("data")
    if "data_base64" in event:
        try:
            told = parsed_body(b64decode(event["data_base64"], validate=True))
        except (TypeError, ValueError) as error:
            raise Malformed("data_base64 is not base64") from error
    if not isinstance(told, dict):
        raise Malformed("an event's data is a JSON object")
    needed = {HANDOVER: "to_agent", OUTCOME: ""}.get(event["type"], "tool")
    if needed and not _text(told.get(needed)):
        raise Malformed(f"data of {event['type']} says {needed} as text")
    if event["type"] == OUTCOME and (odd := contradictions_in(told)):
        fields = {name: f"Expected: {words}" for name, words in odd.items()}
        raise Refused("the outcome contradicts itself", "ingest.outcome_contradicts_itself", fields)
    return told


def _attributes(event: Mapping[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """The data as they are, with the event's own attributes beside them under `cloudevent`."""
    told = {name: value for name, value in event.items() if name not in ("data", "data_base64")}
    more: dict[str, Any] = {"cloudevent": told}
    if event["type"] == HANDOVER:
        more |= {"tool": data["to_agent"], "mcp_server": AGENTS, "arguments": data.get("task")}
    if _failed(data):
        more |= {"success": False}
    return data | more


def _failed(data: Mapping[str, Any]) -> bool:
    return bool(data.get("error")) or data.get("success") is False or bool(data.get("error_type"))


def _duration(data: Mapping[str, Any]) -> timedelta:
    told = data.get("duration_ms")
    is_number = isinstance(told, (int, float)) and 0 <= told < 1e10
    return timedelta(milliseconds=told) if is_number and told is not None else timedelta()


def _key(event: Mapping[str, Any]) -> bytes:
    source, name = str(event["source"]).encode(), str(event["id"]).encode()
    return len(source).to_bytes(4, "big") + source + name


def _from_headers(heard: Heard) -> dict[str, Any]:
    """Binary mode: attributes are ce- headers, percent-encoded; the body is the data."""
    told = {
        name.removeprefix("ce-"): unquote(value)
        for name, value in heard.headers.items()
        if name.startswith("ce-")
    }
    traceparent = heard.headers.get("traceparent")
    more = {"traceparent": traceparent} if traceparent and "traceparent" not in told else {}
    return told | more | {"data": parsed_body(heard.body) if heard.body else {}}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


WAYS = {"/api/v1/events": Way(_media, _read, problem)}

"""OTLP messages to rows: what each span or log record is, and what it says of agent, tool and model.

Only what one record says by itself is read here; what its ancestors say is added by the pipeline, for they
often arrive later. A record without a time of its own is told at the time it came; its id keeps time zero,
so that it is the same when it is sent again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.activity.ingest.dialects import EVENTS, FRAMEWORKS_AS_PROVIDER, Dialect, dialect_of
from apps.activity.ingest.errors import Malformed
from apps.activity.ingest.reading import LONGEST_NAME, clean, number, read_columns
from apps.activity.ingest.rows import Own, Row, moment
from apps.kit.ids import derived_id

logger = logging.getLogger(__name__)
OPERATIONS = {
    "execute_tool": "tool",
    "chat": "model",
    "generate_content": "model",
    "text_completion": "model",
    "invoke_agent": "agent",
    "create_agent": "agent",
}
OPENINFERENCE = {"TOOL": "tool", "LLM": "model", "AGENT": "agent"}
STATUS_MESSAGE, BODY = "otel.status_message", "otel.body"
STATUS = {0: "unset", 1: "ok", 2: "error"}
DEEPEST_VALUE = 32
NUL = "\x00"
NO_TRACE, NO_SPAN = bytes(16), bytes(8)


@dataclass
class Batch:
    """The rows of one request, the resources they refer to, and what was refused of it."""

    rows: list[Row] = field(default_factory=list)
    resources: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    rejected: int = 0
    why: str = ""

    def reject(self, why: str) -> None:
        self.rejected += 1
        self.why = self.why or why


@dataclass(frozen=True)
class Origin:
    """What all records of one scope share."""

    source_id: UUID
    received_at: Any
    resource_id: UUID
    resource: dict[str, Any]
    scope_name: str
    scope_version: str
    dialect: Dialect

    @cached_property
    def source(self) -> bytes:
        return self.source_id.bytes

    @cached_property
    def service_name(self) -> str:
        return str(self.resource.get("service.name", ""))[:LONGEST_NAME]

    @cached_property
    def columns(self) -> tuple[UUID, Any, str, str, str, str, UUID]:
        """What each row takes over, in the order of Row."""
        return (
            self.source_id, self.received_at, self.scope_name, self.scope_version, self.dialect.name,
            self.service_name, self.resource_id,
        )  # fmt: skip

    @cached_property
    def declared_agent_id(self) -> str:
        return str(self.resource.get("chancery.agent.id", ""))[:LONGEST_NAME]


def spans_of(request: ExportTraceServiceRequest, source_id: UUID) -> Batch:
    """Every span as a row; one with a missing or malformed id is refused, the others kept."""
    batch = Batch()
    for group in request.resource_spans:
        for origin, spans in origins(group.resource, group.scope_spans, "spans", source_id, batch):
            for span in spans:
                add(_span_row, span, origin, batch)
    return batch


def logs_of(request: ExportLogsServiceRequest, source_id: UUID) -> Batch:
    """Every log record as a row, with an id made of its content: a log record has none of its own."""
    batch = Batch()
    for group in request.resource_logs:
        for origin, records in origins(group.resource, group.scope_logs, "log_records", source_id, batch):
            for record in records:
                add(_log_row, record, origin, batch)
    return batch


def origins(
    resource: Any, scopes: Any, items: str, source_id: UUID, batch: Batch
) -> Iterator[tuple[Origin, Any]]:
    """Each scope of a resource with its items (spans, records, metrics); the resource goes into the batch."""
    described = plain_attributes(resource.attributes)
    resource_id, received_at = resource_key(described), moment(time.time_ns())
    batch.resources[resource_id] = described
    for scope in scopes:
        name, version = clean(scope.scope.name)[:LONGEST_NAME], clean(scope.scope.version)[:LONGEST_NAME]
        dialect = dialect_of(name, version)
        origin = Origin(source_id, received_at, resource_id, described, name, version, dialect)
        yield origin, getattr(scope, items)


def resource_key(described: dict[str, Any]) -> UUID:
    """The id of a resource, made of what it says."""
    return UUID(bytes=blake2b(orjson.dumps(described, option=orjson.OPT_SORT_KEYS), digest_size=16).digest())


def add(reader: Callable[[Any, Origin], Row], record: Any, origin: Origin, batch: Batch) -> None:
    """The record's row, or its refusal: one odd record does not cost the others of its request."""
    try:
        batch.rows.append(reader(record, origin))
    except Malformed as error:
        batch.reject(error.message)
    except Exception:
        logger.exception("a record could not be read")
        batch.reject("a record could not be read")


def _span_row(span: Any, origin: Origin) -> Row:
    # Each access to a message's field makes a new object: once each.
    trace_id, span_id, parent_span_id = _span_ids(span.trace_id, span.span_id, span.parent_span_id)
    start_ns, end_ns, status = span.start_time_unix_nano, span.end_time_unix_nano, span.status
    attributes = plain_attributes(span.attributes)
    if span.events:
        attributes[EVENTS] = [
            {"name": clean(event.name), "attributes": plain_attributes(event.attributes)}
            for event in span.events
        ]
    if status.message:
        attributes[STATUS_MESSAGE] = clean(status.message)
    name = clean(span.name)
    start_ns = start_ns or end_ns
    own = Own(
        derived_id(start_ns // 1_000_000, origin.source, trace_id, span_id),
        "span",
        trace_id,
        span_id,
        parent_span_id or None,
        moment(start_ns) if start_ns else origin.received_at,
        moment(end_ns) if end_ns else None,
        name[:LONGEST_NAME],
        _span_kind(name, attributes, origin.dialect),
        STATUS.get(status.code, "unset"),
    )
    return row_of(origin, attributes, own)


def _span_ids(trace_id: bytes, span_id: bytes, parent_span_id: bytes) -> tuple[bytes, bytes, bytes]:
    if len(trace_id) != 16 or trace_id == NO_TRACE:
        raise Malformed("a span's trace_id is not 16 bytes other than zero")
    if len(span_id) != 8 or span_id == NO_SPAN:
        raise Malformed("a span's span_id is not 8 bytes other than zero")
    if len(parent_span_id) not in (0, 8):
        raise Malformed("a span's parent_span_id is not 8 bytes")
    return trace_id, span_id, parent_span_id


def _log_row(record: Any, origin: Origin) -> Row:
    attributes = plain_attributes(record.attributes)
    body = plain(record.body)
    if body is not None:
        attributes[BODY] = body
    name = str(
        attributes.get("event.name") or clean(record.event_name) or (body if isinstance(body, str) else "")
    )
    time_ns = record.time_unix_nano or record.observed_time_unix_nano
    content = record.SerializeToString(deterministic=True)
    own = Own(
        id=derived_id(time_ns // 1_000_000, origin.source, origin.resource_id.bytes, content),
        signal="log",
        trace_id=record.trace_id if len(record.trace_id) == 16 else b"",
        span_id=record.span_id if len(record.span_id) == 8 else b"",
        parent_span_id=None,
        started_at=moment(time_ns) if time_ns else origin.received_at,
        ended_at=None,
        name=name[:LONGEST_NAME],
        kind=_log_kind(name, attributes, origin.dialect, is_traced=len(record.trace_id) == 16),
        status="unset",
    )
    return row_of(origin, attributes, own)


def row_of(origin: Origin, attributes: dict[str, Any], own: Own) -> Row:
    """The row of a record, with what is read out of its attributes."""
    (
        provider, declared_agent_id, agent_name, call_id, conversation_id, error_type, request_model, response_model,
        tool_name, mcp_server, input_tokens, output_tokens,
    ) = read_columns(attributes, origin.dialect)  # fmt: skip
    if own.kind in ("tool", "part"):
        tool_name, mcp_server = _tool(tool_name, mcp_server)
    else:
        tool_name = mcp_server = ""
    # Tokens of a model's answer only: other spans repeat sums, which would count twice.
    counts = own.kind == "model"
    return Row(
        *own,
        *origin.columns,
        "" if provider in FRAMEWORKS_AS_PROVIDER else provider,
        declared_agent_id or origin.declared_agent_id,
        agent_name,
        call_id,
        conversation_id,
        error_type,
        request_model,
        response_model,
        tool_name,
        mcp_server,
        input_tokens if counts else None,
        output_tokens if counts else None,
        attributes,
    )


def _tool(name: str, server: str) -> tuple[str, str]:
    """The tool's name and server; `mcp__server__tool` says both in one."""
    if name.startswith("mcp__") and name.count("__") >= 2:
        _, server, name = name.split("__", 2)
    return name, server


def _span_kind(name: str, attributes: dict[str, Any], dialect: Dialect) -> str:
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str) and operation in OPERATIONS:
        return OPERATIONS[operation]
    kind = attributes.get("openinference.span.kind")
    if isinstance(kind, str) and kind.upper() in OPENINFERENCE:
        return OPENINFERENCE[kind.upper()]
    if attributes.get("traceloop.span.kind") == "tool" or name in dialect.tool_spans:
        return "tool"
    if name in dialect.part_spans:
        return "part"
    return "model" if name in dialect.model_spans else "other"


def _log_kind(name: str, attributes: dict[str, Any], dialect: Dialect, *, is_traced: bool) -> str:
    if name in dialect.tool_events:
        return "tool"
    of_model = name in dialect.model_events or (name in dialect.untraced_model_events and not is_traced)
    # Codex tells of every event of an answer's stream; the one that carries tokens is the answer.
    return "model" if of_model and number(attributes, dialect, "input_tokens") is not None else "other"


def plain_attributes(pairs: Any) -> dict[str, Any]:
    """OTLP key-values as a mapping of plain JSON values."""
    attributes = {}
    for pair in pairs:  # each access makes a new object: once each
        key, value = pair.key, pair.value
        # Nearly all are text without NUL: a filled string is the value, without asking which of seven it is.
        words = value.string_value
        if not words:
            words = plain(value)
        elif NUL in words:
            words = clean(words)
        attributes[key if NUL not in key else clean(key)] = words
    return attributes


def plain(value: Any, depth: int = 0) -> Any:
    """An OTLP AnyValue as a plain JSON value; bytes become hex, what is nested too deeply becomes text."""
    which = value.WhichOneof("value")
    if which == "string_value":
        return clean(value.string_value)
    if which is None or depth > DEEPEST_VALUE:
        return None if which is None else "(nested too deeply)"
    if which == "array_value":
        return [plain(item, depth + 1) for item in value.array_value.values]
    if which == "kvlist_value":
        return {clean(pair.key): plain(pair.value, depth + 1) for pair in value.kvlist_value.values}
    return value.bytes_value.hex() if which == "bytes_value" else getattr(value, which)

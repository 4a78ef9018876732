"""OTLP bodies for tests, and the door they are posted to (the real ASGI application, real commits)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from apps.activity.ingest import asgi
from apps.activity.ingest.settings import IngestSettings
from apps.activity.pipeline.runner import work_once

PROTOBUF = "application/x-protobuf"


def attribute(key: str, value: Any) -> KeyValue:
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    return KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value}))


def span(
    name: str = "execute_tool lookup_order", attributes: dict[str, Any] | None = None, **fields: Any
) -> Span:
    """A span that begins now, so after whatever the test did before, and lasts 5 ms; ids random unless given."""
    now = time.time_ns()
    values = {
        "trace_id": os.urandom(16), "span_id": os.urandom(8), "name": name, "start_time_unix_nano": now,
        "end_time_unix_nano": now + 5_000_000,
    } | fields  # fmt: skip
    return Span(attributes=[attribute(k, v) for k, v in (attributes or {}).items()], **values)


def tool_span(tool: str = "lookup_order", agent: str = "order_agent", **fields: Any) -> Span:
    """A GenAI tool call; `error` makes it fail."""
    error = fields.pop("error", "")
    more = fields.pop("attributes", {})
    attributes = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "gen_ai.agent.name": agent,
        "gen_ai.tool.call.id": f"call_{os.urandom(6).hex()}", "gen_ai.conversation.id": "conv-1",
    } | more  # fmt: skip
    if error:
        fields["status"] = Status(code=Status.STATUS_CODE_ERROR, message=error)
    return span(f"execute_tool {tool}", attributes, **fields)


def request(spans: Sequence[Span], service: str = "order-desk", scope: str = "pydantic-ai") -> bytes:
    scoped = ScopeSpans(spans=spans)
    scoped.scope.name = scope
    group = ResourceSpans(scope_spans=[scoped])
    group.resource.attributes.append(attribute("service.name", service))
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def log_request(
    event: str, attributes: dict[str, Any], scope: str = "com.anthropic.claude_code.events"
) -> bytes:
    """One log record of a client, told now."""
    record = LogRecord(time_unix_nano=time.time_ns(), event_name=event)
    record.body.string_value = event
    told = {"event.name": event.rpartition(".")[2]} | attributes
    record.attributes.extend(attribute(key, value) for key, value in told.items())
    scoped = ScopeLogs(log_records=[record])
    scoped.scope.name = scope
    group = ResourceLogs(scope_logs=[scoped])
    group.resource.attributes.append(attribute("service.name", "claude-code"))
    return ExportLogsServiceRequest(resource_logs=[group]).SerializeToString()


def post(
    body: bytes, token: str = "", path: str = "/v1/traces", method: str = "POST", **headers: str
) -> httpx.Response:
    """One request through the real door, opened and closed around it; what it answered is committed."""
    return post_all([(path, body, headers)], token, method)[0]


def post_all(
    bodies: Sequence[tuple[str, bytes, dict[str, str]]], token: str, method: str = "POST", **settings: Any
) -> list[httpx.Response]:
    """Several requests at once through one open door."""
    return asyncio.run(_post_all(bodies, token, method, settings))


async def _post_all(bodies: Any, token: str, method: str, settings: dict[str, Any]) -> list[httpx.Response]:
    await asgi.startup(IngestSettings(dsn=os.environ["DATABASE_URL"], **settings))
    base = {"content-type": PROTOBUF} | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(asgi.application), base_url="http://door"
        ) as client:
            sent = [
                client.request(
                    method,
                    path,
                    content=body,
                    headers=base | {k.replace("_", "-"): v for k, v in headers.items()},
                )
                for path, body, headers in bodies
            ]
            return await asyncio.gather(*sent)
    finally:
        await asgi.shutdown()


def drain() -> None:
    """Let the pipeline work off everything that waits."""
    while work_once():
        pass

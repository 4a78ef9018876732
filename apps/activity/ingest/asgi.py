"""The bare ASGI application of the ingest door: OTLP/HTTP 1.x, no framework in between.

POST /v1/traces, /v1/logs   200 once committed; partial success says how many items were refused and why
POST /v1/metrics            200 with every data point refused in words: metrics are not kept
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message as ProtobufMessage
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.activity.ingest.auth import KeyRing
from apps.activity.ingest.budget import JSON_WEIGHT, PROTOBUF_WEIGHT, Budget, Share
from apps.activity.ingest.decode import JSON, PROTOBUF, decode, inflate, media_type
from apps.activity.ingest.errors import (
    BodyTooLarge,
    IngestError,
    Malformed,
    NoSuchPath,
    NotDurable,
    WrongMethod,
)
from apps.activity.ingest.normalise import Batch, logs_of, spans_of
from apps.activity.ingest.settings import IngestSettings
from apps.activity.ingest.writer import Writer

logger = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

R = TypeVar("R")
READERS = 2
LARGE, LARGE_JSON, LARGE_GZIP = 1024 * 1024, 32 * 1024, 16 * 1024  # about 10 ms of reading each
PATHS = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics"}
METRICS_NOT_KEPT = "metrics are not kept; spans and log records are"


@dataclass
class Door:
    """What lives from startup to shutdown. Large bodies are read in `aside`, so that the loop goes on."""

    settings: IngestSettings
    keys: KeyRing
    writer: Writer
    budget: Budget
    aside: ThreadPoolExecutor

    async def run(self, function: Callable[..., R], *arguments: Any, large: bool) -> R:
        if not large:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self.aside, function, *arguments)


_door: Door | None = None


async def startup(settings: IngestSettings) -> None:
    """Open the door; to be awaited in the server's lifespan."""
    global _door
    _door = Door(
        settings,
        KeyRing(settings.dsn, settings.key_memory_s, settings.statement_timeout_s),
        Writer(settings),
        Budget(settings.max_queue_bytes),
        ThreadPoolExecutor(READERS, thread_name_prefix="ingest"),
    )
    await _door.writer.start()


async def shutdown() -> None:
    """Write what waits, close connections."""
    global _door
    if _door is not None:
        await _door.writer.stop()
        await _door.keys.close()
        _door.aside.shutdown()
        _door = None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One HTTP request."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    kind = JSON if headers.get("content-type", "").startswith(JSON) else PROTOBUF
    try:
        response = await _serve(scope, headers, receive)
        await _reply(send, 200, response, kind)
    except IngestError as error:
        await _refuse(send, error, kind)


async def _serve(scope: Scope, headers: dict[str, str], receive: Receive) -> ProtobufMessage:
    """In order: address, method, credential, form, then with memory set aside: body, rows, disk."""
    if _door is None:
        raise NotDurable("the door is not open yet", retry_after_s=1)
    signal = PATHS.get(scope["path"].rstrip("/"))
    if signal is None:
        raise NoSuchPath(f"there is nothing at {scope['path']}; post to {', '.join(PATHS)}")
    if scope["method"] != "POST":
        raise WrongMethod("only POST is understood here")
    source_id = await _door.keys.source_of(headers.get("authorization", ""))
    kind = media_type(headers.get("content-type", ""))
    with _door.budget.share() as share:
        body = await _content(_door, headers, receive, kind, share)
        large = len(body) > (LARGE_JSON if kind == JSON else LARGE)
        answer, batch = await _door.run(_understood, signal, kind, body, source_id, large=large)
        await _door.writer.write(batch)
        return answer


async def _content(door: Door, headers: dict[str, str], receive: Receive, kind: str, share: Share) -> bytes:
    """The body without its encoding; the memory that reading it will take is taken from the budget."""
    raw = await _body(receive, headers, door.settings, share)
    encoding = headers.get("content-encoding", "").strip().lower()
    limit = door.settings.max_json_bytes if kind == JSON else door.settings.max_inflated_bytes
    body = await door.run(inflate, raw, encoding, limit, large=bool(encoding) and len(raw) > LARGE_GZIP)
    if len(body) > limit:
        raise BodyTooLarge(f"at most {limit} bytes of {kind}; send smaller batches or {PROTOBUF}")
    share.grow_to(len(body) * (JSON_WEIGHT if kind == JSON else PROTOBUF_WEIGHT))
    return body


def _understood(signal: str, kind: str, body: bytes, source_id: UUID) -> tuple[ProtobufMessage, Batch]:
    """The answer to give once the rows are written, and the rows."""
    message = decode(signal, kind, body)
    if signal == "metrics":
        return _metrics_answer(message), Batch()
    batch = spans_of(message, source_id) if signal == "traces" else logs_of(message, source_id)
    return _answer(signal, batch), batch


async def _body(receive: Receive, headers: dict[str, str], settings: IngestSettings, share: Share) -> bytes:
    declared = headers.get("content-length", "0")
    expected = int(declared) if declared.isdecimal() else 0
    if expected > settings.max_body_bytes:
        raise BodyTooLarge(f"at most {settings.max_body_bytes} bytes a request")
    share.grow_to(expected)
    parts, size = [], 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise Malformed("the connection ended before the body did")
                parts.append(event.get("body", b""))
                size += len(parts[-1])
                if size > settings.max_body_bytes:
                    raise BodyTooLarge(f"at most {settings.max_body_bytes} bytes a request")
                share.grow_to(size)
                if not event.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError as error:
        raise Malformed(f"the body did not arrive within {settings.body_timeout_s:.0f} s") from error


def _answer(signal: str, batch: Batch) -> ProtobufMessage:
    response = ExportTraceServiceResponse() if signal == "traces" else ExportLogsServiceResponse()
    if batch.rejected:
        field = "rejected_spans" if signal == "traces" else "rejected_log_records"
        setattr(response.partial_success, field, batch.rejected)
        response.partial_success.error_message = batch.why
    return response


def _metrics_answer(message: Any) -> ProtobufMessage:
    points = sum(
        len(getattr(metric, metric.WhichOneof("data")).data_points)
        for group in message.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
        if metric.WhichOneof("data")
    )
    response = ExportMetricsServiceResponse()
    if points:
        response.partial_success.rejected_data_points = points
        response.partial_success.error_message = METRICS_NOT_KEPT
    return response


async def _refuse(send: Send, error: IngestError, kind: str) -> None:
    extra = []
    if error.retry_after_s is not None:
        extra.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.status == 401:
        extra.append((b"www-authenticate", b'Bearer realm="chancery"'))
    if error.status == 405:
        extra.append((b"allow", b"POST"))
    await _reply(send, error.status, Status(code=error.rpc_code, message=error.message), kind, extra)


async def _reply(
    send: Send,
    status: int,
    message: ProtobufMessage,
    kind: str,
    extra: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """The message in the form the request had."""
    body = orjson.dumps(MessageToDict(message)) if kind == JSON else message.SerializeToString()
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *(extra or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Bytes to OTLP messages: protobuf or JSON, plain or gzip, within limits."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.activity.ingest.errors import BodyTooLarge, Malformed, UnsupportedMedia

PROTOBUF, JSON = "application/x-protobuf", "application/json"
Message = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
MESSAGES: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
ID_FIELDS = frozenset({"traceId", "spanId", "parentSpanId"})
INFLATE_STEP = 1 << 18
GZIP_WINDOW = 31  # zlib: 15 bits of window, and expect a gzip header
DEEPEST = 64


def media_type(header: str) -> str:
    """The content type without parameters; UnsupportedMedia unless protobuf or JSON."""
    kind = header.partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        raise UnsupportedMedia(f"content-type {kind or 'is missing'}: send {PROTOBUF} or {JSON}")
    return kind


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding, never growing past `limit` bytes."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise UnsupportedMedia(f"content-encoding {encoding}: send gzip or none")
    parts, size = [], 0
    try:
        for part in _inflated(body):
            size += len(part)
            if size > limit:
                raise BodyTooLarge(f"the body inflates to more than {limit} bytes")
            parts.append(part)
    except zlib.error as error:
        raise Malformed(f"the body is not gzip: {error}") from error
    return b"".join(parts)


def _inflated(rest: bytes) -> Iterator[bytes]:
    """The content piece by piece; a gzip body is one member or several, one after the other (RFC 1952)."""
    while True:
        inflater = zlib.decompressobj(GZIP_WINDOW)
        while rest and not inflater.eof:
            yield inflater.decompress(rest, INFLATE_STEP)
            rest = inflater.unconsumed_tail
        if not inflater.eof:
            raise Malformed("the gzip stream ends too early")
        rest = inflater.unused_data
        if not rest:
            return


def decode(signal: str, kind: str, body: bytes) -> Message:
    """The export request of `signal` (traces, logs, metrics); Malformed when the bytes are not one."""
    message: Message = MESSAGES[signal]()
    try:
        if kind == PROTOBUF:
            message.ParseFromString(body)
        else:
            told = orjson.loads(body)
            if not isinstance(told, dict):
                raise ValueError("it is no JSON object")
            ParseDict(_with_binary_ids(told, 0), message, ignore_unknown_fields=True)
    except (DecodeError, ParseError, orjson.JSONDecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"the body is not an OTLP {signal} request: {error}") from error
    return message


def _with_binary_ids(value: Any, depth: int) -> Any:
    """OTLP/JSON writes ids as hex, protobuf's JSON wants base64."""
    if depth > DEEPEST:
        raise Malformed("the JSON is nested too deeply")
    if isinstance(value, dict):
        return {
            key: _id(item) if key in ID_FIELDS else _with_binary_ids(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_binary_ids(item, depth + 1) for item in value]
    return value


def _id(text: Any) -> str:
    if not isinstance(text, str):
        raise Malformed("an id is not text")
    try:
        return b64encode(bytes.fromhex(text)).decode()
    except ValueError as error:
        raise Malformed(
            f"{text!r:.60} is no id as OTLP writes it in JSON: hexadecimal, not base64"
        ) from error

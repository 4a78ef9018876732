"""What the ways other than OTLP have in common: JSON in, JSON out, refusals as RFC 9457 problem details, and rows
out of plain values."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson

from apps.activity.ingest.decode import DEEPEST, JSON
from apps.activity.ingest.dialects import dialect_of
from apps.activity.ingest.errors import IngestError, Malformed, Refused, UnsupportedMedia
from apps.activity.ingest.normalise import Origin, row_of
from apps.activity.ingest.reading import LONGEST_NAME, clean
from apps.activity.ingest.rows import Own, Row, moment
from apps.activity.ingest.way import Answer, Headers
from apps.kit.ids import EPOCH, derived_id

PROBLEM = "application/problem+json"
TITLES = {
    400: "Not as expected", 401: "Not signed in", 403: "Not permitted", 404: "Not found", 405: "Wrong method",
    413: "Too large", 415: "Not understood", 429: "Too many", 503: "Not available",
}  # fmt: skip
TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$")
NOWHERE = (b"", None)


@dataclass(frozen=True)
class Record:
    """One thing told: `key` makes its id, so that it is stored once however often it is sent at this time."""

    key: bytes
    at: datetime | None
    signal: str
    name: str
    kind: str
    status: str
    attributes: dict[str, Any] = field(default_factory=dict)
    trace_id: bytes = b""
    span_id: bytes = b""
    parent_span_id: bytes | None = None
    ended_at: datetime | None = None


def json_only(headers: Headers) -> str:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise UnsupportedMedia(f"content-type {kind or 'is missing'}: send {JSON}")
    return JSON


def problem(error: IngestError, headers: Headers) -> Answer:
    """The form in which REST refuses, here without Django."""
    code = error.code if isinstance(error, Refused) else f"ingest.{_dotted(type(error).__name__)}"
    body: dict[str, Any] = {
        "type": f"urn:chancery:problem:{code}", "title": TITLES.get(error.status, "Refused"),
        "status": error.status, "detail": error.message, "code": code,
    }  # fmt: skip
    if isinstance(error, Refused):
        body["fields"] = error.fields
    return Answer(PROBLEM, orjson.dumps(body), error.status)


def parsed_body(body: bytes) -> Any:
    """The JSON of a body, without NUL and not nested more deeply than telemetry may be."""
    try:
        return _plain(orjson.loads(body), 0)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error


def origin_of(source_id: UUID, scope: str, service_name: str) -> Origin:
    """Where records of one request come from, as OTLP's resource and scope would say it."""
    resource = {"service.name": clean(service_name)[:LONGEST_NAME]}
    digest = blake2b(orjson.dumps(resource), digest_size=16).digest()
    return Origin(
        source_id, moment(time.time_ns()), UUID(bytes=digest), resource, scope, "", dialect_of(scope, "")
    )


def row_told(record: Record, origin: Origin) -> Row:
    """A record without a time of its own is told at the time it came; its id keeps time zero."""
    unix_ms = int((record.at - EPOCH).total_seconds() * 1000) if record.at else 0
    own = Own(
        id=derived_id(unix_ms, origin.source_id.bytes, record.signal.encode(), record.key),
        signal=record.signal,
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id,
        started_at=record.at or origin.received_at,
        ended_at=record.ended_at,
        name=clean(record.name)[:LONGEST_NAME],
        kind=record.kind,
        status=record.status,
    )
    return row_of(origin, record.attributes, own)


def time_told(value: Any) -> datetime | None:
    """RFC 3339 as a time; None when nothing is said. Malformed otherwise."""
    if value is None:
        return None
    try:
        told = datetime.fromisoformat(value)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"{value!r:.60} is no time as RFC 3339 writes it") from error


def trace_of(traceparent: Any) -> tuple[bytes, bytes | None]:
    """Trace and span of a W3C traceparent; (b'', None) of anything else, as the recommendation asks."""
    found = TRACEPARENT.match(traceparent) if isinstance(traceparent, str) else None
    if found is None or found[0].startswith("ff"):
        return NOWHERE
    trace_id, span_id = bytes.fromhex(found[1]), bytes.fromhex(found[2])
    return (trace_id, span_id) if any(trace_id) and any(span_id) else NOWHERE


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise Malformed("the JSON is nested too deeply")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _plain(item, depth + 1) for key, item in value.items()}
    return [_plain(item, depth + 1) for item in value] if isinstance(value, list) else value


def _dotted(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()

"""A span or log record as one row of `activity_span`, and the columns in COPY order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Row(NamedTuple):
    """Field order is COPY order. Texts hold no NUL; ids are 16 and 8 bytes, empty for a log without."""

    id: UUID
    source_id: UUID
    received_at: datetime
    signal: str
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    started_at: datetime
    ended_at: datetime | None
    name: str
    scope_name: str
    scope_version: str
    dialect: str
    kind: str
    service_name: str
    agent_name: str
    declared_agent_id: str
    tool_name: str
    mcp_server: str
    call_id: str
    conversation_id: str
    status: str
    error_type: str
    request_model: str
    response_model: str
    provider: str
    input_tokens: int | None
    output_tokens: int | None
    resource_id: UUID | None
    attributes: dict[str, Any]


COLUMNS = ", ".join(Row._fields)
TYPES = (
    "uuid", "uuid", "timestamptz", "varchar", "bytea", "bytea", "bytea", "timestamptz", "timestamptz", "text",
    "text", "text", "text", "varchar", "text", "text", "text", "text", "text", "text", "text", "varchar", "text",
    "text", "text", "text", "int8", "int8", "uuid", "jsonb",
)  # fmt: skip


def moment(unix_ns: int) -> datetime:
    """Nanoseconds since 1970 as a time with microseconds."""
    return EPOCH + timedelta(microseconds=unix_ns // 1000)

"""A span or log record as one row of `activity_span`, and the columns in COPY order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID


class Own(NamedTuple):
    """What a record says outside its attributes. Texts hold no NUL; ids are 16 and 8 bytes, empty for a log without."""

    id: UUID
    signal: str
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    started_at: datetime
    ended_at: datetime | None
    name: str
    kind: str
    status: str


class Row(NamedTuple):
    """Field order is COPY order: the record's own, its origin's, what was read out of its attributes, these."""

    id: UUID
    signal: str
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    started_at: datetime
    ended_at: datetime | None
    name: str
    kind: str
    status: str
    source_id: UUID
    received_at: datetime
    scope_name: str
    scope_version: str
    dialect: str
    service_name: str
    resource_id: UUID | None
    provider: str
    declared_agent_id: str
    agent_name: str
    call_id: str
    conversation_id: str
    error_type: str
    request_model: str
    response_model: str
    tool_name: str
    mcp_server: str
    input_tokens: int | None
    output_tokens: int | None
    attributes: dict[str, Any]


COLUMNS = ", ".join(Row._fields)
TYPES = (
    "uuid", "varchar", "bytea", "bytea", "bytea", "timestamptz", "timestamptz", "text", "varchar", "varchar",
    "uuid", "timestamptz", "text", "text", "text", "text", "uuid",
    "text", "text", "text", "text", "text", "text", "text", "text", "text", "text", "int8", "int8", "jsonb",
)  # fmt: skip


def moment(unix_ns: int) -> datetime:
    """Nanoseconds since 1970 as a time with microseconds."""
    return datetime.fromtimestamp(unix_ns // 1000 / 1e6, UTC)  # a float holds whole microseconds until 2242

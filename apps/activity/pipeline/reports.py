"""One report of a call (a span or a log record) as what it says, and several as one call. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from apps.activity.ingest.dialects import named_dialect
from apps.activity.ingest.normalise import STATUS_MESSAGE
from apps.activity.ingest.reading import LONGEST_NAME, clean, parsed, read, text
from apps.activity.pipeline.trace import Found, SpanView, Trace, arguments_of

LONGEST_PAYLOAD = 32_768
LONGEST_MESSAGE = 500
STATUS_ORDER = {"unset": 0, "ok": 1, "error": 2, "denied": 3}
OUTRIGHT = frozenset({"event", "hook"})  # signals of whoever stands at the call and may refuse it
REFUSED = frozenset({"reject", "rejected", "denied", "deny"})


@dataclass(frozen=True)
class Report:
    """What one record says of a call. Empty text and None mean that it does not say.

    `bound_id` is the agent its credential or a permitted declaration names, `team_id` the team whose word it is: not
    said by the record, found by whoever reads it.
    """

    span_id: UUID
    source_id: UUID
    trace_id: bytes
    otel_span_id: bytes
    parent_span_id: bytes | None
    started_at: datetime
    ended_at: datetime | None
    tool_name: str
    mcp_server: str
    call_id: str
    conversation_id: str
    service_name: str
    agent_name: str
    declared_agent_id: str
    framework: str
    complete: bool
    arguments: Any
    result: Any
    is_cut: bool
    status: str
    ran: bool
    is_refused: bool
    error_type: str
    error_message: str
    request_model: str
    response_model: str
    signal: str
    missing_ancestor: bytes = b""
    team_id: UUID | None = None
    bound_id: UUID | None = None

    @cached_property
    def keys(self) -> list[bytes]:
        """Where the call is found: by the LLM's call id within its conversation, and by its span.

        The tool is part of both. Ids come from the agent: one that is used again for another tool must not hide
        that tool's call behind an allowed one.
        """
        found = []
        tool = self._tool
        if self.call_id:
            scope = self.conversation_id or self.trace_id.hex()
            found.append(_key(self.source_id, b"call", scope.encode(), self.call_id.encode(), tool))
        if self.otel_span_id and self.signal == "span":
            found.append(_key(self.source_id, b"span", self.trace_id, self.otel_span_id, tool))
        return found or [_key(self.source_id, b"record", self.span_id.bytes, b"")]

    @cached_property
    def shared_keys(self) -> list[bytes]:
        """Where the call is found whatever credential told of it: within the team, and for the agent where it is certain.

        Nobody outside can make them. None while an ancestor may still say that it is another team's agent.
        """
        is_open = bool(self.missing_ancestor) and not self.complete and self.bound_id is None
        if not self.call_id or is_open:
            return []
        scopes = {self.conversation_id, self.trace_id.hex()} - {""}
        owners = {b"team": self.team_id, b"agent": self.bound_id}
        return [
            _key(owner, kind, scope.encode(), self.call_id.encode(), self._tool)
            for kind, owner in owners.items()
            for scope in sorted(scopes)
            if owner is not None
        ]

    @property
    def _tool(self) -> bytes:
        return f"{self.mcp_server}/{self.tool_name}".encode()


def report_of(span: SpanView, trace: Trace) -> Report:
    """Everything a tool span or log record says, with what its ancestors and parts add."""
    found = trace.resolve(span)
    arguments, arguments_cut = bounded(arguments_of(span, trace))
    result, result_cut = bounded(parsed(read(span.attributes, named_dialect(span.dialect), "result")))
    started_at, ended_at = _times(span)
    return Report(
        span_id=span.id,
        source_id=span.source_id,
        trace_id=span.trace_id,
        otel_span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        started_at=started_at,
        ended_at=ended_at,
        tool_name=span.tool_name,
        mcp_server=span.mcp_server,
        call_id=trace.call_id_of(span),
        conversation_id=found.conversation_id,
        service_name=span.service_name,
        framework=framework_of(span),
        arguments=arguments,
        result=result,
        is_cut=arguments_cut or result_cut,
        status=_status(span, trace),
        is_refused=span.signal in OUTRIGHT and span.status == "denied",
        ran=any(_tells_of_a_run(one) for one in (span, *trace.parts_of(span))),
        error_type=_error_type(span, trace),
        error_message=_error_message(span, trace),
        request_model=span.request_model,
        response_model=span.response_model,
        signal=span.signal,
        **_agent(found),
    )


def framework_of(span: SpanView) -> str:
    """The framework behind a record, by its dialect and scope; '' when nobody says."""
    if span.dialect in ("claude-code", "codex", "strands"):
        return span.dialect
    if span.dialect == "chancery":
        return clean(str(span.attributes.get("framework", ""))[:LONGEST_NAME])
    for words in ("langchain", "openai_agents", "smolagents", "agno", "crewai", "pydantic-ai", "autogen"):
        if words in span.scope_name:
            return words.replace("_", "-")
    return "google-adk" if span.scope_name.startswith("gcp.vertex") else ""


def merged(first: Report, second: Report) -> Report:
    """Both as one: the graver status, the longer span of time, the first that says something.

    What ran was not refused, whatever its telemetry says besides; but whoever stands at the call and refused it
    knows better than telemetry, which often writes the refusal down as a result.
    """
    ran, is_refused = first.ran or second.ran, first.is_refused or second.is_refused
    believed = _believed(first, second, ran)
    graver = max(believed or (first, second), key=lambda one: STATUS_ORDER[one.status])
    spans = [one for one in (first, second) if one.signal == "span"] or [first, second]
    ends = [one.ended_at for one in spans if one.ended_at]
    said = {
        name: getattr(first, name) or getattr(second, name)
        for name in (
            "tool_name", "mcp_server", "call_id", "conversation_id", "service_name", "agent_name",
            "declared_agent_id", "framework", "arguments", "result", "request_model", "response_model",
        )
    }  # fmt: skip
    return replace(
        spans[0],
        **said,
        started_at=min(one.started_at for one in spans),
        ended_at=max(ends) if ends else None,
        complete=first.complete or second.complete,
        is_cut=first.is_cut or second.is_cut,
        status=graver.status if believed else "ok",
        ran=ran,
        is_refused=is_refused,
        error_type=graver.error_type or first.error_type or second.error_type,
        error_message=graver.error_message or first.error_message or second.error_message,
    )


def _believed(first: Report, second: Report, ran: bool) -> list[Report]:
    refusals = [one for one in (first, second) if one.is_refused]
    return refusals or [one for one in (first, second) if not (ran and one.status == "denied")]


def not_later_than_now(moment: datetime) -> datetime:
    """A reporter's clock may be wrong; nobody was seen in the future."""
    return min(moment, timezone.now())


def bounded(value: Any) -> tuple[Any, bool]:
    """The value as jsonb can hold it, or the beginning of its text when it is longer than is kept; and
    whether it was cut. What JSON has no word for (sets, bytes, huge numbers, half characters) is text."""
    if value is None:
        return None, False
    words = value if isinstance(value, str) else _json(value)
    if words is None:
        value = words = _told(value)
    if len(words) > LONGEST_PAYLOAD:
        return _storable(words[:LONGEST_PAYLOAD]), True
    return _storable(value if isinstance(value, str) else orjson.loads(words)), False


def _json(value: Any) -> str | None:
    """None when the value cannot be written as JSON, or not be read back."""
    try:
        words = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
        orjson.loads(words)
    except (orjson.JSONEncodeError, orjson.JSONDecodeError):
        return None
    return words.decode()


def _told(value: Any) -> str:
    try:
        return str(value)
    except RecursionError:
        return "(nested too deeply)"


def _storable(value: Any) -> Any:
    """Without what PostgreSQL refuses in text and jsonb: NUL and halves of surrogate pairs."""
    if isinstance(value, str):
        return clean(value).encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def _agent(found: Found) -> dict[str, Any]:
    return {
        "agent_name": found.agent_name,
        "declared_agent_id": found.declared_agent_id,
        "complete": found.complete,
        "missing_ancestor": found.missing,
    }


def _times(span: SpanView) -> tuple[datetime, datetime | None]:
    """A log record or hook comes at the end of what it tells of: its start is that less the duration."""
    duration = span.attributes.get("duration_ms")
    if span.signal in ("log", "hook") and isinstance(duration, (int, float, str)):
        try:
            return span.started_at - timedelta(milliseconds=float(duration)), span.started_at
        except (ValueError, OverflowError):
            return span.started_at, None
    return span.started_at, span.ended_at


def _status(span: SpanView, trace: Trace) -> str:
    """In order: refused by a person or hook before it ran, OTLP status, the tool's own status, its execution, ok."""
    if span.signal in OUTRIGHT:
        return span.status
    records = [span, *trace.parts_of(span)]
    if _is_refused(records):
        return "denied"
    if any(one.status == "error" for one in records):
        return "error"
    said = text(span.attributes, named_dialect(span.dialect), "tool_status").lower()
    if said in ("error", "failure"):
        return "error"
    successes = [read(one.attributes, named_dialect(one.dialect), "success") for one in records]
    if any(_is_false(success) for success in successes):
        return "error"
    if span.name.endswith("tool_decision"):
        return "unset"
    return "ok"


def _is_refused(records: Sequence[SpanView]) -> bool:
    """True when a client that refuses calls itself says so, and nothing tells of a run after all."""
    decisions = {text(one.attributes, named_dialect(one.dialect), "decision").lower() for one in records}
    return bool(decisions & REFUSED) and not any(_tells_of_a_run(one) for one in records)


def _tells_of_a_run(record: SpanView) -> bool:
    """True where there is a result, or a run is said to have gone well; a failed one may never have begun."""
    dialect = named_dialect(record.dialect)
    if read(record.attributes, dialect, "result") is not None:
        return True
    return record.name in dialect.runs and not _is_false(read(record.attributes, dialect, "success"))


def _is_false(success: Any) -> bool:
    return success is not None and str(success).lower() not in ("true", "1")


def _error_type(span: SpanView, trace: Trace) -> str:
    records = [span, *trace.parts_of(span)]
    return next((one.error_type for one in records if one.error_type), "")


def _error_message(span: SpanView, trace: Trace) -> str:
    for one in [span, *trace.parts_of(span)]:
        words = text(one.attributes, named_dialect(one.dialect), "error_message", LONGEST_MESSAGE)
        words = words or clean(str(one.attributes.get(STATUS_MESSAGE, ""))[:LONGEST_MESSAGE])
        if words:
            return words
    return ""


def _key(owner_id: UUID, *parts: bytes) -> bytes:
    # Each part with its length: no character in one can pass for the end of it.
    told = b"".join(len(part).to_bytes(4, "big") + part for part in (owner_id.bytes, *parts))
    return blake2b(told, digest_size=16).digest()

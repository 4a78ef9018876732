"""What a span's ancestors say: its agent, its conversation, the id of its call. Pure.

Ancestors arrive after their children, in other batches, or never. A walk ends at a root, at a parent that
is not here yet, or at a span met before (a cycle), and always says which.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.activity.ingest.dialects import named_dialect
from apps.activity.ingest.reading import LONGEST_NAME, clean, parsed, read, text

ROOT_SUFFIXES = (".run", "._execute_core", ".kickoff", ".workflow")
DEEPEST_WALK = 200
LONGEST_LITERAL = 65_536


@dataclass(frozen=True)
class SpanView:
    """What the pipeline needs of a stored span."""

    id: UUID
    source_id: UUID
    signal: str
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    started_at: Any
    ended_at: Any
    name: str
    dialect: str
    scope_name: str
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
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A resolution. `complete` is False while an ancestor that could say more is still to come; `path`
    holds the ids of the spans the agent rests on: up to the one that settled it; `missing` is the id of the
    ancestor that has not come and could still tell agent or conversation, else b""."""

    agent_name: str
    declared_agent_id: str
    conversation_id: str
    complete: bool
    path: frozenset[UUID]
    missing: bytes = b""


@dataclass
class Trace:
    """The spans of one trace of one source, as far as they have arrived and are of use."""

    spans: Mapping[bytes, SpanView]
    parts: dict[bytes, list[SpanView]] = field(default_factory=dict)
    answers: list[SpanView] = field(default_factory=list)
    _asked_for: dict[UUID, list[tuple[str, Any, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for span in self.spans.values():
            if span.kind == "part" and span.parent_span_id:
                self.parts.setdefault(span.parent_span_id, []).append(span)
            elif span.kind == "model" and span.attributes:
                self.answers.append(span)
        self.answers.sort(key=lambda span: span.started_at, reverse=True)

    def ancestors(self, span: SpanView) -> Iterator[SpanView]:
        """The span itself, its parent, and so on; ends at a root, a gap or a cycle."""
        seen: set[bytes] = set()
        at: SpanView | None = span
        while at is not None and at.span_id not in seen and len(seen) < DEEPEST_WALK:
            yield at
            seen.add(at.span_id)
            at = self.spans.get(at.parent_span_id) if at.parent_span_id else None

    def has_gap_above(self, line: Sequence[SpanView]) -> bool:
        """True when the last ancestor known names a parent that has not arrived."""
        parent = line[-1].parent_span_id
        return bool(parent) and parent not in self.spans

    def resolve(self, span: SpanView) -> Found:
        """Agent and conversation of a span, by itself and its ancestors."""
        line = list(self.ancestors(span))
        agent = next((s.agent_name for s in line if s.agent_name), "")
        declared = next((s.declared_agent_id for s in line if s.declared_agent_id), "")
        conversation = next((s.conversation_id for s in line if s.conversation_id), "")
        by_service = named_dialect(span.dialect).service_is_agent
        settled = 1 if by_service else _settled_at(line)
        gap = (line[-1].parent_span_id or b"") if span.signal == "span" and self.has_gap_above(line) else b""
        told_whole = span.signal == "event" or (span.signal == "span" and not gap)
        complete = settled > 0 or told_whole
        path = frozenset(s.id for s in (line[:settled] if settled else line))
        named = agent if by_service else agent or _from_agent_span(line)
        missing = gap if not complete or not conversation else b""
        return Found(named, declared, conversation, complete, path, missing)

    def call_id_of(self, span: SpanView) -> str:
        """The LLM's id of a call whose span does not carry it: from the parent's list of calls, else from
        the latest earlier model answer in the trace with the same tool and arguments. '' when unknown."""
        if span.call_id:
            return span.call_id
        arguments = arguments_of(span, self)
        parent = self.spans.get(span.parent_span_id or b"")
        for call in _calls_listed(parent) if parent else ():
            if call.get("name") == span.tool_name and isinstance(call.get("id"), str):
                return _name(call["id"])
        for model in self.answers:
            for name, given, call_id in self._calls_of(model) if model.started_at <= span.started_at else ():
                if name == span.tool_name and given == arguments:
                    return _name(call_id)
        return ""

    def _calls_of(self, model: SpanView) -> list[tuple[str, Any, str]]:
        if model.id not in self._asked_for:
            self._asked_for[model.id] = [
                (name, parsed(given), call_id) for name, given, call_id in _calls_answered(model)
            ]
        return self._asked_for[model.id]

    def parts_of(self, span: SpanView) -> list[SpanView]:
        """Children that tell more of the same call: execution, waiting for a person."""
        return self.parts.get(span.span_id, [])


def arguments_of(span: SpanView, trace: Trace | None = None) -> Any:
    """The call's arguments as an object where possible; None when the client did not send them."""
    from_dialect = read(span.attributes, named_dialect(span.dialect), "arguments")
    value = _unwrapped(parsed(from_dialect))
    if isinstance(value, (dict, list)) or value is None:
        return value
    parent = trace.spans.get(span.parent_span_id or b"") if trace is not None else None
    if parent is not None:
        for call in _calls_listed(parent):
            if call.get("name") == span.tool_name and isinstance(call.get("args"), dict):
                return call["args"]
    return {"_raw": value}


def _unwrapped(value: Any) -> Any:
    """{args, kwargs} is kwargs; {input_str} is the Python literal in it."""
    if not isinstance(value, dict):
        return value
    if set(value) >= {"args", "kwargs"} and isinstance(value["kwargs"], dict):
        return value["kwargs"] or ({"_raw": value["args"]} if value["args"] else {})
    if isinstance(value.get("input_str"), str):
        return _literal(value["input_str"])
    return value


def _literal(words: str) -> Any:
    if len(words) > LONGEST_LITERAL:
        return words
    try:
        return literal_eval(words)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return words


def _calls_listed(parent: SpanView) -> list[dict[str, Any]]:
    listed = parsed(read(parent.attributes, named_dialect(parent.dialect), "calls_made"))
    listed = listed.get("inputs") if isinstance(listed, dict) else listed
    return [call for call in listed if isinstance(call, dict)] if isinstance(listed, list) else []


def _calls_answered(model: SpanView) -> Iterator[tuple[str, Any, str]]:
    """(tool, arguments, call id) of each call a model asked for."""
    attributes = model.attributes
    for key, value in attributes.items():
        if key.startswith("llm.output_messages.") and key.endswith(".tool_call.id"):
            stem = key.removesuffix("id")
            name = attributes.get(f"{stem}function.name", "")
            yield str(name), attributes.get(f"{stem}function.arguments"), str(value)
    messages = parsed(attributes.get("gen_ai.output.messages"))
    for message in messages if isinstance(messages, list) else ():
        parts = message.get("parts") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and part.get("type") == "tool_call" and part.get("id"):
                yield str(part.get("name", "")), part.get("arguments"), str(part["id"])


def _settled_at(line: Sequence[SpanView]) -> int:
    """How many spans up it takes to meet one that names the agent; 0 when none does."""
    return next((at for at, span in enumerate(line, 1) if span.agent_name or span.declared_agent_id), 0)


def _from_agent_span(line: Sequence[SpanView]) -> str:
    """The name of an agent span above that names its agent nowhere else."""
    for span in line:
        if span.kind == "agent":
            node = text(span.attributes, named_dialect(span.dialect), "node_name")
            return node or _name(_without_suffix(span.name))
    return ""


def _name(words: str) -> str:
    """Words out of a payload, as a name that can be kept."""
    return clean(words[:LONGEST_NAME])


def _without_suffix(name: str) -> str:
    for suffix in ROOT_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.removeprefix("invoke_agent ").strip()

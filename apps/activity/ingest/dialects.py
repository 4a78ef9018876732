"""How each client says the same thing: tables of attribute names, by preference. Data, no code.

A *path* is an attribute's name; `a>b.c` reads key c of key b of the JSON text (or mapping) in attribute a.
`DEFAULT` holds the order of preference over all clients; a `Dialect` overrides what its client says
otherwise, keyed by instrumentation scope and version. Measured with the real packages; unknown attributes
are kept with the span whatever the table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Paths = tuple[str, ...]

DEFAULT: Mapping[str, Paths] = {
    "tool_name": (
        "gen_ai.tool.name",
        "tool.name",
        "tool_parameters>mcp_tool_name",
        "tool_name",
        "traceloop.entity.name",
    ),
    "mcp_server": ("tool_parameters>mcp_server_name", "mcp_server"),
    "call_id": ("gen_ai.tool.call.id", "tool_call.id", "tool_use_id", "call_id"),
    "declared_agent_id": ("chancery.agent.id", "agno.agent.id"),
    "agent_name": (
        "gen_ai.agent.name",
        "agent.name",
        "traceloop.association.properties.lc_agent_name",
        "metadata>lc_agent_name",
        "agent_name",
    ),
    "node_name": ("graph.node.name", "graph.node.id"),
    "conversation_id": (
        "gen_ai.conversation.id",
        "conversation.id",
        "session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "metadata>session_id",
        "thread_id",
        "metadata>thread_id",
        "session_id",
    ),
    "request_model": ("gen_ai.request.model", "llm.request.model", "model"),
    "response_model": ("gen_ai.response.model", "llm.model_name"),
    "provider": ("gen_ai.provider.name", "llm.provider", "llm.system", "gen_ai.system"),
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "llm.token_count.prompt",
        "gen_ai.usage.prompt_tokens",
        "input_token_count",
        "input_tokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "llm.token_count.completion",
        "gen_ai.usage.completion_tokens",
        "output_token_count",
        "output_tokens",
    ),
    "arguments": (
        "gen_ai.tool.call.arguments",
        "input.value",
        "tool_input",
        "arguments",
        "event:gen_ai.tool.message>content",
        "event:gen_ai.client.inference.operation.details>gen_ai.tool.call.arguments",
        "traceloop.entity.input",
        "full_command",
    ),
    "result": (
        "gen_ai.tool.call.result",
        "output.value",
        "event:gen_ai.choice>message",
        "event:gen_ai.client.inference.operation.details>gen_ai.tool.call.result",
        "output",
        "traceloop.entity.output",
        "tool_response",
    ),
    "error_type": ("error.type", "event:exception>exception.type", "error_type"),
    "error_message": ("event:exception>exception.message", "error", "error.message"),
    "tool_status": ("gen_ai.tool.status", "gen_ai.task.status"),
    "success": ("success",),
    "decision": (),  # believed only of clients known to refuse calls themselves
    "calls_made": ("input.value", "gen_ai.task.input>inputs", "traceloop.entity.input>inputs"),
}
# Names that stand for nothing: google-adk writes the first where a call raised.
MEANINGLESS = frozenset({"<not specified>", "None", ""})
# Providers that name the framework instead: strands, autogen and traceloop do so.
FRAMEWORKS_AS_PROVIDER = frozenset({"strands-agents", "autogen", "langchain", "langgraph"})


# What of a record is read into columns at the door; the rest is read later, and only of tool calls.
COLUMNS_READ = (
    "provider", "declared_agent_id", "agent_name", "call_id", "conversation_id", "error_type", "request_model",
    "response_model", "tool_name", "mcp_server", "input_tokens", "output_tokens",
)  # fmt: skip
EVENTS = "otel.events"


@dataclass(frozen=True, eq=False)
class Dialect:
    """One client's way. `scope` is a prefix of the scope's name; `since` the first version it holds for."""

    name: str
    scope: str
    framework: str
    since: tuple[int, ...] = ()
    reads: Mapping[str, Paths] = field(default_factory=dict)
    tool_spans: frozenset[str] = frozenset()
    part_spans: frozenset[str] = frozenset()
    model_spans: frozenset[str] = frozenset()
    tool_events: frozenset[str] = frozenset()
    model_events: frozenset[str] = frozenset()
    untraced_model_events: frozenset[str] = frozenset()  # within a trace its spans tell the same
    runs: frozenset[str] = frozenset()  # records that tell of a run, unless they say that it failed
    service_is_agent: bool = False  # this client never names its agent: the service is the agent

    def paths(self, name: str) -> Paths:
        return self.reads.get(name) or DEFAULT[name]


GENERIC = Dialect("genai", "", "")
DIALECTS: tuple[Dialect, ...] = (
    Dialect(
        "chancery",
        "chancery.events",
        "",
        runs=frozenset({"ai.chancery.tool_call.finished"}),
        reads={
            "tool_name": ("tool",),
            "mcp_server": ("mcp_server",),
            "call_id": ("call_id",),
            "agent_name": ("agent",),
            "declared_agent_id": ("agent_id",),
            "conversation_id": ("conversation_id",),
            "request_model": ("model",),
            "arguments": ("arguments",),
            "result": ("result",),
            "error_type": ("error>type", "error_type"),
            "error_message": ("error>message", "error_message", "error", "reason"),
        },
    ),
    Dialect(
        "openai-traces",
        "openai_agents.traces",
        "openai-agents",
        reads={
            "tool_name": ("span_data>name",),
            "agent_name": ("agent.name",),
            "conversation_id": ("group_id",),
            "request_model": ("span_data>model",),
            "input_tokens": ("span_data>usage.input_tokens",),
            "output_tokens": ("span_data>usage.output_tokens",),
            "arguments": ("span_data>input",),
            "result": ("span_data>output",),
            "error_message": ("error>data.error", "error>message"),
        },
    ),
    Dialect("genai", "pydantic-ai", "pydantic-ai"),
    Dialect("genai", "gcp.vertex.agent", "google-adk"),
    Dialect("genai", "autogen", "autogen"),
    Dialect("genai", "opentelemetry.instrumentation.openai_v2", ""),
    Dialect("traceloop", "opentelemetry.instrumentation.langchain", "langchain"),
    Dialect("traceloop", "opentelemetry.instrumentation.", ""),
    Dialect("openinference", "openinference.instrumentation.langchain", "langchain"),
    Dialect("openinference", "openinference.instrumentation.openai_agents", "openai-agents"),
    Dialect("openinference", "openinference.instrumentation.smolagents", "smolagents"),
    Dialect("openinference", "openinference.instrumentation.agno", "agno"),
    Dialect("openinference", "openinference.instrumentation.crewai", "crewai"),
    Dialect("openinference", "openinference.", ""),
    Dialect("strands", "strands.telemetry", "strands"),
    Dialect(
        "claude-code",
        "com.anthropic.claude_code",
        "claude-code",
        tool_spans=frozenset({"claude_code.tool"}),
        part_spans=frozenset({"claude_code.tool.execution", "claude_code.tool.blocked_on_user"}),
        model_spans=frozenset({"claude_code.llm_request"}),
        tool_events=frozenset({"tool_result", "tool_decision"}),
        untraced_model_events=frozenset({"api_request"}),
        runs=frozenset({"claude_code.tool.execution", "tool_result", "PostToolUse"}),
        service_is_agent=True,
        reads={
            "provider": ("gen_ai.provider.name", "gen_ai.system"),
            "agent_name": ("agent.name",),
            "decision": ("decision",),
        },
    ),
    Dialect(
        "codex",
        "codex",
        "codex",
        tool_events=frozenset({"codex.tool_result", "codex.tool_decision"}),
        model_events=frozenset({"codex.sse_event"}),
        runs=frozenset({"codex.tool_result", "PostToolUse"}),
        reads={"provider": ("gen_ai.provider.name",), "decision": ("decision",)},
    ),
)


def dialect_of(scope: str, version: str) -> Dialect:
    """The dialect of an instrumentation scope; the generic GenAI reading for one nobody listed."""
    for dialect in DIALECTS:
        if scope.startswith(dialect.scope) and _numbers(version) >= dialect.since:
            return dialect
    return GENERIC


def named_dialect(name: str) -> Dialect:
    """The dialect stored with a row under this name; its reading tables, whatever the scope was."""
    return next((dialect for dialect in DIALECTS if dialect.name == name), GENERIC)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts[:3] if part.isdecimal())

"""openai-agents: `govern(agent, client)` puts a guardrail before every function tool of the agent and of those it hands over
to. Tools of MCP servers are made anew for each run and pass by it: send those through the MCP gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agents import (
    Agent,
    FunctionTool,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
)
from agents.tool_context import ToolContext

from chancery_sdk.frameworks.asking import AnyClient, ask, parsed, run
from chancery_sdk.telling import Call

NAME = "chancery"


def govern(agent: Agent[Any], client: AnyClient) -> Agent[Any]:
    """The same agent; its tools now ask and report. Doing it again changes nothing."""
    for one in _agents(agent, set()):
        for tool in one.tools:
            if isinstance(tool, FunctionTool):
                _govern(tool, client)
    return agent


def _agents(agent: Agent[Any], seen: set[int]) -> Iterator[Agent[Any]]:
    if id(agent) in seen:
        return
    seen.add(id(agent))
    yield agent
    for other in agent.handoffs:
        if isinstance(other, Agent):
            yield from _agents(other, seen)


def _govern(tool: FunctionTool, client: AnyClient) -> None:
    guards = list(tool.tool_input_guardrails or [])
    if any(guard.get_name() == NAME for guard in guards):
        return
    tool.tool_input_guardrails = [*guards, ToolInputGuardrail(_guard(client), name=NAME)]
    invoke = tool.on_invoke_tool

    async def reported(context: ToolContext[Any], arguments: str) -> Any:
        return await run(
            client, _call(context, getattr(context, "agent", None)), lambda: invoke(context, arguments)
        )

    tool.on_invoke_tool = reported


def _guard(client: AnyClient) -> Any:
    async def guard(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        verdict = await ask(client, _call(data.context, data.agent))
        if verdict.allowed:
            return ToolGuardrailFunctionOutput.allow()
        return ToolGuardrailFunctionOutput.reject_content(verdict.words)

    return guard


def _call(context: ToolContext[Any], agent: Any) -> Call:
    group = getattr(getattr(context, "run_config", None), "group_id", None)
    return Call(
        context.tool_name,
        parsed(context.tool_arguments),
        call_id=context.tool_call_id,
        conversation_id=group or "",
        agent=str(getattr(agent, "name", "") or ""),
        framework="openai-agents",
    )

"""langchain and langgraph: `create_agent(..., middleware=[Governed(client)])`. A refusal is a tool message of status error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage

from chancery_sdk.client import Client
from chancery_sdk.frameworks.asking import AnyClient, ask, ask_now, run, run_now
from chancery_sdk.telling import Call, Verdict


class Governed(AgentMiddleware[Any, Any, Any]):
    """Asks before each tool call and reports it. `invoke` needs a `Client`, `ainvoke` takes either."""

    def __init__(self, client: AnyClient) -> None:
        super().__init__()
        self.client = client

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(self.client, Client):
            raise TypeError("an agent that is not run on asyncio needs a chancery_sdk.Client")
        call = _call(request)
        verdict = ask_now(self.client, call)
        if not verdict.allowed:
            return _refusal(request, verdict)
        return run_now(self.client, call, lambda: handler(request))

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        call = _call(request)
        verdict = await ask(self.client, call)
        if not verdict.allowed:
            return _refusal(request, verdict)
        return await run(self.client, call, lambda: handler(request))


def _call(request: Any) -> Call:
    told = request.tool_call
    config = getattr(request.runtime, "config", None) or {}
    metadata, configurable = config.get("metadata") or {}, config.get("configurable") or {}
    conversation = metadata.get("session_id") or configurable.get("thread_id") or metadata.get("thread_id")
    return Call(
        told["name"],
        told["args"],
        call_id=told.get("id") or "",
        conversation_id=str(conversation or ""),
        agent=str(metadata.get("lc_agent_name") or ""),
        framework="langchain",
    )


def _refusal(request: Any, verdict: Verdict) -> ToolMessage:
    told = request.tool_call
    return ToolMessage(verdict.words, tool_call_id=told.get("id") or "", name=told["name"], status="error")

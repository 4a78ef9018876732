"""google-adk: `Runner(..., plugins=[Governed(client)])`. A refusal stands where the tool's result would."""

from __future__ import annotations

from typing import Any

from google.adk.plugins.base_plugin import BasePlugin
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.tool_context import ToolContext

from chancery_sdk.frameworks.asking import AnyClient, ask
from chancery_sdk.telling import Call

MOST_OPEN = 10_000


class Governed(BasePlugin):
    """Asks before each tool call of every agent of the runner and reports it."""

    def __init__(self, client: AnyClient) -> None:
        super().__init__(name="chancery")
        self.client = client
        self._open: dict[str, Call] = {}

    async def before_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext
    ) -> dict[str, Any] | None:
        call = _call(tool, tool_args, tool_context)
        verdict = await ask(self.client, call)
        if not verdict.allowed:
            return {"error": verdict.words}
        self.client.tool_started(call)
        if len(self._open) < MOST_OPEN:
            self._open[call.call_id] = call
        return None

    async def after_tool_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: Any
    ) -> None:
        """Also told of what was refused or has failed, which is closed by then."""
        call = self._open.pop(tool_context.function_call_id or "", None)
        if call is not None:
            failed = result.get("error") if isinstance(result, dict) else None
            self.client.tool_finished(call, result, error=str(failed) if failed else None)

    async def on_tool_error_callback(
        self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, error: Exception
    ) -> None:
        call = self._open.pop(tool_context.function_call_id or "", None)
        if call is not None:
            self.client.tool_finished(call, error=error)


def _call(tool: BaseTool, arguments: dict[str, Any], context: ToolContext) -> Call:
    return Call(
        tool.name,
        dict(arguments),
        call_id=context.function_call_id or "",
        conversation_id=str(context.session.id or ""),
        agent=context.agent_name,
        framework="google-adk",
    )

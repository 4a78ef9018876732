"""crewai: `govern(client)` once in the process; hooks there are global. crewai gives calls no id, so what is
reported here does not meet its telemetry: beside that, let the client tell `only_refusals`."""

from __future__ import annotations

import threading
from typing import Any

from crewai.hooks import ToolCallHookContext, register_after_tool_call_hook, register_before_tool_call_hook

from chancery_sdk.client import Client
from chancery_sdk.frameworks.asking import ask_now
from chancery_sdk.telling import Call


def govern(client: Client) -> None:
    """Ask before each tool call of every crew in this process and report it. A refused call does not run."""
    open_calls = threading.local()

    def before(context: ToolCallHookContext) -> bool | None:
        call = _call(context)
        open_calls.call = None
        if not ask_now(client, call).allowed:
            return False
        client.tool_started(call)
        open_calls.call = call
        return None

    def after(context: ToolCallHookContext) -> str | None:
        call, open_calls.call = getattr(open_calls, "call", None), None
        if call is not None:
            client.tool_finished(call, context.tool_result)
        return None

    register_before_tool_call_hook(before)
    register_after_tool_call_hook(after)


def _call(context: ToolCallHookContext) -> Call:
    arguments: Any = dict(context.tool_input or {})
    agent = getattr(context.agent, "role", "") or ""
    return Call(context.tool_name, arguments, agent=str(agent), framework="crewai")

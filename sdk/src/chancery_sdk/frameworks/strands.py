"""strands: `Agent(..., hooks=[Governed(client)])`. A refusal cancels the call; the model is told why."""

from __future__ import annotations

from typing import Any

from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry

from chancery_sdk.client import Client
from chancery_sdk.frameworks.asking import ask_now
from chancery_sdk.telling import Call

MOST_OPEN = 10_000


class Governed(HookProvider):
    """Asks before each tool call of the agent and reports it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._open: dict[str, Call] = {}

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.before)
        registry.add_callback(AfterToolCallEvent, self.after)

    def before(self, event: BeforeToolCallEvent) -> None:
        call = _call(event)
        verdict = ask_now(self.client, call)
        if not verdict.allowed:
            event.cancel_tool = verdict.words
            return
        self.client.tool_started(call)
        if len(self._open) < MOST_OPEN:
            self._open[call.call_id] = call

    def after(self, event: AfterToolCallEvent) -> None:
        call = self._open.pop(event.tool_use["toolUseId"], None)
        if call is None:
            return  # it was refused here
        result = event.result if isinstance(event.result, dict) else {}
        failed = event.exception or (str(result.get("content")) if result.get("status") == "error" else None)
        self.client.tool_finished(call, result.get("content"), error=failed)


def _call(event: BeforeToolCallEvent) -> Call:
    agent = event.agent
    attributes = getattr(agent, "trace_attributes", None) or {}
    return Call(
        event.tool_use["name"],
        event.tool_use.get("input"),
        call_id=event.tool_use["toolUseId"],
        conversation_id=str(attributes.get("session.id") or ""),
        agent=str(getattr(agent, "name", "") or ""),
        framework="strands",
    )

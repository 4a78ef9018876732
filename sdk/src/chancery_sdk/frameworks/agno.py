"""agno: `Agent(..., tool_hooks=[governed(client)])`, or `governed_async` for `arun`. A refusal becomes the tool's result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from chancery_sdk.client import Client
from chancery_sdk.frameworks.asking import AnyClient, ask, ask_now, parsed, run, run_now
from chancery_sdk.telling import Call


def governed(client: Client) -> Callable[..., Any]:
    """A hook for agents run by `run`."""

    def chancery(
        function_name: str,
        function_call: Callable[..., Any],
        arguments: dict[str, Any],
        agent: Any = None,
        run_context: Any = None,
    ) -> Any:
        call = _call(function_name, arguments, agent, run_context)
        verdict = ask_now(client, call)
        if not verdict.allowed:
            return verdict.words
        return run_now(client, call, lambda: function_call(**arguments))

    return chancery


def governed_async(client: AnyClient) -> Callable[..., Any]:
    """A hook for agents run by `arun`."""

    async def chancery(
        function_name: str,
        function_call: Callable[..., Any],
        arguments: dict[str, Any],
        agent: Any = None,
        run_context: Any = None,
    ) -> Any:
        call = _call(function_name, arguments, agent, run_context)
        verdict = await ask(client, call)
        if not verdict.allowed:
            return verdict.words

        async def work() -> Any:
            made = function_call(**arguments)
            return await made if inspect.isawaitable(made) else made

        return await run(client, call, work)

    return chancery


def _call(name: str, arguments: dict[str, Any], agent: Any, run_context: Any) -> Call:
    conversation = getattr(run_context, "session_id", None) or getattr(agent, "session_id", None)
    return Call(
        name,
        dict(arguments),
        call_id=_call_id(name, arguments, getattr(run_context, "messages", None) or ()),
        conversation_id=str(conversation or ""),
        agent=str(getattr(agent, "name", "") or ""),
        framework="agno",
    )


def _call_id(name: str, arguments: dict[str, Any], messages: Iterable[Any]) -> str:
    """The model's id of this call, which agno tells hooks only among the messages: that of the last answer which asked for the
    tool with these arguments; '' when none did."""
    for message in reversed(list(messages)):
        for asked in getattr(message, "tool_calls", None) or ():
            function = asked.get("function") or {}
            if function.get("name") == name and parsed(function.get("arguments") or "") == arguments:
                return str(asked.get("id") or "")
    return ""

"""agno: `Agent(..., tool_hooks=[governed(client)])`, or `governed_async` for `arun`. A refusal becomes the tool's result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from chancery_sdk.client import Client
from chancery_sdk.frameworks.asking import AnyClient, ask, ask_now, run, run_now
from chancery_sdk.telling import Call


def governed(client: Client) -> Callable[..., Any]:
    """A hook for agents run by `run`."""

    def chancery(
        function_name: str, function_call: Callable[..., Any], arguments: dict[str, Any], agent: Any = None
    ) -> Any:
        call = _call(function_name, arguments, agent)
        verdict = ask_now(client, call)
        if not verdict.allowed:
            return verdict.words
        return run_now(client, call, lambda: function_call(**arguments))

    return chancery


def governed_async(client: AnyClient) -> Callable[..., Any]:
    """A hook for agents run by `arun`."""

    async def chancery(
        function_name: str, function_call: Callable[..., Any], arguments: dict[str, Any], agent: Any = None
    ) -> Any:
        call = _call(function_name, arguments, agent)
        verdict = await ask(client, call)
        if not verdict.allowed:
            return verdict.words

        async def work() -> Any:
            made = function_call(**arguments)
            return await made if inspect.isawaitable(made) else made

        return await run(client, call, work)

    return chancery


def _call(name: str, arguments: dict[str, Any], agent: Any) -> Call:
    return Call(
        name,
        dict(arguments),
        conversation_id=str(getattr(agent, "session_id", "") or ""),
        agent=str(getattr(agent, "name", "") or ""),
        framework="agno",
    )

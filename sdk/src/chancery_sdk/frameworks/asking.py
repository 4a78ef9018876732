"""What the modules share: asking with either client, and reporting around a run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from chancery_sdk.client import AsyncClient, Client
from chancery_sdk.telling import Call, Verdict

AnyClient = Client | AsyncClient


async def ask(client: AnyClient, call: Call) -> Verdict:
    """The verdict, without holding up the event loop; a refusal is reported."""
    if isinstance(client, AsyncClient):
        verdict = await client.decide(call)
    else:
        verdict = await asyncio.to_thread(client.decide, call)
    return _reported(client, call, verdict)


def ask_now(client: Client, call: Call) -> Verdict:
    return _reported(client, call, client.decide(call))


async def run(client: AnyClient, call: Call, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do the work and report it, however it ends."""
    client.tool_started(call)
    try:
        result = await work()
    except BaseException as error:
        client.tool_finished(call, error=error)
        raise
    client.tool_finished(call, result)
    return result


def run_now(client: AnyClient, call: Call, work: Callable[[], Any]) -> Any:
    client.tool_started(call)
    try:
        result = work()
    except BaseException as error:
        client.tool_finished(call, error=error)
        raise
    client.tool_finished(call, result)
    return result


def parsed(words: str) -> Any:
    """Arguments that came as JSON text."""
    try:
        return json.loads(words) if words else {}
    except ValueError:
        return words


def _reported(client: AnyClient, call: Call, verdict: Verdict) -> Verdict:
    if not verdict.allowed:
        client.tool_denied(call, verdict)
    return verdict

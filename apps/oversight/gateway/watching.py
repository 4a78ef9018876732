"""The gateway's own look at what each server offers, in both eras of the protocol."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import orjson

from apps.oversight.gateway.answers import Answer, answer_to
from apps.oversight.gateway.configuration import Configuration
from apps.oversight.gateway.court import Court
from apps.oversight.gateway.definitions import NotCanonical, digest_of
from apps.oversight.gateway.errors import GatewayError, Unanswered
from apps.oversight.gateway.messages import LIST, MODERN, Message, read_message
from apps.oversight.gateway.upstreams import Upstream

logger = logging.getLogger(__name__)
OLDER = "2025-11-25"
MOST_PAGES = 50
LOOK_AGAIN_S = 5.0
NOBODY = ""  # the gateway itself, where programs are one for each agent
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "chancery-gateway", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HELLO = {
    "protocolVersion": OLDER,
    "capabilities": {},
    "clientInfo": {"name": "chancery-gateway", "version": "1"},
}
BASE = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


class Watch:
    """What was seen of each server, told to Chancery where it is new."""

    def __init__(self, court: Court, configuration: Configuration) -> None:
        self._court, self._configuration = court, configuration
        self._looked_at: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def look(self, upstream: Upstream, *, agent: str = NOBODY) -> None:
        """List its tools and tell what was seen, or that nothing was. One look at a time for each server."""
        slug = upstream.server.slug
        async with self._locks.setdefault(slug, asyncio.Lock()):
            self._looked_at[slug] = time.monotonic()
            try:
                tools = await tools_of(upstream, agent)
                told = await self._court.tell_sighting(slug, {"tools": tools})
                self._configuration.note(slug, told)
            except Unanswered as error:
                await self._court.tell_sighting(slug, {"error": error.message})

    async def look_if_due(self, upstream: Upstream, *, agent: str = NOBODY) -> None:
        """Look, unless somebody did moments ago."""
        if time.monotonic() - self._looked_at.get(upstream.server.slug, -LOOK_AGAIN_S) >= LOOK_AGAIN_S:
            await self.look(upstream, agent=agent)

    async def compare(self, slug: str, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Of tools a client was told of, those that are as they are in force. New and changed ones are told first."""
        marks = [(tool, mark_of(tool)) for tool in tools]
        if any(mark and not self._is_known(slug, tool, mark) for tool, mark in marks):
            seen = [tool for tool, mark in marks if mark]
            self._configuration.note(slug, await self._court.tell_sighting(slug, {"tools": seen}))
        return [tool for tool, mark in marks if mark and self._is_in_force(slug, tool, mark)]

    def _is_known(self, slug: str, tool: Mapping[str, Any], mark: str) -> bool:
        standing = self._configuration.tools.get(slug, {}).get(tool["name"])
        return standing is not None and standing.digest == mark

    def _is_in_force(self, slug: str, tool: Mapping[str, Any], mark: str) -> bool:
        standing = self._configuration.tools.get(slug, {}).get(tool["name"])
        return standing is not None and standing.is_offered and standing.digest == mark


def mark_of(tool: Any) -> str:
    """Its digest; '' for what has none, which is not offered."""
    try:
        return digest_of(tool) if isinstance(tool, dict) else ""
    except NotCanonical:
        return ""


async def tools_of(upstream: Upstream, agent: str) -> list[dict[str, Any]]:
    """Every page of tools/list, first as the newer era asks, then as the older does. Raises Unanswered."""
    try:
        return await _pages(upstream, agent, {"mcp-protocol-version": MODERN}, {"_meta": ENVELOPE})
    except Unanswered as error:
        if error.reason != "gateway.not_understood":
            raise
    return await _pages(upstream, agent, await _begun(upstream, agent), {})


async def _begun(upstream: Upstream, agent: str) -> dict[str, str]:
    """The headers of a session of the older era."""
    hello = _message("initialize", HELLO, 1, BASE)
    answer = await upstream.post(hello, hello.raw, BASE, agent)
    body = await _whole(answer)
    told = answer_to(1, answer.media, body)
    if told is None or "result" not in told:
        raise Unanswered("It answers neither in the newer nor in the older era of the protocol.")
    headers = {"mcp-protocol-version": str(told["result"].get("protocolVersion", OLDER))}
    if session := answer.headers.get("mcp-session-id"):
        headers["mcp-session-id"] = session
    begun = _message("notifications/initialized", {}, None, BASE | headers)
    await (await upstream.post(begun, begun.raw, BASE | headers, agent)).close()
    return headers


async def _pages(
    upstream: Upstream, agent: str, headers: dict[str, str], params: dict[str, Any]
) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    cursor: Any = None
    for number in range(2, MOST_PAGES + 2):
        result = await _page(
            upstream, agent, headers, params | ({"cursor": cursor} if cursor else {}), number
        )
        tools += [tool for tool in result.get("tools") or () if mark_of(tool)]
        cursor = result.get("nextCursor")
        if not cursor:
            break
    return tools


async def _page(
    upstream: Upstream, agent: str, headers: dict[str, str], params: dict[str, Any], number: int
) -> dict[str, Any]:
    sent = BASE | headers | {"mcp-method": LIST}
    message = _message(LIST, params, number, sent)
    answer = await upstream.post(message, message.raw, sent, agent)
    body = await _whole(answer)
    told = answer_to(number, answer.media, body)
    if told is None or not isinstance(told.get("result"), dict):
        words = f"It answered {answer.status} to tools/list."
        raise Unanswered(words, reason="gateway.not_understood")
    result: dict[str, Any] = told["result"]
    return result


async def _whole(answer: Answer) -> bytes:
    """The body of an answer, also where it came as a stream."""
    try:
        return answer.body if answer.chunks is None else b"".join([chunk async for chunk in answer.chunks])
    finally:
        await answer.close()


def _message(method: str, params: dict[str, Any], number: int | None, headers: Mapping[str, str]) -> Message:
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        body["id"] = number
    return read_message(orjson.dumps(body), headers)


async def watch(look: Any, every_s: float) -> None:
    """Until cancelled: look at every server, each by itself, so that one that hangs holds up no other."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await look()
        except GatewayError as error:
            logger.warning("no look at the servers: %s", error.message)

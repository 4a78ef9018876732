"""Servers that are reached over HTTP, each with connections, limits and a deadline of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

import aiohttp

from apps.kit.destinations import NotSent
from apps.oversight.gateway.answers import STREAM, Answer
from apps.oversight.gateway.configuration import Server
from apps.oversight.gateway.credentials import Credential
from apps.oversight.gateway.errors import Busy, GatewayError, Unanswered
from apps.oversight.gateway.guard import session_to
from apps.oversight.gateway.messages import Message

SENT = frozenset(
    {
        "content-type",
        "accept",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "last-event-id",
        "user-agent",
    }
)
PARAMETER = "mcp-param-"
MOST_STREAMS = 200
Headers = Mapping[str, str]


class Upstream(Protocol):
    """A server, however it is reached. `session` is the server's own id of a session, '' without one."""

    server: Server

    async def post(self, message: Message, body: bytes, headers: Headers, agent: str) -> Answer: ...
    async def listen(self, headers: Headers) -> Answer: ...
    async def end(self, headers: Headers, agent: str) -> Answer: ...
    async def close(self) -> None: ...


class HttpUpstream:
    """A server at an address. Streams that only listen have connections of their own and take none from calls."""

    def __init__(self, server: Server, listed: Collection[str], most_bytes: int) -> None:
        self.server = server
        self._listed, self._most_bytes = listed, most_bytes
        self._credential = Credential(server, listed)
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._free = asyncio.Semaphore(server.most_at_once)

    async def post(self, message: Message, body: bytes, headers: Headers, agent: str) -> Answer:
        """The answer, whole, or a stream of which each part comes within the deadline."""
        if self._free.locked():
            raise Busy(
                f"{self.server.slug} has {self.server.most_at_once} calls at once already. Try again in a moment."
            )
        await self._free.acquire()
        try:
            answer, stack = await self._send("POST", headers, body, self.server.deadline_s, "calls")
        except BaseException:
            self._free.release()
            raise
        stack.callback(self._free.release)
        return await self._taken(answer, stack, self.server.deadline_s)

    async def listen(self, headers: Headers) -> Answer:
        """The stream a client listens to; it may be silent for as long as it likes."""
        answer, stack = await self._send("GET", headers, None, self.server.deadline_s, "streams")
        return await self._taken(answer, stack, None)

    async def end(self, headers: Headers, agent: str) -> Answer:
        answer, stack = await self._send("DELETE", headers, None, self.server.deadline_s, "calls")
        return await self._taken(answer, stack, self.server.deadline_s)

    async def close(self) -> None:
        await self._credential.close()
        for session in self._sessions.values():
            await session.close()

    async def _send(
        self, method: str, headers: Headers, body: bytes | None, deadline_s: float, kind: str
    ) -> tuple[aiohttp.ClientResponse, AsyncExitStack]:
        """As soon as the head of the answer is there. A credential that is not taken is renewed once."""
        for attempt in (1, 2):
            own = await self._credential.header()
            answer, stack = await self._once(method, {**_sent(headers), **own}, body, deadline_s, kind)
            if answer.status not in (401, 403):
                return answer, stack
            await stack.aclose()
            self._credential.drop(own)
            if attempt == 2 or not self._credential.can_renew:
                break
        raise Unanswered(
            f"{self.server.slug} does not take the gateway's credential.", reason="gateway.credential_refused"
        )

    async def _once(
        self, method: str, headers: Headers, body: bytes | None, deadline_s: float, kind: str
    ) -> tuple[aiohttp.ClientResponse, AsyncExitStack]:
        stack = AsyncExitStack()
        try:
            async with asyncio.timeout(deadline_s):
                request = self._session(kind).request(
                    method, self.server.url, data=body, headers=headers, allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                )  # fmt: skip
                return await stack.enter_async_context(request), stack
        except (TimeoutError, aiohttp.ClientError, OSError, NotSent) as error:
            await stack.aclose()
            raise self._silent(error) from error

    def _session(self, kind: str) -> aiohttp.ClientSession:
        if kind not in self._sessions:
            most = self.server.most_at_once if kind == "calls" else MOST_STREAMS
            self._sessions[kind] = session_to(self.server.url, self._listed, most)
        return self._sessions[kind]

    async def _taken(
        self, answer: aiohttp.ClientResponse, stack: AsyncExitStack, deadline_s: float | None
    ) -> Answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if headers.get("content-type", "").startswith(STREAM) and answer.status == 200:
            return Answer(200, headers, chunks=self._chunks(answer, deadline_s), ending=stack)
        async with stack:
            return Answer(answer.status, headers, body=await self._whole(answer))

    async def _whole(self, answer: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.server.deadline_s):
                async for chunk in answer.content.iter_any():
                    parts.append(chunk)
                    size += len(chunk)
                    if size > self._most_bytes:
                        raise Unanswered(
                            f"The answer of {self.server.slug} is too large.",
                            reason="gateway.answer_too_large",
                        )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._silent(error) from error
        return b"".join(parts)

    async def _chunks(self, answer: aiohttp.ClientResponse, deadline_s: float | None) -> AsyncIterator[bytes]:
        """Raises Unanswered when the stream stands still for longer than the deadline."""
        try:
            while True:
                async with asyncio.timeout(deadline_s):
                    chunk = await answer.content.readany()
                if not chunk:
                    return
                yield chunk
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> GatewayError:
        if isinstance(error, TimeoutError):
            return Unanswered(f"{self.server.slug} did not answer within {self.server.deadline_s:g} s.")
        return Unanswered(f"{self.server.slug} is not reached.", reason="gateway.server_away")


def _sent(headers: Headers) -> dict[str, Any]:
    """What goes on of a client's headers: never its credential, never an encoding we could not read."""
    told = {name: value for name, value in headers.items() if name in SENT or name.startswith(PARAMETER)}
    if headers.get("mcp-session-id"):
        told["mcp-session-id"] = headers["mcp-session-id"]
    return told | {"accept-encoding": "identity"}

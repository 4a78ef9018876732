"""Asking and telling Chancery over its API, on connections that are kept: decisions and admissions with the caller's own key,
configuration and sightings with the gateway's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from apps.oversight.gateway.errors import GatewayError, NotAdmitted, Undecided
from apps.oversight.gateway.messages import Message
from apps.oversight.gateway.settings import GatewaySettings

JSON = "application/json"
EVENTS = "application/cloudevents-batch+json"
CONNECTIONS = 64


@dataclass(frozen=True)
class Asker:
    """Whose key came with a request, and which agent it named ('' where the key is the agent's own)."""

    token: str
    agent: str = ""

    @property
    def named(self) -> dict[str, str]:
        return {"agent": self.agent} if self.agent else {}


@dataclass(frozen=True)
class Verdict:
    """What was decided on one call."""

    id: str
    outcome: str
    code: str
    reason: str
    obligations: Sequence[Mapping[str, Any]] = ()
    steps: Sequence[str] = ()
    approval: str = ""

    @property
    def lets_it_go_on(self) -> bool:
        return self.outcome in ("allow", "notify")


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    etag: str = ""


class Court:
    """One for each gateway."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._deadline_s = settings.decision_deadline_s
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        await self._session.close()

    @property
    def own_token(self) -> str:
        """Read each time: the key may have been renewed."""
        try:
            return self._settings.key_file.read_text().strip()
        except OSError as error:
            raise Undecided(f"The gateway's own key is not to be read: {error.strerror}.") from error

    async def decide(self, asker: Asker, server: str, message: Message, call_id: str) -> Verdict:
        """Raises Undecided when no decision came in time: the call is then not carried."""
        reply = await self._ask(asker.token, "/api/v1/decisions", _question(asker, server, message, call_id))
        told = _understood(reply)
        return Verdict(
            id=told["id"],
            outcome=told["outcome"],
            code=told["code"],
            reason=told["reason"],
            obligations=told.get("obligations") or (),
            steps=[one["words"] for one in told.get("next") or () if one.get("words")],
            approval=str((told.get("approval") or {}).get("id", "")),
        )

    async def admit(self, asker: Asker, server: str, tools: Sequence[str] = ()) -> dict[str, Any]:
        """Who asks, which of these tools it may call, and what keeps it from doing anything at all."""
        question = {"upstream": server, "tools": list(tools), **asker.named}
        return _understood(await self._ask(asker.token, "/api/v1/gateway/admissions", question))

    async def configuration(self, etag: str) -> Reply:
        """304 where nothing changed since `etag`."""
        headers = {"Authorization": f"Bearer {self.own_token}", "If-None-Match": etag}
        return await self._send("GET", "/api/v1/gateway/configuration", headers, None)

    async def tell_sighting(self, server: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """What of the server is in force and what is held back, after what was seen."""
        question = {"upstream": server, **told}
        reply = await self._ask(self.own_token, "/api/v1/gateway/sightings", question)
        tools: dict[str, Any] = _understood(reply)["tools"]
        return tools

    async def report(self, token: str, events: Sequence[Mapping[str, Any]]) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": EVENTS}
        return await self._send("POST", "/api/v1/events", headers, orjson.dumps(events))

    async def _ask(self, token: str, path: str, question: Mapping[str, Any]) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": JSON}
        return await self._send("POST", path, headers, orjson.dumps(question))

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        url = self._settings.server_url + path
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                self._session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                told = await answer.read()
                return Reply(
                    answer.status, orjson.loads(told) if told else None, answer.headers.get("ETag", "")
                )
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
            raise Undecided(
                "Chancery does not answer, so nothing is carried. Try again in a moment."
            ) from error


def _question(asker: Asker, server: str, message: Message, call_id: str) -> dict[str, Any]:
    """What is asked of one call. The one place to add to when the decision API reads more of it."""
    return {
        "tool": message.name,
        "mcp_server": server,
        "arguments": message.arguments,
        "call_id": call_id,
        "conversation_id": message.conversation,
        **asker.named,
    }


def _understood(reply: Reply) -> dict[str, Any]:
    """The body of a 200. Raises what the caller is to be told of anything else."""
    body = reply.body if isinstance(reply.body, dict) else {}
    if reply.status == 200:
        return body
    raise _error(reply.status, str(body.get("detail") or "Chancery refused."), str(body.get("code") or ""))


def _error(status: int, words: str, code: str) -> GatewayError:
    if status in (401, 403, 404):
        return NotAdmitted(words, reason=code, status=status)
    if status == 400:
        return NotAdmitted(words, reason=code, status=400)
    return Undecided(
        f"Chancery answered {status}, so nothing is carried. Try again in a moment.", reason=code
    )

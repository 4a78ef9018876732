"""The gateway's own credential at a server, which no agent ever sees."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Collection
from urllib.parse import quote

import aiohttp
import orjson

from apps.kit.destinations import NotSent
from apps.oversight.gateway.configuration import Server
from apps.oversight.gateway.errors import Unanswered
from apps.oversight.gateway.guard import session_to

RENEWED_BEFORE_S = 30.0
ASSUMED_LIFE_S = 300.0
LONGEST_TOKEN = 16 * 1024


class Credential:
    """What stands in Authorization: nothing, a bearer secret, or a token had by OAuth client credentials (RFC 6749, 4.4)."""

    def __init__(self, server: Server, listed: Collection[str]) -> None:
        self._server, self._listed = server, listed
        self._token, self._good_until = "", 0.0
        self._lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    @property
    def can_renew(self) -> bool:
        return self._server.auth == "oauth"

    async def header(self) -> dict[str, str]:
        """Raises Unanswered when no token is to be had."""
        if self._server.auth == "none":
            return {}
        if not self.can_renew:
            return {"Authorization": f"Bearer {self._server.secret}"}
        async with self._lock:  # one fetch, however many wait
            if time.monotonic() > self._good_until - RENEWED_BEFORE_S:
                await self._fetch()
            return {"Authorization": f"Bearer {self._token}"}

    def drop(self, header: dict[str, str]) -> None:
        """The server did not take it; the next call has another. One that was renewed meanwhile stays."""
        if header.get("Authorization") == f"Bearer {self._token}":
            self._good_until = 0.0

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _fetch(self) -> None:
        server = self._server
        pair = f"{quote(server.client_id, safe='')}:{quote(server.secret, safe='')}"
        headers = {
            "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
            "Accept": "application/json",
        }
        form = {"grant_type": "client_credentials"} | (
            {"scope": server.oauth_scope} if server.oauth_scope else {}
        )
        try:
            if self._session is None:
                self._session = session_to(server.token_url, self._listed, 2)
            async with (
                asyncio.timeout(min(10.0, server.deadline_s)),
                self._session.post(
                    server.token_url, data=form, headers=headers, allow_redirects=False
                ) as answer,
            ):
                self._take(answer.status, await answer.content.read(LONGEST_TOKEN))
        except (aiohttp.ClientError, OSError, TimeoutError, NotSent) as error:
            raise Unanswered(
                "The server's token endpoint does not answer.", reason="gateway.no_token"
            ) from error

    def _take(self, status: int, body: bytes) -> None:
        try:
            told = orjson.loads(body)
            token, life_s = str(told["access_token"]), float(told.get("expires_in", ASSUMED_LIFE_S))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            words = f"The server's token endpoint answered {status} and no token."
            raise Unanswered(words, reason="gateway.no_token") from error
        self._token = token
        self._good_until = time.monotonic() + max(life_s, RENEWED_BEFORE_S + 5)

"""What the gateway was told of its servers, kept fresh; a change is in force within a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.oversight.gateway.court import Court
from apps.oversight.gateway.errors import GatewayError, NotAdmitted, Undecided

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """One MCP server as Chancery has it. `fault`: why it cannot be used."""

    slug: str
    url: str = ""
    command: tuple[str, ...] = ()
    auth: str = "none"
    secret: str = field(default="", repr=False)
    secret_variable: str = ""
    client_id: str = ""
    token_url: str = ""
    oauth_scope: str = ""
    deadline_s: float = 30.0
    most_at_once: int = 32
    fault: str = ""


@dataclass(frozen=True)
class Standing:
    """How a tool stands: the digest in force ('' before any), whether it is held back."""

    digest: str
    is_held: bool

    @property
    def is_offered(self) -> bool:
        return bool(self.digest) and not self.is_held


Tools = dict[str, Standing]


class Configuration:
    """`servers` and `tools` by the server's short name. Not loaded yet: nothing is carried."""

    def __init__(self, court: Court, refresh_s: float) -> None:
        self.servers: dict[str, Server] = {}
        self.tools: dict[str, Tools] = {}
        self.is_loaded = False
        self._court, self._refresh_s, self._etag = court, refresh_s, ""

    def server(self, slug: str) -> Server:
        """Raises NotAdmitted for one that is not there, Undecided before anything is known."""
        if not self.is_loaded:
            raise Undecided("The gateway does not know its servers yet. Try again in a moment.")
        if slug not in self.servers:
            raise NotAdmitted("There is no such MCP server.", reason="gateway.no_such_server", status=404)
        return self.servers[slug]

    async def follow(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: ask for what is new, twice a second; `changed` is called after each change.

        While Chancery is away what was known stays: no call is carried then without a decision anyway.
        """
        is_away = False
        while True:
            try:
                if await self.refresh():
                    await changed()
                if is_away:
                    logger.warning("Chancery answers again")
                is_away = False
            except GatewayError as error:
                if not is_away:
                    logger.warning("no configuration: %s", error.message)
                is_away = True
            await asyncio.sleep(self._refresh_s)

    async def refresh(self) -> bool:
        """True when something changed."""
        reply = await self._court.configuration(self._etag)
        if reply.status == 304:
            return False
        if reply.status != 200:
            raise NotAdmitted(
                f"Chancery answered {reply.status} to the gateway's own key.", status=reply.status
            )
        told = {one["slug"]: one for one in reply.body["upstreams"]}
        self.servers = {slug: _server(one) for slug, one in told.items()}
        self.tools = {slug: standings(one["tools"]) for slug, one in told.items()}
        self._etag, self.is_loaded = reply.etag, True
        return True

    def note(self, slug: str, tools: Mapping[str, Any]) -> None:
        """What Chancery answered to a sighting, in force at once."""
        self.tools[slug] = standings(tools)


def standings(told: Mapping[str, Any]) -> Tools:
    return {name: Standing(one["digest"], one["is_held"]) for name, one in told.items()}


def _server(told: Mapping[str, Any]) -> Server:
    values = {name: told[name] for name in Server.__dataclass_fields__}
    return Server(**values | {"command": tuple(told["command"])})

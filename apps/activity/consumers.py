"""The live feed over a WebSocket: what is committed, in order, once, from wherever the client left off.

    connect     /ws/feed/?after=<position>&outcome=violation&agent=<id>&tool=<name>
    server      {"type": "calls", "position": n, "calls": [{"id", "position", "at", "agent": {"id", "ref",
                 "name"} | null, "tool", "outcome", "reason", "status", "effect", "duration_ms", ...}],
                 "folded": {"calls", "agents", "after", "upto"} | absent}
                {"type": "gap", "position": n}    more was missed than is replayed: load the page again
                {"type": "idle", "position": n}   nothing new that fits, but the position moved on

`after=0`, or no position, is the beginning, with the same gap when more was missed than is replayed. What is
new is read once for all who watch (apps.activity.tail). When more comes at once than anybody reads, allowed
calls are folded: `folded` says how many of how many agents, between which positions, and REST has them.
When the channel layer itself fails, Channels ends the socket; the client connects again from its position.
A call that changes comes again with a new position and the same id: clients replace by id. Two that prove to be one come as
the older, which names the other in `replaces`: clients take that away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from functools import partial
from typing import Any

import orjson
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import InterfaceError, OperationalError
from django.http import QueryDict
from redis.exceptions import RedisError

from apps.activity.feed import FeedQuery, person_actor
from apps.activity.live import session_group
from apps.activity.tail import LOOK_EVERY_S, TAIL
from apps.activity.watching import Told, Watcher

logger = logging.getLogger(__name__)
RECHECK_EVERY_S = 15.0
PACE_S = 0.1  # between two messages: one of a hundred calls costs less than a hundred of one
REFUSED, REVOKED, BAD_REQUEST, STUMBLED = 4403, 4401, 4400, 1011
DATABASE_AWAY = (OperationalError, InterfaceError)


class FeedConsumer(AsyncJsonWebsocketConsumer):
    """One client's feed."""

    async def connect(self) -> None:
        person = self.scope.get("user")
        if person is None or not person.is_authenticated:
            await self.close(code=REVOKED)
            return
        query = _query(self.scope.get("query_string", b""))
        if query is None:
            await self.close(code=BAD_REQUEST)
            return
        self._session_key = self.scope["session"].session_key
        self._watcher = Watcher(query, partial(person_actor, person.pk, self._session_key))
        self._tasks: list[asyncio.Task[None]] = []
        if not await self._watcher.refresh():
            await self.close(code=REFUSED)
            return
        await self.accept()
        await self._join()
        self._tasks = [
            asyncio.create_task(self._or_close(work)) for work in (self._follow(), self._recheck())
        ]

    async def disconnect(self, code: int) -> None:
        for task in getattr(self, "_tasks", ()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self.channel_layer is not None:
            with contextlib.suppress(RedisError, OSError):
                if hasattr(self, "_session_key"):
                    await self.channel_layer.group_discard(
                        session_group(self._session_key), self.channel_name
                    )

    async def auth_revoked(self, event: dict[str, Any]) -> None:
        """Somebody ended this session."""
        await self.close(code=REVOKED)

    async def _join(self) -> None:
        """The group is a convenience: without Valkey the feed looks at its rights every 15 seconds."""
        try:
            await self.channel_layer.group_add(session_group(self._session_key), self.channel_name)
        except (RedisError, OSError) as error:
            logger.warning("the feed is not told when its session ends: %s", error)

    async def _follow(self) -> None:
        with TAIL.reader() as news:
            while True:
                news.clear()
                told = await self._next()
                if told is None:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(news.wait(), LOOK_EVERY_S)
                    continue
                await self.send(text_data=message_of(told))
                if not told.full:
                    await asyncio.sleep(PACE_S)

    async def _next(self) -> Told | None:
        try:
            return await self._watcher.next()
        except DATABASE_AWAY as error:
            logger.warning("the feed waits for the database: %s", error)
            return None

    async def _recheck(self) -> None:
        """A socket outlives sign-out and deactivation unless somebody looks."""
        while True:
            await asyncio.sleep(RECHECK_EVERY_S)
            try:
                allowed = await self._watcher.refresh()
            except DATABASE_AWAY as error:
                logger.warning("the feed's rights are looked at again later: %s", error)
                continue
            if not allowed:
                await self.close(code=REVOKED)
                return

    async def _or_close(self, work: Awaitable[None]) -> None:
        """A socket that nobody serves any more is closed, never left open and silent."""
        try:
            await work
        except Exception:
            logger.exception("a feed stumbled; its client connects again")
            await self.close(code=STUMBLED)


def message_of(told: Told) -> str:
    """As the module says; the calls were rendered once for all."""
    kind = "gap" if told.gap else ("calls" if told.entries else "idle")
    head = f'{{"type":"{kind}","position":{told.position}'
    if told.folded is not None:
        head += f',"folded":{orjson.dumps(told.folded).decode()}'
    if told.entries:
        head += f',"calls":[{",".join(entry.json for entry in told.entries)}]'
    return head + "}"


def _query(raw: bytes) -> FeedQuery | None:
    """The query string; None when it is not of its form."""
    given = QueryDict(raw)
    after = given.get("after", "0")
    if not after.isdecimal() or len(after) > 18:
        return None
    return FeedQuery(int(after), given.copy())

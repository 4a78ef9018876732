"""The live feed over a WebSocket: what is committed, in order, once, from wherever the client left off.

    connect     /ws/feed/?after=<position>&outcome=violation&agent=<id>&tool=<name>
    server      {"type": "calls", "position": n, "calls": [{"id", "position", "at", "agent": {"id", "ref",
                 "name"} | null, "tool", "outcome", "reason", "status", "duration_ms", ...}]}
                {"type": "gap", "position": n}    more was missed than is replayed: load the page again
                {"type": "idle", "position": n}   nothing new that fits, but the position moved on

Rows are read from the database by position; `after=0`, or no position, is the beginning, with the same gap
when more was missed than is replayed. A nudge over the channel layer only says *look now*, and the
consumer looks every second anyway, so a lost nudge loses nothing. When the channel layer itself fails,
Channels ends the socket; the client connects again from its position. A call that changes comes again with
a new position and the same id: clients replace by id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import InterfaceError, OperationalError
from django.http import QueryDict
from redis.exceptions import RedisError

from apps.activity.feed import FeedQuery, Seen, read_feed, still_signed_in
from apps.activity.live import FEED_GROUP, session_group
from apps.activity.queries import last_position

logger = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
RECHECK_EVERY_S = 15.0
REFUSED, REVOKED, BAD_REQUEST, STUMBLED = 4403, 4401, 4400, 1011
DATABASE_AWAY = (OperationalError, InterfaceError)


class Newest:
    """The feed's newest position as this process knows it: however many watch, one looks."""

    def __init__(self) -> None:
        self._position, self._looked_at = 0, -LOOK_EVERY_S

    def hear(self, position: int) -> None:
        self._position = max(self._position, position)

    async def beyond(self, after: int) -> int:
        """A position beyond `after` where one is known; looked up when none is, at most twice a second."""
        now = time.monotonic()
        if self._position <= after and now - self._looked_at >= LOOK_EVERY_S / 2:
            self._looked_at = now
            self._position = max(self._position, await database_sync_to_async(last_position)())
        return self._position


NEWEST = Newest()


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
        self._query, self._person_id = query, person.pk
        self._session_key = self.scope["session"].session_key
        self._news, self._tasks = asyncio.Event(), []
        if not await self._allowed():
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
                for group in self._groups if hasattr(self, "_session_key") else ():
                    await self.channel_layer.group_discard(group, self.channel_name)

    async def feed_nudge(self, event: dict[str, Any]) -> None:
        """There is news."""
        NEWEST.hear(event["position"])
        self._news.set()

    async def auth_revoked(self, event: dict[str, Any]) -> None:
        """Somebody ended this session."""
        await self.close(code=REVOKED)

    @property
    def _groups(self) -> tuple[str, ...]:
        return (FEED_GROUP, session_group(self._session_key))

    async def _join(self) -> None:
        """The groups are a convenience: without Valkey the feed looks every second, and at its rights."""
        try:
            for group in self._groups:
                await self.channel_layer.group_add(group, self.channel_name)
        except (RedisError, OSError) as error:
            logger.warning("the feed goes on without nudges: %s", error)

    async def _follow(self) -> None:
        while True:
            if not await self._send_new():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOK_EVERY_S)
                self._news.clear()

    async def _send_new(self) -> bool:
        """Send what is new; True when there may be more at once."""
        try:
            newest = await NEWEST.beyond(self._query.after)
            if newest <= self._query.after:
                return False
            seen: Seen = await database_sync_to_async(read_feed)(self._query, newest, self._person_id)
        except DATABASE_AWAY as error:
            logger.warning("the feed waits for the database: %s", error)
            return False
        self._query.after = seen.position
        kind = "gap" if seen.gap else ("calls" if seen.calls else "idle")
        message: dict[str, Any] = {"type": kind, "position": seen.position}
        await self.send_json(message | ({"calls": seen.calls} if seen.calls else {}))
        return seen.full

    async def _recheck(self) -> None:
        """A socket outlives sign-out and deactivation unless somebody looks."""
        while True:
            await asyncio.sleep(RECHECK_EVERY_S)
            try:
                allowed = await self._allowed()
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

    async def _allowed(self) -> bool:
        return bool(await database_sync_to_async(still_signed_in)(self._person_id, self._session_key))


def _query(raw: bytes) -> FeedQuery | None:
    """The query string; None when it is not of its form."""
    given = QueryDict(raw)
    after = given.get("after", "0")
    if not after.isdecimal() or len(after) > 18:
        return None
    return FeedQuery(int(after), given.copy())

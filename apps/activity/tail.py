"""The end of the feed as one process holds it: however many watch, what is new is read once.

A *reader* asks for what came after its position. What is new is kept here for a while, so readers share one
query and one rendering; a reader that stands further back than that reads for itself until it has caught up.
Woken by nudges over the channel layer, one subscription a process, and by a look every second, so that a
nudge that is lost loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from apps.activity.feed import Entry, read_entries
from apps.activity.live import FEED_GROUP
from apps.activity.queries import last_position

logger = logging.getLogger(__name__)
KEPT = 5000
READ_AT_ONCE = 1000
LOOK_EVERY_S = 1.0


class Tail:
    """What is new, shared by the readers of one event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin()

    def _begin(self) -> None:
        self._entries: deque[Entry] = deque()
        self._complete_after: int | None = None  # every change beyond this position is in `_entries`
        self._upto = self._heard = 0
        self._looked_at = -LOOK_EVERY_S
        self._filling = asyncio.Lock()
        self._wakers: set[asyncio.Event] = set()
        self._listening: asyncio.Task[None] | None = None

    @contextmanager
    def reader(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there may be news."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._begin()
        waker = asyncio.Event()
        self._wakers.add(waker)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        try:
            yield waker
        finally:
            self._wakers.discard(waker)
            if not self._wakers and self._listening is not None:
                self._listening.cancel()
                self._listening = None
                self._entries.clear()  # nobody reads them; whoever comes next begins at the newest
                self._complete_after = None

    async def newest(self, after: int) -> int:
        """The newest position known; looked up where none beyond `after` is, at most twice a second."""
        now = time.monotonic()
        if max(self._heard, self._upto) <= after and now - self._looked_at >= LOOK_EVERY_S / 2:
            self._looked_at = now
            self._heard = max(self._heard, await database_sync_to_async(last_position)())
        return max(self._heard, self._upto)

    async def since(self, after: int) -> list[Entry] | None:
        """What came after a position, in order, possibly nothing; None when that is no longer kept here."""
        await self._fill(await self.newest(after))
        if self._complete_after is None or after < self._complete_after:
            return None
        found = []
        for entry in reversed(self._entries):
            if entry.position <= after:
                break
            found.append(entry)
        return found[::-1]

    @property
    def upto(self) -> int:
        """Everything up to here was read."""
        return self._upto

    async def _fill(self, newest: int) -> None:
        async with self._filling:
            if self._complete_after is None or newest - self._upto > KEPT:
                self._entries.clear()
                self._complete_after = self._upto = newest
            while self._upto < newest:
                entries = await database_sync_to_async(read_entries)(self._upto, newest, READ_AT_ONCE)
                self._entries.extend(entries)
                self._upto = entries[-1].position if len(entries) == READ_AT_ONCE else newest
                while len(self._entries) > KEPT:
                    self._complete_after = self._entries.popleft().position

    async def _listen(self) -> None:
        """Hear nudges; without Valkey the readers look every second."""
        while True:
            layer = get_channel_layer()
            if layer is None:
                return
            channel = ""
            try:
                channel = await layer.new_channel()
                await layer.group_add(FEED_GROUP, channel)
                while True:
                    self._hear(await layer.receive(channel))
            except (RedisError, OSError) as error:
                logger.warning("the feed goes on without nudges: %s", error)
                await asyncio.sleep(LOOK_EVERY_S)
            finally:
                if channel:
                    with contextlib.suppress(RedisError, OSError, RuntimeError):
                        await layer.group_discard(FEED_GROUP, channel)

    def _hear(self, message: dict[str, Any]) -> None:
        self._heard = max(self._heard, int(message.get("position", 0)))
        for waker in self._wakers:
            waker.set()


TAIL = Tail()

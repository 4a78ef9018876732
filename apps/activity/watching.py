"""One reader of the feed, whoever carries it (a WebSocket, a stream of server-sent events)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from channels.db import database_sync_to_async

from apps.activity.feed import Entry, FeedQuery, Folded, Sight, folded, read_feed, sight_of
from apps.activity.tail import TAIL
from apps.identity.models import Principal


@dataclass(frozen=True)
class Told:
    """What to tell a reader: `full` when more may follow at once, `gap` when too much was missed to replay."""

    position: int
    entries: list[Entry]
    folded: Folded | None = None
    full: bool = False
    gap: bool = False


class Watcher:
    """Its position, its filters and what it may see. `who` gives the reader freshly read, None when it may not."""

    def __init__(self, query: FeedQuery, who: Callable[[], Principal | None]) -> None:
        self._query, self._who = query, who
        self._sight: Sight | None = None

    async def refresh(self) -> bool:
        """Look again at who this is and what it may see; False when it may see nothing any more."""
        actor = await database_sync_to_async(self._who)()
        self._sight = await database_sync_to_async(sight_of)(actor) if actor else None
        return self._sight is not None

    async def next(self) -> Told | None:
        """What came since the last time; None for nothing."""
        sight = self._sight
        if sight is None:
            return None
        after = self._query.after
        entries = await TAIL.since(after)
        if entries is None:
            told = await self._caught_up(sight)
        elif entries:
            told = await self._shared(sight, entries)
        else:
            return None
        self._query.after = told.position
        return told

    async def _shared(self, sight: Sight, entries: list[Entry]) -> Told:
        unknown = sight.unknown(entries)
        if unknown:
            await database_sync_to_async(sight.ask)(unknown)
        told, left_out = folded(sight.of(entries, self._query.fits))
        return Told(entries[-1].position, told, left_out)

    async def _caught_up(self, sight: Sight) -> Told:
        """By itself, from further back than what is shared."""
        newest = await TAIL.newest(self._query.after)
        seen = await database_sync_to_async(read_feed)(self._query, newest, sight.actor)
        return Told(seen.position, seen.entries, full=seen.full, gap=seen.gap)

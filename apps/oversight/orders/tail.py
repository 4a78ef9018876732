"""The newest orders as one process holds them: however many points wait, each order is read once.

Woken over the channel layer, one subscription a process, and by a look every second, so that without Valkey an order is a
second later, never lost. The look also numbers what was committed by a process that died before it could.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from apps.oversight.bare_door import in_database
from apps.oversight.containment import told
from apps.oversight.models import ContainmentOrder
from apps.oversight.services.containment import CONTAINMENT_GROUP, number_orders

logger = logging.getLogger(__name__)
KEPT = 2000
LOOK_EVERY_S = 1.0
ARRIVE_AT_ONCE = (
    4  # an order sends everybody who waited back at once: connections are left for those who decide
)
AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class Order:
    """An order as it is told, with what decides who hears it."""

    id: UUID
    seq: int
    scope: str
    agent_id: UUID | None
    team_id: UUID | None
    told: dict[str, Any]


class Tail:
    """Orders as they come, for the readers of one event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin()

    def _begin(self) -> None:
        self._orders: tuple[Order, ...] = ()  # replaced, never changed: threads read it too
        self._from: int | None = None  # every order beyond this number is kept here
        self._upto: int | None = None
        self.arriving = asyncio.Semaphore(ARRIVE_AT_ONCE)
        self._wakers: set[asyncio.Event] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._reading = asyncio.Lock()

    @contextmanager
    def reader(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is an order."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._begin()
        waker = asyncio.Event()
        self._wakers.add(waker)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._listen())]
        try:
            yield waker
        finally:
            self._wakers.discard(waker)
            if not self._wakers:
                for task in self._tasks:
                    task.cancel()
                self._tasks, self._upto, self._from = [], None, None
                self._orders = ()

    def since(self, after: int) -> list[Order]:
        """What came after a number, in order, of what is kept."""
        return [order for order in self._orders if order.seq > after]

    def covers(self, after: int) -> bool:
        """True where nothing after this number is missing here but what was ordered since the last look."""
        return self._from is not None and after >= self._from

    async def _read(self) -> None:
        async with self._reading:
            try:
                fresh, upto = await in_database(lambda: _after(self._upto))
            except AWAY as error:
                logger.warning("orders wait for the database: %s", error)
                return
            if self._from is None:
                self._from = upto
            self._upto = upto
            known = (*self._orders, *fresh)
            if len(known) > KEPT:
                self._from = known[-KEPT - 1].seq
            self._orders = known[-KEPT:]
        if fresh:
            for waker in self._wakers:
                waker.set()

    async def _look(self) -> None:
        while True:
            await self._read()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _listen(self) -> None:
        while True:
            layer = get_channel_layer()
            if layer is None:
                return
            channel = ""
            try:
                channel = await layer.new_channel()
                await layer.group_add(CONTAINMENT_GROUP, channel)
                while True:
                    await layer.receive(channel)
                    await self._read()
            except (RedisError, OSError) as error:
                logger.warning("orders go on without nudges: %s", error)
                await asyncio.sleep(LOOK_EVERY_S)
            finally:
                if channel:
                    with contextlib.suppress(RedisError, OSError, RuntimeError):
                        await layer.group_discard(CONTAINMENT_GROUP, channel)


def _after(upto: int | None) -> tuple[list[Order], int]:
    """Orders after a number, and the last number; None: from now on. Two queries, one where nothing is new."""
    last = number_orders()
    if upto is None or last <= upto:
        return [], last
    rows = ContainmentOrder.objects.filter(seq__gt=upto, seq__lte=last).order_by("seq")
    return [order_of(row) for row in rows], last


def order_of(row: ContainmentOrder) -> Order:
    return Order(row.pk, row.seq or 0, row.scope, row.agent_id, row.team_id, told(row))


TAIL = Tail()

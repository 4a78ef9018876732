"""Chancery's own enforcement points: the decision API of this process, and the keys of agents.

They answer an order when they have really loaded what it says, by the way a call takes: the decision API when a decision on
the agent would be that, the credentials when a key of the agent opens no more than it should. What is not so yet is looked at
again every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.utils import timezone

from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import system_principal
from apps.oversight import holding
from apps.oversight.bare_door import in_database
from apps.oversight.models import ContainmentOrder, EnforcementPoint
from apps.oversight.orders.tail import LOOK_EVERY_S, TAIL
from apps.oversight.services.containment import forget_points, note_acknowledgements, number_orders
from apps.oversight.standing import STANDING

logger = logging.getLogger(__name__)
LEASE_S, BEATS_EVERY_S = 30, 10.0
LOOKS_BACK = timedelta(days=1)
MOST = 500


class OwnPoints:
    """The points of this process, and the orders that each has yet to answer."""

    def __init__(self) -> None:
        self._points: list[EnforcementPoint] = []
        self._beat_at = -BEATS_EVERY_S

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this is entered, orders are answered."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        with TAIL.reader() as news:
            while True:
                news.clear()
                try:
                    await in_database(self.look)
                except (DatabaseError, InterfaceError) as error:
                    logger.warning("orders are answered when the database is back: %s", error)
                except Exception:
                    logger.exception("an order was not answered; it is looked at again")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), LOOK_EVERY_S)

    def look(self) -> None:
        """Say that the points live, and answer what they have loaded. A query for each point where nothing is ordered."""
        if time.monotonic() - self._beat_at >= BEATS_EVERY_S:
            self._points, self._beat_at = _beaten(), time.monotonic()
            number_orders()
            forget_points()
        for point in self._points:
            done = [order.pk for order in _unanswered(point) if LOADED[point.kind](order)]
            if done:
                note_acknowledgements(point, done)


def _beaten() -> list[EnforcementPoint]:
    """The rows of this process, said to live now."""
    where, now, owner = f"{socket.gethostname()}:{os.getpid()}", timezone.now(), system_principal()
    told = {"lease_s": LEASE_S, "last_seen_at": now}
    points = []
    for kind in (EnforcementPoint.Kind.DECISION_API, EnforcementPoint.Kind.CREDENTIALS):
        values = {**told, "kind": kind}
        point, _ = EnforcementPoint.objects.update_or_create(
            principal=owner, name=f"{kind.label}, {where}", defaults=values, create_defaults={**values, "first_seen_at": now},
        )  # fmt: skip
        points.append(point)
    return points


def _unanswered(point: EnforcementPoint) -> list[ContainmentOrder]:
    """Orders of the last day that this point should have answered, and older stops that stand."""
    stands = Q(kind="stop") & (
        Q(trip__reset_at=None, trip__isnull=False) | Q(switch__released_at=None, switch__isnull=False)
    )
    rows = ContainmentOrder.objects.filter(Q(at__gte=timezone.now() - LOOKS_BACK) | stands, seq__isnull=False)
    if point.kind == EnforcementPoint.Kind.CREDENTIALS:
        rows = rows.filter(scope="agent")
    rows = rows.exclude(acknowledgements__point=point).select_related("agent", "trip", "switch")
    return list(rows.order_by("seq")[:MOST])


def _is_over(order: ContainmentOrder) -> bool:
    """A stop that has ended since, or a resumption after which it was stopped again: the later order tells what holds."""
    if order.trip is not None:
        ended = order.trip.reset_at is not None
        return ended if order.kind == "stop" else False
    return order.switch is not None and order.kind == "stop" and order.switch.released_at is not None


def _decides_so(order: ContainmentOrder) -> bool:
    if order.kind == "drill":
        return _held_anew(order).bundle is not None
    if order.scope != "agent":
        STANDING.forget()
        stands = any(one.since == order.switch.pulled_at and one.until is None for one in STANDING.switches())  # type: ignore[union-attr]
        return _is_over(order) or stands is (order.kind == "stop")
    if order.kind == "stop":
        return _is_over(order) or bool(_held_anew(order).standing_code)
    return True  # whatever it is now was read in this moment


def _opens_so(order: ContainmentOrder) -> bool:
    keeper = Principal.objects.get(pk=order.agent.principal_id)  # type: ignore[union-attr]
    opens = access_of(keeper).allows(Permission.AGENTS_VIEW)
    return order.kind != "stop" or _is_over(order) or not opens


def _held_anew(order: ContainmentOrder) -> holding.Held:
    """What this process decides the agent's calls by from now on."""
    assert order.agent_id is not None
    holding.forget(order.agent_id)
    return holding.held(order.agent_id)


LOADED: dict[str, Callable[[ContainmentOrder], bool]] = {
    "decision_api": _decides_so,
    "credentials": _opens_so,
}
OWN_POINTS = OwnPoints()

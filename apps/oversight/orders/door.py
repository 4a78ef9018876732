"""The address at which points wait for orders: a long poll, and the same as server-sent events (HTML standard, section 9.2).

It stands beside Django, so that who waits holds neither a thread nor a connection: the database is asked when a point comes,
and what is ordered meanwhile is told from memory. Keys only; whoever comes with a session is answered by the REST view.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import InterfaceError, OperationalError
from django.http import QueryDict
from starlette.responses import Response, StreamingResponse

from apps.agents.models import Agent
from apps.identity.access import access_of, require_somewhere
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, NotPermitted, NotSignedIn, Unavailable
from apps.oversight.bare_door import asker, in_database, is_ours, refusal
from apps.oversight.containment import orders_after
from apps.oversight.orders.answers import after_in, wait_in
from apps.oversight.orders.tail import TAIL, Order, order_of

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
PATH = "/api/v1/enforcement/orders"
HEARTBEAT_S = 15.0
NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Hearing:
    """What concerns one asker, as it was when it came: agents it may ask for, their teams and those above them."""

    agents: frozenset[UUID]
    teams: frozenset[UUID]

    def hears(self, order: Order) -> bool:
        if order.scope == "agent":
            return order.agent_id in self.agents
        return order.scope != "team" or order.team_id in self.teams


@dataclass(frozen=True)
class Came:
    """Who came, and what waited for it."""

    hearing: Hearing
    orders: Sequence[Order]


def is_for_the_door(scope: Scope) -> bool:
    """True for whoever brings a key; a session is for Django."""
    return scope["method"] == "GET" and any(name == b"authorization" for name, _ in scope["headers"])


async def orders_door(scope: Scope, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
    """The ASGI application."""
    headers = {name: value.decode("latin1") for name, value in scope["headers"]}
    try:
        if not is_ours(headers):
            raise NotPermitted("This address is not answered for another host or origin.")
        query = QueryDict(scope.get("query_string", b""))
        after = after_in({"after": headers.get(b"last-event-id", query.get("after", ""))})
        wait, token = wait_in(query), headers[b"authorization"]
        if "text/event-stream" in headers.get(b"accept", ""):
            await _arrived(token, after)  # a refusal is told before the stream begins
            answer: Response = StreamingResponse(
                _events(token, after), media_type="text/event-stream", headers=NO_STORE
            )
            await answer(scope, receive, send)
            return
        orders = await _unless_gone(_waited(token, after, wait), receive)
    except DomainError as error:
        await refusal(error)(scope, receive, send)
        return
    except (OperationalError, InterfaceError):
        await refusal(Unavailable("The database does not answer.", retry_after_s=1))(scope, receive, send)
        return
    if orders is not None:
        await _answer(orders, after)(scope, receive, send)


async def _waited(token: str, after: int, wait: float) -> list[Order]:
    """What concerns the asker after this number, as soon as there is any, at the latest when the time is over."""
    with TAIL.reader() as news:
        until = time.monotonic() + wait
        came = await _arrived(token, after)
        orders = list(came.orders)
        while not orders and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), left)
            news.clear()
            orders = [order for order in TAIL.since(after) if came.hearing.hears(order)]
    return orders


async def _unless_gone(
    waited: Awaitable[list[Order]], receive: Callable[[], Awaitable[Any]]
) -> list[Order] | None:
    """The answer, or None when the asker went away meanwhile."""
    waiting, gone = asyncio.ensure_future(waited), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await waiting if waiting.done() else None
    finally:
        for task in (waiting, gone):
            task.cancel()


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _events(token: str, after: int) -> AsyncIterator[bytes]:
    """One event an order, its number the event's id; a comment every 15 seconds, when the key is looked at again."""
    yield b": listening\n\n"
    while True:
        try:
            orders = await _waited(token, after, HEARTBEAT_S)
        except (NotSignedIn, NotPermitted):
            yield b"event: end\ndata: {}\n\n"
            return
        except (OperationalError, InterfaceError):
            orders = []
            await asyncio.sleep(1)
        for order in orders:
            after = order.seq
            yield b"id: %d\nevent: order\ndata: %s\n\n" % (order.seq, orjson.dumps(order.told))
        if not orders:
            yield b": still here\n\n"


def _answer(orders: Sequence[Order], after: int) -> Response:
    body = {"orders": [order.told for order in orders], "next": orders[-1].seq if orders else after}
    return Response(orjson.dumps(body), media_type="application/json", headers=NO_STORE)


async def _arrived(token: str, after: int) -> Came:
    async with TAIL.arriving:
        return await in_database(lambda: _came(token, after))


def _came(token: str, after: int) -> Came:
    """Four queries, one more for a number from before this process began to listen."""
    actor = asker(token)
    require_somewhere(actor, Permission.DECISIONS_ASK)
    hearing = _hearing(actor)
    if TAIL.covers(after):
        return Came(hearing, [order for order in TAIL.since(after) if hearing.hears(order)])
    return Came(hearing, [order_of(row) for row in orders_after(actor, after)])


def _hearing(actor: Principal) -> Hearing:
    """Two queries."""
    rows = Agent.objects.visible_to(actor, Permission.DECISIONS_ASK).order_by()
    found = list(rows.values_list("pk", "team_id", "merged_into_id"))
    named = (
        actor.team_id,
        *access_of(actor).teams_with(Permission.DECISIONS_ASK),
        *(team for _, team, _ in found),
    )
    teams = {team for team in named if team is not None}
    above = Team.objects.filter(pk__in=teams).exclude(parent=None).values_list("parent_id", flat=True)
    agents = frozenset(one for pk, _, kept in found for one in (pk, kept) if one)
    return Hearing(agents, frozenset(team for team in {*teams, *above} if team))

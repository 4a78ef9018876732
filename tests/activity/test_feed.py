"""The live feed over its WebSocket: what is committed, once, in order, to whoever may see it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from redis.exceptions import RedisError

from apps.activity import feed, queries
from apps.activity.consumers import FeedConsumer
from apps.activity.models import FeedPosition, ToolCall
from apps.activity.tail import TAIL
from apps.identity.models import Principal
from apps.identity.roles import Role
from config.asgi import application
from tests import factories
from tests.activity.otlp import drain, post, request, tool_span
from tests.activity.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN_S = 3.0
CANCEL = """
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
WHERE datname = %s AND usename = 'chancery_web' AND wait_event_type = 'Lock'
"""


@pytest.fixture(autouse=True)
def _own_channel_layer(settings: Any) -> None:
    """Each test's event loop needs a layer of its own; between processes it is Valkey, as in the product."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    TAIL.__init__()  # type: ignore[misc]  # the database is empty again


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def cookie_of(principal: Principal | None) -> dict[str, str]:
    client = Client()
    if principal is not None:
        client.force_login(principal.person, backend="apps.identity.auth.PersonBackend")
    return {name: morsel.value for name, morsel in client.cookies.items()}


def socket_of(cookies: dict[str, str], query: str = "") -> Socket:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = [(b"cookie", cookie.encode()), (b"origin", b"http://testserver"), (b"host", b"testserver")]
    return Socket(application, "/ws/feed/", query, headers)


async def received(socket: Socket, count: int) -> list[dict[str, Any]]:
    """The next `count` calls, or a failure after three seconds."""
    calls: list[dict[str, Any]] = []
    async with asyncio.timeout(WITHIN_S):
        while len(calls) < count:
            message = await socket.receive(WITHIN_S)
            calls += message.get("calls", [])
    return calls


def act(token: str, *tools: str, **fields: Any) -> None:
    post(request([tool_span(tool, **fields) for tool in tools]), token)
    drain()


async def close_code(socket: Socket) -> int:
    return await socket.connect()


async def test_who_is_not_signed_in_is_closed_out() -> None:
    assert await close_code(socket_of({})) == 4401


async def test_who_may_not_see_activity_is_closed_out() -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person()))()
    assert await close_code(socket_of(cookies)) == 4403


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=1234567890123456789"])
async def test_a_position_that_is_none_is_closed_out(query: str) -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    assert await close_code(socket_of(cookies, query)) == 4400


async def test_another_origin_is_refused() -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies)
    socket.scope["headers"] = [h for h in socket.scope["headers"] if h[0] != b"origin"] + [
        (b"origin", b"http://evil.example")
    ]
    assert await socket.connect() != 0


async def test_calls_come_within_three_seconds_and_in_order(token: str) -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies)
    assert await socket.connect() == 0
    await sync_to_async(act)(token, "lookup_order", "refund_order")
    calls = await received(socket, 2)
    assert [call["position"] for call in calls] == [1, 2]
    assert {(call["tool"], call["outcome"], call["agent"]["name"]) for call in calls} == {
        ("lookup_order", "allowed", "order_agent"), ("refund_order", "allowed", "order_agent"),
    }  # fmt: skip
    await socket.disconnect()


async def test_reconnecting_loses_nothing_and_doubles_nothing(token: str) -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    first = socket_of(cookies)
    await first.connect()
    await sync_to_async(act)(token, *["lookup_order"] * 3)
    seen = await received(first, 3)
    await first.disconnect()
    await sync_to_async(act)(token, *["lookup_order"] * 4)
    second = socket_of(cookies, f"after={seen[-1]['position']}")
    await second.connect()
    await sync_to_async(act)(token, *["lookup_order"] * 2)
    seen += await received(second, 6)
    await second.disconnect()
    assert [call["position"] for call in seen] == list(range(1, 10))
    assert len({call["id"] for call in seen}) == 9 == await ToolCall.objects.acount()


async def test_a_call_that_changes_comes_again_under_its_id(token: str) -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies)
    await socket.connect()
    kept = {"trace_id": b"t" * 16, "attributes": {"gen_ai.tool.call.id": "call-1"}}
    await sync_to_async(act)(token, "lookup_order", **kept)
    first = (await received(socket, 1))[0]
    await sync_to_async(act)(token, "lookup_order", error="late failure", **kept)
    again = (await received(socket, 1))[0]
    assert (again["id"], again["outcome"]) == (first["id"], "flagged")
    assert again["position"] > first["position"]
    await socket.disconnect()


async def test_filters_narrow_the_feed(token: str) -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    flagged, by_tool = socket_of(cookies, "outcome=flagged"), socket_of(cookies, "tool=refund_order")
    await flagged.connect()
    await by_tool.connect()
    await sync_to_async(act)(token, "lookup_order", "refund_order")
    await sync_to_async(act)(token, "lookup_order", error="down")
    assert [call["outcome"] for call in await received(flagged, 1)] == ["flagged"]
    assert [call["tool"] for call in await received(by_tool, 1)] == ["refund_order"]
    await flagged.disconnect()
    await by_tool.disconnect()


async def test_only_calls_of_visible_agents_come() -> None:
    def world() -> tuple[dict[str, str], str, str]:
        ours, theirs = factories.make_team(), factories.make_team()
        person = factories.make_person(Role.VIEWER, ours)
        tokens = [
            factories.make_key(factories.make_source(team), ["ingest"]).token for team in (ours, theirs)
        ]
        return cookie_of(person), tokens[0], tokens[1]

    cookies, ours, theirs = await sync_to_async(world)()
    socket = socket_of(cookies)
    await socket.connect()
    await sync_to_async(act)(theirs, "their_tool")
    await sync_to_async(act)(ours, "our_tool")
    assert [call["tool"] for call in await received(socket, 1)] == ["our_tool"]
    assert await socket.receive_nothing(timeout=1.2)
    await socket.disconnect()


async def test_who_was_away_too_long_is_told_so(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_BEHIND", 3)
    await sync_to_async(act)(token, *["lookup_order"] * 6)
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies, "after=1")
    await socket.connect()
    assert await socket.receive(WITHIN_S) == {"type": "gap", "position": 6}
    await socket.disconnect()


async def test_who_asked_for_little_is_told_all_of_it_however_much_else_came(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_BEHIND", 3)
    await sync_to_async(act)(token, "refund_order", *["lookup_order"] * 6)
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies, "after=0&tool=refund_order")
    await socket.connect()
    assert [call["tool"] for call in await received(socket, 1)] == ["refund_order"]
    await socket.disconnect()


@pytest.mark.parametrize("end", ["session", "person"])
async def test_an_ended_session_or_person_closes_the_socket(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.activity.consumers.RECHECK_EVERY_S", 0.2)

    def begin() -> tuple[dict[str, str], Principal]:
        person = factories.make_person(Role.OPERATOR)
        return cookie_of(person), person

    def finish(person: Principal) -> None:
        if end == "session":
            Session.objects.all().delete()
        else:
            type(person.person).objects.filter(pk=person.person.pk).update(is_active=False)

    cookies, person = await sync_to_async(begin)()
    socket = socket_of(cookies)
    assert await socket.connect() == 0
    await sync_to_async(finish)(person)
    closed = await socket.receive_output(timeout=WITHIN_S)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


async def test_after_the_channel_layer_was_away_a_reconnect_goes_on(token: str, settings: Any) -> None:
    """Channels ends a socket whose layer fails; the page connects again from where it was."""
    layers = settings.CHANNEL_LAYERS
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
        }
    }
    broken = socket_of(cookies)
    await broken.connect()
    await sync_to_async(act)(token, "lookup_order")
    with pytest.raises(RedisError):
        await broken.wait(WITHIN_S)
    settings.CHANNEL_LAYERS = layers
    again = socket_of(cookies, "after=0")
    await again.connect()
    assert [call["tool"] for call in await received(again, 1)] == ["lookup_order"]
    await again.disconnect()


def test_the_consumer_is_what_the_address_leads_to() -> None:
    from config.routing import websocket_urlpatterns

    assert [pattern.callback.consumer_class for pattern in websocket_urlpatterns] == [FeedConsumer]


def test_the_page_hands_its_position_to_the_script_as_a_plain_number(token: str) -> None:
    act(token, "lookup_order")
    ToolCall.objects.update(position=1_234_567)
    FeedPosition.objects.update(last=1_234_567)
    client = Client()
    client.force_login(
        factories.make_person(Role.OPERATOR).person, backend="apps.identity.auth.PersonBackend"
    )
    assert 'data-position="1234567"' in client.get("/feed/").content.decode()


def test_the_page_lists_nothing_beyond_the_position_its_socket_goes_on_from(token: str) -> None:
    """A call that is committed while the page is made is either listed or comes over the socket."""
    act(token, "listed")
    act(token, "came_meanwhile")
    FeedPosition.objects.update(last=1)
    client = Client()
    client.force_login(
        factories.make_person(Role.OPERATOR).person, backend="apps.identity.auth.PersonBackend"
    )
    page = client.get("/feed/").content.decode()
    assert 'data-position="1"' in page
    assert ("listed" in page, "came_meanwhile" in page) == (True, False)


async def test_from_the_beginning_no_more_is_replayed_than_to_anybody(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_BEHIND", 3)
    await sync_to_async(act)(token, *["lookup_order"] * 6)
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies, "after=0")
    await socket.connect()
    assert await socket.receive(WITHIN_S) == {"type": "gap", "position": 6}
    await socket.disconnect()


async def test_signing_out_closes_the_sockets_of_that_session_at_once() -> None:
    def begin() -> tuple[Client, Client]:
        person, clients = factories.make_person(Role.OPERATOR), (Client(), Client())
        for client in clients:
            client.force_login(person.person, backend="apps.identity.auth.PersonBackend")
        return clients

    leaving, staying = await sync_to_async(begin)()
    sockets = [
        socket_of({name: morsel.value for name, morsel in client.cookies.items()})
        for client in (leaving, staying)
    ]
    for socket in sockets:
        assert await socket.connect() == 0
    await sync_to_async(leaving.post)("/logout/")
    closed = await sockets[0].receive_output(timeout=WITHIN_S)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
    assert await sockets[1].receive_nothing(timeout=0.5)
    await sockets[1].disconnect()


@contextmanager
def broken(table: str) -> Iterator[None]:
    """A table the application cannot read: not an outage, a fault nobody foresaw."""
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            owner.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


async def test_a_feed_that_stumbles_closes_its_socket_instead_of_falling_silent() -> None:
    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies)
    assert await socket.connect() == 0
    with broken("activity_feedposition"):
        closed = await socket.receive_output(timeout=WITHIN_S)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1011)


async def test_a_database_that_was_away_for_a_moment_ends_neither_feed_nor_recheck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("apps.activity.consumers.RECHECK_EVERY_S", 0.1)

    def interrupt() -> int:
        """Whatever is asked waits and is then broken off, as in a failover; returns how often that was."""
        ended, until = 0, time.monotonic() + 1.5
        with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"]) as owner:
            owner.execute("LOCK TABLE django_session, activity_feedposition IN ACCESS EXCLUSIVE MODE")
            with psycopg.connect(os.environ["CHANCERY_TEST_DATABASE_URL"], autocommit=True) as admin:
                while time.monotonic() < until:
                    ended += len(admin.execute(CANCEL, [connection.settings_dict["NAME"]]).fetchall())
                    time.sleep(0.05)
        return ended

    cookies = await sync_to_async(lambda: cookie_of(factories.make_person(Role.OPERATOR)))()
    socket = socket_of(cookies)
    assert await socket.connect() == 0
    assert await asyncio.to_thread(interrupt) > 2
    assert await socket.receive_nothing(timeout=0.3)
    await sync_to_async(Session.objects.all().delete)()
    closed = await socket.receive_output(timeout=WITHIN_S)
    assert (closed["type"], closed["code"]) == ("websocket.close", 4401)


def test_what_pages_count_has_an_end(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    act(token, *["lookup_order"] * 5)
    actor = factories.make_person(Role.OPERATOR)
    assert (queries.pulse(actor).total, queries.pulse(actor).is_cut) == (5, False)
    monkeypatch.setattr(queries, "MOST_COUNTED", 3)
    assert (queries.pulse(actor).total, queries.pulse(actor).is_cut) == (3, True)

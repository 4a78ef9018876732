"""The feed as server-sent events, what many readers share, and what is told when more comes than anybody reads."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from apps.activity.consumers import message_of
from apps.activity.feed import Entry, FeedQuery, folded, read_entries, sight_of
from apps.activity.filters import HOLDS, CallFilter, holds_for
from apps.activity.models import Outcome, ToolCall
from apps.activity.tail import TAIL
from apps.activity.watching import Told, Watcher
from apps.activity.words.indexing import index_words
from apps.identity.models import ApiKey
from apps.identity.roles import Role, Scope
from config.asgi import application
from tests import factories
from tests.activity.otlp import drain, post, request, tool_span

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Django leaves the empty body of a request whose reader went away to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WITHIN_S, BEGINS_S = 5.0, 30.0  # the first request of a process loads every address


@pytest.fixture(autouse=True)
def _own_channel_layer(settings: Any) -> Iterator[None]:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    TAIL.__init__()  # type: ignore[misc]  # the database is empty again
    yield
    gc.collect()


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def act(token: str, *tools: str, **fields: Any) -> None:
    post(request([tool_span(tool, **fields) for tool in tools]), token)
    drain()


class Stream(ApplicationCommunicator):
    """One GET of the stream and what comes of it, event by event."""

    def __init__(self, key: str, query: str = "", last: int | None = None) -> None:
        headers = [(b"host", b"testserver"), (b"accept", b"text/event-stream")]
        headers += [(b"authorization", f"Bearer {key}".encode())] if key else []
        headers += [(b"last-event-id", str(last).encode())] if last is not None else []
        super().__init__(
            application,
            {
                "type": "http", "method": "GET", "path": "/api/v1/calls/stream", "raw_path": b"/api/v1/calls/stream",
                "query_string": query.encode(), "headers": headers, "http_version": "1.1", "scheme": "http",
                "server": ("testserver", 80), "client": ("127.0.0.1", 1),
            },
        )  # fmt: skip
        self.waiting: list[dict[str, str]] = []

    async def begin(self) -> tuple[int, str]:
        await self.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await self.receive_output(BEGINS_S)
        return start["status"], dict(start["headers"])[b"Content-Type"].decode()

    async def next(self, kind: str) -> dict[str, str]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                while self.waiting:
                    event = self.waiting.pop(0)
                    if event.get("event") == kind:
                        return event
                body = (await self.receive_output(WITHIN_S))["body"].decode()
                self.waiting += [
                    dict(line.split(": ", 1) for line in block.split("\n") if line)
                    for block in body.split("\n\n")
                    if block and not block.startswith(":")
                ]


def reading_key(role: Role = Role.OPERATOR, team: Any = None) -> str:
    return factories.make_key(factories.make_person(role, team), [Scope.READ]).token


async def test_calls_come_as_events_and_go_on_from_the_last_that_was_read(token: str) -> None:
    key = await sync_to_async(reading_key)()
    first = Stream(key)
    assert await first.begin() == (200, "text/event-stream")
    await sync_to_async(act)(token, "lookup_order")
    event = await first.next("call")
    assert orjson.loads(event["data"])["tool"] == "lookup_order"
    await first.send_input({"type": "http.disconnect"})
    await sync_to_async(act)(token, "refund_order", "lookup_order")
    again = Stream(key, "tool=refund_order", last=int(event["id"]))
    await again.begin()
    assert [orjson.loads((await again.next("call"))["data"])["position"]] == [2]
    await again.send_input({"type": "http.disconnect"})


async def test_a_revoked_key_ends_its_stream(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.activity.api.stream.RECHECK_S", 0.1)
    key = await sync_to_async(reading_key)()
    stream = Stream(key)
    await stream.begin()
    await ApiKey.objects.filter(scopes=[Scope.READ]).aupdate(revoked_at="2026-01-01T00:00:00Z")
    await stream.next("end")


@pytest.mark.parametrize(("query", "field"), [("after=x", "after"), ("outcome=fine", "outcome")])
async def test_what_is_not_understood_is_named(query: str, field: str) -> None:
    stream = Stream(await sync_to_async(reading_key)(), query)
    status, kind = await stream.begin()
    assert (status, kind.split(";")[0]) == (400, "application/problem+json")
    assert field in orjson.loads((await stream.receive_output(WITHIN_S))["body"])["fields"]


async def test_without_a_key_nothing_is_streamed() -> None:
    assert (await Stream("").begin())[0] == 401


async def test_however_many_watch_what_is_new_is_read_once(token: str) -> None:
    """Ten readers, three batches: three readings of calls, and each reader asks once about the one agent."""

    def watchers() -> list[Watcher]:
        team = factories.make_team()
        people = [factories.make_person(Role.VIEWER, team) for _ in range(10)]
        return [Watcher(FeedQuery(0, QueryDict()), lambda one=one: one) for one in people]

    readers = await sync_to_async(watchers)()
    with TAIL.reader():
        for reader in readers:
            assert await reader.refresh()
            await reader.next()
        queries = await sync_to_async(lambda: CaptureQueriesContext(connection).__enter__())()
        for _ in range(3):
            await sync_to_async(act)(token, "lookup_order")
            TAIL._hear({"position": await ToolCall.objects.acount()})
            for reader in readers:
                assert (await reader.next()).entries == []  # type: ignore[union-attr]  # another team's agent
        await sync_to_async(queries.__exit__)(None, None, None)
    told = await sync_to_async(lambda: [query["sql"] for query in queries.captured_queries])()
    assert len([sql for sql in told if '"position" >' in sql]) == 3
    assert len([sql for sql in told if "WHERE" in sql and '"agents_agent"."id" IN (' in sql]) <= 3 * 6 + 10


def test_an_agent_that_changes_hands_is_asked_about_again(token: str) -> None:
    team = factories.make_team()
    sight = sight_of(factories.make_person(Role.VIEWER, team))

    def seen() -> list[Entry]:
        act(token, "lookup_order")
        entries = read_entries(0, 100, 100)
        sight.ask(sight.unknown(entries))
        return sight.of(entries, lambda call: True)

    assert seen() == []
    agent = ToolCall.objects.get().agent
    type(agent).objects.filter(pk=agent.pk).update(team=team)  # type: ignore[union-attr, misc]
    assert len(seen()) == 2


@pytest.mark.parametrize(
    "query",
    ["outcome=allowed&outcome=flagged", "outcome=flagged", "tool=b", "status=error", "conversation=conv-1", "call_id=c-1",
     "after=2", "since=2000-01-01T00:00:00Z", "until=2000-01-01T00:00:00Z", "agent=00000000-0000-7000-8000-00000000dead", ""],
)  # fmt: skip
def test_the_feed_narrows_as_the_list_does(query: str, token: str) -> None:
    act(token, "a", "b", attributes={"gen_ai.tool.call.id": "c-1"})
    act(token, "b", error="down")
    given = QueryDict(query)
    listed = set(CallFilter(given, ToolCall.objects.all()).qs.values_list("pk", flat=True))
    assert {call.pk for call in ToolCall.objects.all() if holds_for(given)(call)} == listed
    assert set(HOLDS) == set(CallFilter.base_filters)


@pytest.mark.parametrize(
    "words",
    ["late", "late parcel", '"parcel late"', '"late parcel"', "-late", "a -late", "late or down", "b or parcel", "LATE", "lat",
     "ORD-7", "user@example.org", "nothing", "-", '"']
)  # fmt: skip
def test_words_narrow_the_feed_as_they_do_the_list(words: str, token: str) -> None:
    said = {"gen_ai.tool.call.arguments": '{"order": "ORD-7", "note": "parcel, late; ask user@example.org"}'}
    act(token, "a", attributes=said)
    act(token, "a", attributes={"gen_ai.tool.call.arguments": '{"order": "ORD-8"}'})
    act(token, "b", error="down")
    while index_words():
        continue
    given = QueryDict(mutable=True)
    given["q"] = words
    listed = set(CallFilter(given, ToolCall.objects.all()).qs.values_list("pk", flat=True))
    assert {call.pk for call in ToolCall.objects.all() if holds_for(given)(call)} == listed


async def test_nothing_piles_up_while_nobody_watches(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.activity.tail.KEPT", 3)
    with TAIL.reader():
        await sync_to_async(act)(token, "before")
        assert await TAIL.since(await TAIL.newest(0)) == []
    await sync_to_async(act)(token, *["unwatched"] * 6)
    with TAIL.reader():
        await asyncio.sleep(0.6)  # the position is looked up twice a second
        assert await TAIL.since(5) is None, "read by whoever stands that far back, not for all"
        assert await TAIL.since(TAIL.upto) == []


def entry(position: int, outcome: str) -> Entry:
    call = ToolCall(
        position=position, outcome=outcome, tool_name="t", started_at=SimpleNamespace(isoformat=str)
    )
    return Entry(call)


def test_of_more_than_anybody_reads_only_allowed_calls_are_folded() -> None:
    entries = [entry(at, Outcome.VIOLATION if at % 100 == 0 else Outcome.ALLOWED) for at in range(1, 1501)]
    told, left_out = folded(entries)
    assert left_out is not None
    assert (len(told) + left_out.calls, left_out.after, left_out.upto) == (1500, 0, 1500)
    assert [one.position for one in told if one.call.outcome == "violation"] == list(range(100, 1501, 100))
    assert folded(entries[:1000]) == (entries[:1000], None)
    message = orjson.loads(message_of(Told(1500, told[:0], left_out)))
    assert message["folded"] == {"calls": left_out.calls, "agents": 1, "after": 0, "upto": 1500}

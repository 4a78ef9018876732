"""The ingest door when the database is slow, shut or full, and when more comes than can be held."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from apps.activity.ingest import asgi, writer
from apps.activity.ingest.errors import NotDurable
from apps.activity.ingest.normalise import Batch, spans_of
from apps.activity.ingest.settings import IngestSettings
from apps.activity.models import OutboxItem, Resource, Span
from tests import factories
from tests.activity.otlp import PROTOBUF, attribute, drain, post, post_all, request, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
IMPATIENT = {"statement_timeout_s": 0.3, "commit_timeout_s": 1.0}


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Somebody holds the whole table, as a migration may."""
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"]) as owner:
        owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def forbidden(table: str) -> Iterator[None]:
    """The application may not write, as after a botched grant or on a standby."""
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"REVOKE INSERT ON {table} FROM chancery_app")
        try:
            yield
        finally:
            owner.execute(f"GRANT INSERT ON {table} TO chancery_app")


@pytest.mark.parametrize("fault", ["locked", "forbidden"])
def test_a_fault_of_the_database_is_not_the_exporters_and_loses_nothing(fault: str, token: str) -> None:
    bodies = [("/v1/traces", request([tool_span()]), {}) for _ in range(3)]
    with locked("activity_span") if fault == "locked" else forbidden("activity_span"):
        answers = post_all(bodies, token, **IMPATIENT)
        assert {answer.status_code for answer in answers} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert {answer.status_code for answer in post_all(bodies, token)} == {200}
    assert Span.objects.count() == 3


def test_a_look_up_of_a_key_has_an_end(token: str) -> None:
    with locked("identity_apikey"):
        answer = post_all([("/v1/traces", request([tool_span()]), {})], token, **IMPATIENT)[0]
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_what_nobody_foresaw_costs_neither_the_writer_nor_its_neighbours() -> None:
    good = spans_of(ExportTraceServiceRequest.FromString(request([tool_span()])), uuid.uuid4())
    odd = Batch(rows=[good.rows[0]._replace(attributes={"odd": object()})])

    async def write() -> list[Any]:
        taken = writer.Writer(IngestSettings(dsn=os.environ["DATABASE_URL"], writers=1))
        await taken.start()
        outcomes = await asyncio.gather(taken.write(odd), taken.write(good), return_exceptions=True)
        await taken.write(good)
        await taken.stop()
        return outcomes

    outcomes = asyncio.run(write())
    assert (type(outcomes[0]), outcomes[1]) == (NotDurable, None)
    assert Span.objects.count() == 1


async def ask(body: bytes, token: str, receive: Any) -> int:
    """One request by hand; `receive` gives the body. Returns the status."""
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", PROTOBUF.encode()),
               (b"content-length", str(len(body)).encode())]  # fmt: skip
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    await asgi.application(
        {"type": "http", "path": "/v1/traces", "method": "POST", "headers": headers}, receive, send
    )
    return int(sent[0]["status"])


def test_memory_is_set_aside_before_a_body_is_read(token: str) -> None:
    body = request([tool_span()])

    async def scene() -> tuple[int, bool, int, int]:
        await asgi.startup(IngestSettings(dsn=os.environ["DATABASE_URL"], max_queue_bytes=len(body) + 10))
        arrived, asked = asyncio.Event(), asyncio.Event()

        async def slowly() -> Any:
            await arrived.wait()
            return {"type": "http.request", "body": body}

        async def at_once() -> Any:
            asked.set()
            return {"type": "http.request", "body": body}

        first = asyncio.create_task(ask(body, token, slowly))
        while not asgi._door.budget.held:
            await asyncio.sleep(0.01)
        refused, was_read = await ask(body, token, at_once), asked.is_set()
        arrived.set()
        status = await first
        held = asgi._door.budget.held
        await asgi.shutdown()
        return refused, was_read, status, held

    assert asyncio.run(scene()) == (429, False, 200, 0)


def json_of(count: int) -> bytes:
    spans = [
        {"traceId": os.urandom(16).hex(), "spanId": os.urandom(8).hex(), "name": "x",
         "startTimeUnixNano": "1795425094374000000",
         "attributes": [{"key": f"k{at}", "value": {"stringValue": "v" * 20}} for at in range(20)]}
        for _ in range(count)
    ]  # fmt: skip
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def test_json_has_a_limit_of_its_own(token: str) -> None:
    answer = post_all(
        [("/v1/traces", json_of(100), {"content_type": "application/json"})], token, max_json_bytes=50_000
    )[0]
    assert (answer.status_code, "send smaller batches" in answer.json()["message"]) == (413, True)


def test_a_large_body_does_not_keep_a_small_one_waiting(token: str) -> None:
    async def scene() -> list[str]:
        await asgi.startup(IngestSettings(dsn=os.environ["DATABASE_URL"]))
        done: list[str] = []
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(asgi.application), base_url="http://door"
        ) as client:

            async def send(name: str, body: bytes, kind: str) -> None:
                answer = await client.post(
                    "/v1/traces", content=body, headers=headers | {"content-type": kind}
                )
                done.append(f"{name} {answer.status_code}")

            await send("first", request([tool_span()]), PROTOBUF)
            await asyncio.gather(
                send("large", json_of(2500), "application/json"),
                send("small", request([tool_span()]), PROTOBUF),
            )
        await asgi.shutdown()
        return done

    assert asyncio.run(scene()) == ["first 200", "small 200", "large 200"]


def test_any_number_of_resources_is_stored_and_a_bounded_number_remembered(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_RESOURCES", 3)
    groups = []
    for number in range(40):
        group = ResourceSpans(scope_spans=[ScopeSpans(spans=[tool_span()])])
        group.resource.attributes.append(attribute("service.name", f"service-{number}"))
        groups.append(group)
    body = ExportTraceServiceRequest(resource_spans=groups).SerializeToString()

    async def scene() -> int:
        await asgi.startup(IngestSettings(dsn=os.environ["DATABASE_URL"]))
        for _ in range(2):
            await ask(body, token, lambda: asyncio.sleep(0, {"type": "http.request", "body": body}))
        remembered = len(asgi._door.writer._known_resources)
        await asgi.shutdown()
        return remembered

    assert asyncio.run(scene()) == 3
    assert (Resource.objects.count(), Span.objects.count()) == (40, 40)


def test_many_spans_are_worked_off_in_rows_of_a_bounded_size(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_IN_OUTBOX_ROW", 4)
    post(request([tool_span() for _ in range(10)]), token)
    assert [len(item.span_ids) for item in OutboxItem.objects.order_by("pk")] == [4, 4, 2]
    drain()
    assert not OutboxItem.objects.exists()

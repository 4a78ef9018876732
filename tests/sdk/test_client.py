"""The client beside an agent: it asks, it tells, and whatever happens to it the agent goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chancery_sdk import AsyncClient, Call, Client
from chancery_sdk.tracing import child_of, extract, inject, new_traceparent

from tests.sdk.small_server import Chancery, serving

NOWHERE = "http://127.0.0.1:9"
CALL = Call("lookup_order", {"order_id": "A-17"}, call_id="call_1", agent="order_agent")


@pytest.fixture
def chancery() -> Iterator[Chancery]:
    with serving() as server:
        yield server


def test_what_is_told_arrives_as_cloudevents(chancery: Chancery) -> None:
    client = Client(chancery.url, "key", service="order-desk", interval_s=0.01)
    client.tool_started(CALL)
    client.tool_finished(CALL, error=RuntimeError("payment backend down"))
    client.outcome(conversation_id="c-1", resolved=True)
    assert client.close()
    assert [one["type"].removeprefix("ai.chancery.") for one in chancery.events] == [
        "tool_call.started", "tool_call.finished", "outcome",
    ]  # fmt: skip
    assert chancery.events[1]["data"]["error"] == {"type": "RuntimeError", "message": "payment backend down"}
    assert {(one["specversion"], one["source"]) for one in chancery.events} == {("1.0", "order-desk")}
    assert (client.counts.sent, client.counts.dropped) == (3, 0)


def test_events_are_sent_again_until_they_are_taken(chancery: Chancery) -> None:
    chancery.statuses = [503, 429]
    client = Client(chancery.url, "key", interval_s=0.01)
    client.tool_started(CALL)
    assert client.flush(10)
    assert len(chancery.events) == 1


def test_a_full_queue_drops_and_counts_and_holds_up_nobody() -> None:
    client = Client(NOWHERE, "key", most_waiting=10, interval_s=30, send_timeout_s=0.2)
    began = time.monotonic()
    for _ in range(500):
        client.tool_started(CALL)
    assert time.monotonic() - began < 2
    assert client.counts.dropped == 490
    assert client.flush(0.1) is False
    client.close(0)


@pytest.mark.parametrize(("fail_closed", "allowed"), [(False, True), (True, False)])
def test_when_nobody_answers_the_fallback_does(fail_closed: bool, allowed: bool) -> None:
    verdict = Client(NOWHERE, "key", fail_closed=fail_closed).decide(CALL)
    assert (verdict.allowed, verdict.asked, verdict.code) == (allowed, False, "sdk.not_asked")
    verdict = asyncio.run(AsyncClient(NOWHERE, "key", fail_closed=fail_closed).decide(CALL))
    assert (verdict.allowed, verdict.asked) == (allowed, False)


@pytest.mark.parametrize("fail_closed", [False, True])
def test_an_agent_that_the_server_does_not_know_is_refused(chancery: Chancery, fail_closed: bool) -> None:
    chancery.statuses = [404, 404, 503]
    client = Client(chancery.url, "key", fail_closed=fail_closed, agent_id="AGT-0412")
    verdict = client.decide(CALL)
    assert (verdict.allowed, verdict.code) == (False, "sdk.unknown_agent")
    assert "AGT-0412" in verdict.reason
    asking = AsyncClient(chancery.url, "key", fail_closed=fail_closed, agent_id="AGT-0412")
    assert asyncio.run(asking.decide(CALL)).code == "sdk.unknown_agent"
    assert client.decide(CALL).allowed is not fail_closed, "a server that stumbles leaves it to the fallback"


def test_a_slow_server_is_waited_for_until_the_deadline_only(chancery: Chancery) -> None:
    chancery.slow_s = 5
    client = AsyncClient(chancery.url, "key", decision_timeout_s=0.2)
    began = time.monotonic()
    assert asyncio.run(client.decide(CALL)).asked is False
    assert time.monotonic() - began < 2


def test_both_clients_ask_alike_in_any_event_loop(chancery: Chancery) -> None:
    refused = Call("refund_order", call_id="call_2", agent="refund_agent")
    options = {"agent_id": "AGT-0001", "agents": {"refund_agent": "AGT-0002"}}
    asking = AsyncClient(chancery.url, "key", **options)
    assert [asyncio.run(asking.decide(one)).allowed for one in (CALL, refused, CALL)] == [True, False, True]
    verdict = Client(chancery.url, "key", **options).decide(refused)
    assert (verdict.allowed, verdict.decision_id, verdict.words) == (
        False, "d-1", "Refused by Chancery: Not on the list.",
    )  # fmt: skip
    assert [one["agent"] for one in chancery.questions] == ["AGT-0001", "AGT-0002", "AGT-0001", "AGT-0002"]


def test_values_that_json_cannot_hold_are_told_as_words(chancery: Chancery) -> None:
    client = Client(chancery.url, "key", interval_s=0.01)
    loop: list[object] = []
    loop.append(loop)
    client.tool_started(Call("x", {"odd": {1, 2}, "when": object()}))
    client.tool_started(Call("x", loop))
    client.tool_finished(Call("x"), "y" * 1_000_000)
    assert client.close()
    assert len(chancery.events) == 2  # what refers to itself is dropped
    assert (client.counts.dropped, len(chancery.events[1]["data"]["result"])) == (1, 32_768)


def test_what_is_left_at_the_end_of_a_process_is_sent(chancery: Chancery) -> None:
    program = (
        "import os; from chancery_sdk import Client, Call\n"
        f"client = Client({chancery.url!r}, 'key', interval_s=60)\n"
        "client.tool_started(Call('parent'))\n"
        "if os.fork() == 0: client.tool_started(Call('child'))\n"
        "else: os.wait()\n"
    )
    source = str(Path(__file__).resolve().parents[2] / "sdk" / "src")
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": source})
    assert sorted(one["data"]["tool"] for one in chancery.events) == ["child", "parent"]


def test_a_hand_over_carries_its_trace(chancery: Chancery) -> None:
    client = Client(chancery.url, "key", interval_s=0.01)
    headers = client.handover("refund-agent", "refund A-17", conversation_id="c-1")
    assert client.close()
    assert chancery.events[0]["traceparent"] == headers["traceparent"]
    assert chancery.events[0]["data"]["to_agent"] == "refund-agent"


def test_trace_context_goes_from_agent_to_agent() -> None:
    carrier: dict[str, str] = {}
    begun = inject(carrier, new_traceparent())
    assert extract({"Traceparent": begun}) == carrier["traceparent"] == begun
    assert child_of(begun).split("-")[1] == begun.split("-")[1]
    assert child_of(begun) != begun
    assert extract({"traceparent": "00-zz"}) == ""


@pytest.mark.parametrize("url", ["ftp://x", "http://chancery.example", "chancery"])
def test_a_key_does_not_travel_in_the_clear(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url, "key")


def test_what_nobody_can_judge_is_refused_however_the_client_falls_back(chancery: Chancery) -> None:
    client = Client(chancery.url, "key", interval_s=30)
    assert client.decide(Call("pay", {"amount": float("nan")})).code == "sdk.unreadable"
    for status in (400, 413):
        chancery.statuses = [status]
        verdict = client.decide(Call("pay", {"amount": 1}))
        assert (verdict.allowed, verdict.code) == (False, "sdk.unreadable")
    chancery.statuses = [503]
    assert client.decide(CALL).allowed
    client.close(0)

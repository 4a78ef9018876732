"""Further ways in, as their senders meet them: CloudEvents, hooks, OpenAI's traces, metrics."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from apps.activity.models import OutboxItem, Span, ToolCall
from apps.identity.roles import Role
from tests import factories
from tests.activity.otlp import drain, post, post_all, request, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
EVENTS = "/api/v1/events"
SENSELESS = (b"", b"{", b"5", b"[1]", b'{"data":5}', b'{"data":[5]}', b'{"hook_event_name":1}', b"[" * 9000)
DOORS = (EVENTS, "/v1/hooks/claude-code", "/v1/hooks/codex", "/v1/traces/ingest", "/v1/metrics")


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def event(what: str = "tool_call.finished", **data: Any) -> dict[str, Any]:
    """An event of now; `data` over what a call of lookup_order would say."""
    told = {"tool": "lookup_order", "call_id": "call_1", "conversation_id": "conv-1", "agent": "order_agent"}
    return {
        "specversion": "1.0", "id": str(uuid4()), "source": "order-desk", "type": f"ai.chancery.{what}",
        "time": datetime.now(UTC).isoformat(), "data": told | data,
    }  # fmt: skip


def send(body: Any, token: str, kind: str = STRUCTURED, **headers: str) -> Any:
    return post(json.dumps(body).encode(), token, path=EVENTS, content_type=kind, **headers)


def test_events_of_one_call_become_one_call(token: str) -> None:
    told = [
        event("tool_call.started", arguments={"order_id": "A-17"}),
        event(result="shipped", duration_ms=12.5),
    ]
    answer = send(told, token, BATCH)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    assert set(Span.objects.values_list("signal", flat=True)) == {"event"}
    drain()
    call = ToolCall.objects.select_related("agent").get()
    assert (call.tool_name, call.status, call.arguments, call.result, call.sources) == (
        "lookup_order", "ok", {"order_id": "A-17"}, "shipped", ["event"],
    )  # fmt: skip
    assert (call.agent.name, call.service_name, call.ran) == ("order_agent", "order-desk", True)


def test_an_event_and_the_span_of_the_same_call_are_one_call(token: str) -> None:
    span = tool_span(attributes={"gen_ai.tool.call.id": "call_1", "gen_ai.tool.call.result": "shipped"})
    post(request([span]), token)
    send(event("tool_call.started", arguments={"order_id": "A-17"}), token)
    drain()
    call = ToolCall.objects.get()
    assert (call.sources, call.arguments, call.result) == (
        ["event", "span"],
        {"order_id": "A-17"},
        "shipped",
    )


def test_an_event_sent_again_is_stored_once(token: str) -> None:
    same = event()
    for body, kind in ((same, STRUCTURED), ([same, same], BATCH), (same, STRUCTURED)):
        assert send(body, token, kind).status_code == 200
    assert Span.objects.count() == 1
    assert sum(len(item.span_ids) for item in OutboxItem.objects.all()) == 1


def test_an_event_of_an_agent_that_the_key_may_not_speak_for_is_refused_and_named() -> None:
    team = factories.make_team()
    own, other = factories.make_agent(team=team), factories.make_agent(team=factories.make_team())
    teams = factories.make_key(factories.make_source(team), ["ingest"]).token
    names = [own.ref, str(own.pk), own.slug, other.ref, "AGT-9999", ""]
    events = [event(agent_id=name, call_id=f"call_{at}") for at, name in enumerate(names)]
    answer = send(events, teams, BATCH).json()
    assert (answer["accepted"], answer["rejected"]) == (4, 2)
    refused = [one for one in answer["results"] if one["status"] == "rejected"]
    assert [one["id"] for one in refused] == [events[3]["id"], events[4]["id"]]
    assert {(one["code"], *one["fields"]) for one in refused} == {("ingest.agent_not_yours", "agent_id")}
    drain()
    told = ToolCall.objects.exclude(call_id="call_5").values_list("agent_id", flat=True)
    assert list(told) == [own.pk] * 3, "a slug names its agent as well"
    itself = factories.make_key(own.principal, ["ingest"]).token
    single = send(event(agent_id=other.ref), itself)
    assert (single.status_code, single.json()["code"], set(single.json()["fields"])) == (
        400, "ingest.agent_not_yours", {"agent_id"},
    )  # fmt: skip
    assert send(event(agent_id=own.ref), itself).status_code == 200


def test_binary_mode_is_understood(token: str) -> None:
    headers = {
        "ce_id": "e-1", "ce_source": "order%20desk", "ce_type": "ai.chancery.tool_call.denied", "ce_specversion": "1.0",
        "ce_time": "2026-11-23T09:11:55Z", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }  # fmt: skip
    data = {"tool": "refund_order", "agent": "order_agent", "reason": "Not on the list."}
    assert send(data, token, "application/json", **headers).status_code == 200
    stored = Span.objects.get()
    assert (stored.service_name, stored.status, bytes(stored.trace_id).hex()) == (
        "order desk",
        "denied",
        "4bf92f3577b34da6a3ce929d0e0e4736",
    )
    drain()
    call = ToolCall.objects.get()
    assert (call.status, call.outcome, call.error_message) == ("denied", "blocked", "Not on the list.")


def test_each_event_of_a_batch_has_its_own_result(token: str) -> None:
    odd = [event() | {"type": "com.example"}, event() | {"time": "noon"}, event(tool=""), 5]
    answer = send([event(), *odd], token, BATCH).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 4)
    assert [one["status"] for one in answer["results"]] == ["accepted", *["rejected"] * 4]
    assert "com.example" in answer["results"][1]["detail"]
    assert Span.objects.count() == 1


def test_events_are_in_the_api_s_own_description_as_they_are(token: str, client: Any) -> None:
    client.force_login(factories.make_person(Role.VIEWER).person, backend="apps.identity.auth.PersonBackend")
    told = client.get("/api/v1/schema?format=json").json()
    door = told["paths"][EVENTS]["post"]
    asked, answered = (
        told["components"]["schemas"][name] for name in ("ActivityEvent", "ActivityEventsTaken")
    )
    jsonschema.validate(event(), asked)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(event() | {"type": "com.example"}, asked)
    answer = send([event(), event() | {"time": "noon"}], token, BATCH).json()
    jsonschema.validate(answer, answered | {"components": told["components"]})
    refused = {
        send(event(), "").status_code,
        send({}, token).status_code,
        send(event(), token, "text/plain").status_code,
    }
    assert {*map(str, refused), "200"} <= door["responses"].keys()


def test_a_single_event_that_is_wrong_is_refused_as_a_problem(token: str) -> None:
    answer = send(event() | {"specversion": "0.3"}, token)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "ingest.malformed"
    assert not Span.objects.exists()


def test_an_outcome_is_kept_as_it_is(token: str) -> None:
    send(event("outcome", tool=None, name="resolved", value=1), token)
    stored = Span.objects.get()
    assert (stored.kind, stored.conversation_id, stored.attributes["name"]) == (
        "outcome",
        "conv-1",
        "resolved",
    )
    drain()
    assert not ToolCall.objects.exists()


def test_a_hand_over_is_a_call_of_the_other_agent(token: str) -> None:
    send(event("handover", to_agent="refund-agent", task="refund A-17"), token)
    drain()
    call = ToolCall.objects.get()
    assert (call.mcp_server, call.tool_name, call.arguments) == (
        "agent",
        "refund-agent",
        {"_raw": "refund A-17"},
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_refusal_that_is_only_claimed_hides_no_run(order: tuple[int, int], token: str) -> None:
    """The run is judged as one, for no decision here refused it; the claim stays visible in the status."""
    span = tool_span(attributes={"gen_ai.tool.call.id": "call_1", "gen_ai.tool.call.result": "shipped"})
    ways = (
        lambda: post(request([span]), token),
        lambda: send(event("tool_call.denied", reason="no"), token),
    )
    for at in order:
        ways[at]()
        drain()
    call = ToolCall.objects.get()
    assert (call.status, call.outcome, call.is_refused, call.ran) == ("denied", "allowed", True, True)


def test_no_door_opens_without_a_key_that_may_report() -> None:
    reader = factories.make_key(factories.make_source(), ["read"]).token
    kind = {"content_type": "application/json"}
    for path in DOORS:
        answers = post_all([(path, b"{}", kind), (path, b"{}", kind | {"authorization": "Bearer x"})], reader)
        assert [answer.status_code for answer in answers] == [403, 401], path
        assert post(b"{}", reader, path=path, method="GET").status_code == 405
    assert not Span.objects.exists()


def test_what_makes_no_sense_is_refused_in_words(token: str) -> None:
    kind = {"content_type": "application/json"}
    for answer in post_all([(path, body, kind) for path in DOORS[:-1] for body in SENSELESS], token):
        told = answer.json()
        assert answer.status_code == 400 or told["rejected"]
        assert told.get("detail") or told["results"][0]["detail"]
    assert not Span.objects.exists()


def test_a_hook_that_refused_makes_the_call_blocked(token: str) -> None:
    told = {
        "hook_event_name": "PreToolUse", "session_id": "s-1", "tool_name": "mcp__orders__refund_order",
        "tool_input": {"order_id": "A-17"}, "tool_use_id": "toolu_1",
        "chancery": {"at": "2026-11-23T09:11:55Z", "verdict": {"outcome": "deny", "reason": "Not on the list."}},
    }  # fmt: skip
    for _ in range(2):
        post(json.dumps(told).encode(), token, path="/v1/hooks/claude-code", content_type="application/json")
    assert Span.objects.count() == 1
    drain()
    call = ToolCall.objects.select_related("agent").get()
    assert (call.mcp_server, call.tool_name, call.status, call.outcome, call.agent.name) == (
        "orders", "refund_order", "denied", "blocked", "claude-code",
    )  # fmt: skip


ODD: tuple[Any, ...] = (
    None, True, 5, -1.5, 1e308, 2**63, "", "\x00", "\ud83d\ude00" * 9, [], [[]], {}, {"a": [None]}, "x" * 70_000,
    {"\x00": "\x00"},
)  # fmt: skip


FIELDS = (
    "call_id", "conversation_id", "agent", "agent_id", "service", "mcp_server", "error", "duration_ms", "arguments",
    "result", "reason", "model", "framework", "cloudevent",
)  # fmt: skip


def test_odd_data_are_kept_or_refused_and_hold_up_nothing(token: str) -> None:
    told = [
        event(what, to_agent="b", **{field: value})
        for what in ("tool_call.finished", "handover")
        for field in FIELDS
        for value in ODD
    ]
    early = [
        event(duration_ms=9e9) | {"time": time} for time in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
    ]
    answer = send([*told, *early], token, BATCH)
    assert (answer.status_code, len(answer.json()["results"])) == (200, len(told) + 2)
    refused = [one for one in answer.json()["results"][: len(told)] if one["status"] == "rejected"]
    assert {one.get("code") for one in refused} == {"ingest.agent_not_yours"}, "an odd agent_id is nobody's"
    assert len(refused) <= 2 * len(ODD)
    drain()
    assert not OutboxItem.objects.exists()
    assert ToolCall.objects.exists()

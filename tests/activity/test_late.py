"""Ancestors that come after the calls below them were settled: whose the calls are, and that one call stays one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.activity.models import OutboxItem, RollupMark, ToolCall
from apps.activity.pipeline import runner, store
from apps.agents.models import Agent, Dependency, ObservedTool
from apps.identity.roles import Role
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.policies import set_tool_policy
from tests import factories
from tests.activity.otlp import drain, post, request, span, tool_span
from tests.activity.test_joining import SCOPE, TRACE, of_kind
from tests.activity.test_ways import event, send

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = b"r" * 8


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def tool_below(parent: bytes, number: int = 1) -> Any:
    arguments = json.dumps({"number": number})
    told = {"tool__name": "refund_order", "input__value": arguments, "tool_call__id": f"call_{number}"}
    return of_kind("TOOL", number.to_bytes(8), parent, **told)


def settled_without_root(token: str, calls: int = 1) -> None:
    post(request([tool_below(ROOT, number) for number in range(1, calls + 1)], scope=SCOPE), token)
    drain()
    for _ in range(0, calls, 500):
        runner.settle(timezone.now() + timedelta(seconds=30))
    assert set(ToolCall.objects.values_list("agent__name", flat=True)) == {"order-desk"}


def root_comes(token: str, **told: Any) -> None:
    post(request([of_kind("AGENT", ROOT, agent__name="order_agent", **told)], scope=SCOPE), token)
    drain()


def uses() -> dict[str, int]:
    rows = ObservedTool.objects.filter(tool_name="refund_order", calls__gt=0)
    return dict(rows.values_list("agent__name", "calls"))


def test_a_root_that_comes_late_moves_settled_calls_with_what_they_counted(token: str) -> None:
    settled_without_root(token, 3)
    before = list(ToolCall.objects.order_by("pk").values_list("position", flat=True))
    guessed = Agent.objects.get(name="order-desk")
    RollupMark.objects.all().delete()
    root_comes(token, session__id="conv-7")
    told = ToolCall.objects.order_by("pk").values_list(
        "agent__name", "conversation_id", "outcome", "is_guess"
    )
    assert set(told) == {("order_agent", "conv-7", "allowed", False)}
    assert uses() == {"order_agent": 3}
    named = Agent.objects.get(name="order_agent")
    assert dict(Dependency.objects.values_list("source_id", "calls")) == {guessed.pk: 0, named.pk: 3}
    marked = set(RollupMark.objects.filter(of="calls").values_list("agent_id", flat=True))
    assert marked == {guessed.pk, named.pk}
    assert min(ToolCall.objects.values_list("position", flat=True)) > max(before)
    after = set(ToolCall.objects.values_list("pk", "position"))
    root_comes(token, session__id="conv-7")
    assert (set(ToolCall.objects.values_list("pk", "position")), uses()) == (after, {"order_agent": 3})


def test_a_denial_meets_its_call_once_the_root_says_whose_it_is(token: str) -> None:
    post(request([tool_span()]), token)
    drain()
    agent, admin = Agent.objects.get(name="order_agent"), factories.make_person(Role.ADMINISTRATOR)
    set_tool_policy(agent, ["lookup_order"], reason="", version=0, actor=admin)
    assert decide(agent, Question("refund_order", call_id="call_1"), actor=admin).outcome == "deny"
    ToolCall.objects.all().delete()
    settled_without_root(token)
    assert ToolCall.objects.get().outcome == "allowed"
    root_comes(token)
    call = ToolCall.objects.get()
    assert (call.agent_id, call.status, call.outcome) == (agent.pk, "denied", "blocked")


def test_an_agent_that_was_told_is_not_taken_away_by_a_later_root(token: str) -> None:
    post(
        request([of_kind("AGENT", b"p" * 8, ROOT, agent__name="inner"), tool_below(b"p" * 8)], scope=SCOPE),
        token,
    )
    drain()
    root_comes(token, session__id="conv-7")
    assert ToolCall.objects.values_list("agent__name", "conversation_id").get() == ("inner", "conv-7")
    assert uses() == {"inner": 1}


def test_a_span_without_conversation_meets_the_event_of_its_call_when_its_parent_comes(token: str) -> None:
    ids = {"trace_id": TRACE, "span_id": b"a" * 8, "parent_span_id": b"p" * 8}
    named = {"gen_ai.conversation.id": "", "gen_ai.tool.call.id": "call_1"}
    post(request([tool_span(attributes=named, **ids)], scope="gcp.vertex.agent"), token)
    drain()
    send(event(result="shipped"), token)
    drain()
    assert (ToolCall.objects.count(), ObservedTool.objects.get().calls) == (2, 2)
    parent = span("invoke_agent", {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "conv-1"},
                  trace_id=TRACE, span_id=b"p" * 8)  # fmt: skip
    post(request([parent], scope="gcp.vertex.agent"), token)
    drain()
    call = ToolCall.objects.get()
    assert (call.sources, call.conversation_id, call.result) == (["event", "span"], "conv-1", "shipped")
    assert ObservedTool.objects.get().calls == 1


def test_more_calls_than_one_step_takes_all_follow_a_late_root(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_LATE", 20)
    settled_without_root(token, 60)
    root_comes(token)
    assert uses() == {"order_agent": 60}
    assert not ToolCall.objects.exclude(agent__name="order_agent").exists()
    assert not OutboxItem.objects.exists()


def test_what_a_late_ancestor_says_comes_whole_or_not_at_all(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends before its step is committed leaves everything as it was; the next one does it once."""
    settled_without_root(token, 3)

    class Ended(BaseException):
        pass

    def end(*_: Any) -> None:
        raise Ended

    with monkeypatch.context() as patched:
        patched.setattr(store, "finish_outbox", end)
        with pytest.raises(Ended):
            root_comes(token)
    assert uses() == {"order-desk": 3}
    drain()
    assert uses() == {"order_agent": 3}

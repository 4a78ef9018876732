"""One call told under several credentials: the agent's own key, its team's, a stranger's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.activity.models import CallKey, OutboxItem, ToolCall
from apps.activity.pipeline import runner
from apps.activity.pipeline.step import step
from apps.agents.models import Agent, ObservedTool
from apps.identity.models import Team
from tests import factories
from tests.activity.otlp import drain, post, request, span, tool_span
from tests.activity.test_joining import TRACE
from tests.activity.test_ways import event, send

pytestmark = pytest.mark.django_db(transaction=True)
CALL = {"gen_ai.tool.call.id": "toolu_1", "gen_ai.conversation.id": "s-1"}


@pytest.fixture
def team() -> Team:
    return factories.make_team()


@pytest.fixture
def agent(team: Team) -> Agent:
    return factories.make_agent(team=team, name="Order desk")


def key_of(principal: Any) -> str:
    return factories.make_key(principal, ["ingest"]).token


def hook(token: str, **told: Any) -> None:
    said = {
        "hook_event_name": "PostToolUse", "session_id": "s-1", "tool_name": "lookup_order", "tool_use_id": "toolu_1",
        "tool_input": {"order": 7}, "tool_response": "shipped",
    } | told  # fmt: skip
    answer = post(
        json.dumps(said).encode(), token, path="/v1/hooks/claude-code", content_type="application/json"
    )
    assert answer.status_code == 200


def telemetry(token: str, **declared: str) -> None:
    told = CALL | {name.replace("__", "."): value for name, value in declared.items()}
    one = tool_span(attributes=told, trace_id=TRACE, span_id=b"a" * 8)
    assert post(request([one]), token).status_code == 200


@pytest.mark.parametrize("order", [("hook", "telemetry"), ("telemetry", "hook"), ("both", "hook")])
def test_a_hook_under_the_agents_key_and_telemetry_under_the_teams_are_one_call(
    order: tuple[str, str], agent: Agent, team: Team
) -> None:
    own, teams = key_of(agent.principal), key_of(factories.make_source(team))
    for way in order:
        if way in ("hook", "both"):
            hook(own)
        if way in ("telemetry", "both"):
            telemetry(teams)
        drain()
    call = ToolCall.objects.get()
    assert (call.agent_id, call.sources, call.is_bound) == (agent.pk, ["hook", "span"], True)
    assert (call.arguments, call.result, bytes(call.trace_id)) == ({"order": 7}, "shipped", TRACE)
    counted = ObservedTool.objects.filter(calls__gt=0).values_list("agent_id", "calls")
    assert list(counted) == [(agent.pk, 1)], "what the telemetry's own agent counted went with the call"
    assert call.outcome == "allowed"


@pytest.mark.parametrize("stranger_first", [True, False])
def test_a_strangers_report_with_the_same_ids_is_another_call(
    stranger_first: bool, agent: Agent, team: Team
) -> None:
    stranger = key_of(factories.make_source(factories.make_team()))
    ways = [lambda: hook(key_of(agent.principal)), lambda: telemetry(stranger, chancery__agent__id=agent.ref)]
    for way in reversed(ways) if stranger_first else ways:
        way()
        drain()
    assert ToolCall.objects.count() == 2
    assert ToolCall.objects.get(agent=agent).sources == ["hook"]


def test_nor_does_an_agents_own_key_reach_into_a_team_mates_call(agent: Agent, team: Team) -> None:
    mate = factories.make_agent(team=team, name="Refund desk")
    for one in (agent, mate):
        hook(key_of(one.principal))
        drain()
    telemetry(key_of(factories.make_source(team)), chancery__agent__id=mate.ref)
    drain()
    told = ToolCall.objects.order_by("pk").values_list("agent_id", "sources")
    assert list(told) == [(agent.pk, ["hook"]), (mate.pk, ["hook", "span"])]


def test_nor_do_teamless_credentials_meet(agent: Agent) -> None:
    for _ in range(2):
        telemetry(key_of(factories.make_source()))
        drain()
    assert ToolCall.objects.count() == 2


def test_a_call_settled_without_its_root_joins_the_hook_when_the_root_comes(agent: Agent, team: Team) -> None:
    teams, root = key_of(factories.make_source(team)), b"r" * 8
    nameless = CALL | {"gen_ai.conversation.id": "", "gen_ai.agent.name": ""}
    below = tool_span(attributes=nameless, trace_id=TRACE, span_id=b"a" * 8, parent_span_id=root)
    post(request([below]), teams)
    drain()
    runner.settle(ToolCall.objects.get().started_at.replace(year=ToolCall.objects.get().started_at.year + 1))
    settled = ToolCall.objects.get()
    hook(key_of(agent.principal))
    drain()
    assert ToolCall.objects.count() == 2
    told = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": "s-1",
        "gen_ai.agent.name": "desk",
    }
    post(request([span("invoke_agent", told, trace_id=TRACE, span_id=root)]), teams)
    drain()
    call = ToolCall.objects.get()
    assert (call.pk, call.agent_id, call.sources) == (settled.pk, agent.pk, ["hook", "span"])
    assert set(CallKey.objects.values_list("call_id", flat=True)) == {call.pk}


def test_a_step_asks_as_much_for_many_calls_of_many_credentials_as_for_few(agent: Agent, team: Team) -> None:
    own, teams = key_of(agent.principal), key_of(factories.make_source(team))

    def asked(calls: range) -> int:
        for number in calls:
            hook(own, tool_use_id=f"toolu_{number}")
        send(
            [event(call_id=f"toolu_{n}", conversation_id="s-1", agent="desk") for n in calls],
            teams,
            "application/cloudevents-batch+json",
        )
        with CaptureQueriesContext(
            connection,
        ) as queries:
            step(list(OutboxItem.objects.values_list("pk", flat=True)))
        return len(queries)

    asked(range(1))
    assert asked(range(10, 12)) == asked(range(20, 40))
    assert ToolCall.objects.count() == 23

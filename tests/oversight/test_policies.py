"""A policy names a tool with its server, the same for the question before and the verdict after."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps.activity.models import ToolCall
from apps.activity.signals import calls_recorded
from apps.agents.models import Agent
from apps.agents.services.discovery import ToolUse, record_tool_uses
from apps.agents.services.merging import merge_agents
from apps.agents.toolnames import ToolName, tool_named
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import InvalidInput, StaleWrite
from apps.oversight.models import Decision, ToolPolicy
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.policies import drop_tool_policy, set_tool_policy
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Principal:
    return factories.make_person(Role.OPERATOR)


@pytest.fixture
def agent() -> Agent:
    return factories.make_agent("production", tier=1)


def judged(agent: Agent, tool: str, server: str = "") -> str:
    call = ToolCall.objects.create(
        position=1, agent=agent, source_id=agent.principal_id, trace_id=b"t" * 16, span_id=b"s" * 8,
        started_at=timezone.now(), tool_name=tool, mcp_server=server, status="ok",
    )  # fmt: skip
    calls_recorded.send(sender=ToolCall, calls=[call])
    call.refresh_from_db()
    return "allow" if call.outcome == "allowed" else call.outcome_code


@pytest.mark.parametrize(
    ("name", "server", "meant"),
    [
        ("alpha", "", ToolName("", "alpha")),
        ("alpha", "good", ToolName("good", "alpha")),
        ("good/alpha", "", ToolName("good", "alpha")),
        ("mcp__good__alpha", "", ToolName("good", "alpha")),
        ("mcp__evil__alpha", "good", ToolName("evil", "alpha")),
        ("alpha", "a/b", ToolName("a/b", "alpha")),
    ],
)
def test_a_name_means_one_tool_and_is_read_back_as_it_was_written(
    name: str, server: str, meant: ToolName
) -> None:
    assert tool_named(name, server) == meant
    assert tool_named(str(meant)) == meant


@pytest.mark.parametrize(
    ("allowed", "asked", "answer"),
    [
        ("alpha", ("alpha", ""), "allow"),
        ("alpha", ("mcp__evil__alpha", ""), "deny"),
        ("alpha", ("alpha", "evil"), "deny"),
        ("good/alpha", ("mcp__good__alpha", ""), "allow"),
        ("mcp__good__alpha", ("alpha", "good"), "allow"),
        ("good/alpha", ("mcp__evil__alpha", ""), "deny"),
        ("good/alpha", ("alpha", ""), "deny"),
    ],
)
def test_the_question_and_the_verdict_agree(
    allowed: str, asked: tuple[str, str], answer: str, agent: Agent, operator: Principal
) -> None:
    set_tool_policy(agent, [allowed], actor=operator)
    assert decide(agent, Question(*asked), actor=operator).outcome == answer
    expected = "allow" if answer == "allow" else "policy.tool_not_allowed"
    named = tool_named(*asked)
    assert judged(agent, named.tool, named.server) == expected


def test_the_form_offers_a_tool_of_each_server_by_itself(agent: Agent, operator: Principal) -> None:
    now = timezone.now()
    record_tool_uses([ToolUse(agent.pk, "alpha", server, 1, now, now) for server in ("good", "evil")])
    from django.test import Client

    client = Client()
    client.force_login(operator.person, backend="apps.identity.auth.PersonBackend")
    page = client.get(f"/agents/{agent.pk}/tools/policy/").content.decode()
    assert 'value="good/alpha"' in page
    assert 'value="evil/alpha"' in page
    client.post(f"/agents/{agent.pk}/tools/policy/", {"seen": ["good/alpha"], "version": 0})
    assert ToolPolicy.objects.get().allowed_tools == ["good/alpha"]


def test_a_policy_set_after_a_drop_is_not_the_one_before(agent: Agent, operator: Principal) -> None:
    client = factories.client_of(operator)
    url = f"/api/v1/agents/{agent.pk}/tool-policy"
    first = client.put(url, {"allowed_tools": ["alpha"]})
    dropped = client.delete(url, {"reason": "A trial."}, headers={"If-Match": first["ETag"]})
    assert (dropped.status_code, client.get(url).status_code) == (204, 404)
    assert decide(agent, Question("beta"), actor=operator).code == "policy.none"
    second = client.put(url, {"allowed_tools": ["beta"]})
    assert second["ETag"] != first["ETag"]
    stale = client.put(url, {"allowed_tools": ["gamma"]}, headers={"If-Match": first["ETag"]})
    assert stale.status_code == 412
    assert ToolPolicy.objects.get().allowed_tools == ["beta"]


def test_dropping_a_policy_that_was_changed_meanwhile_is_refused(agent: Agent, operator: Principal) -> None:
    set_tool_policy(agent, ["alpha"], actor=operator)
    set_tool_policy(agent, ["beta"], actor=operator)
    with pytest.raises(StaleWrite):
        drop_tool_policy(agent, actor=operator, reason="A trial.", version=1)
    with pytest.raises(InvalidInput) as refused:
        drop_tool_policy(agent, actor=operator, reason=" ", version=2)
    assert set(refused.value.fields) == {"reason"}
    assert ToolPolicy.objects.get().allowed_tools == ["beta"]


def test_what_was_merged_is_answered_as_what_it_was_merged_into(agent: Agent, operator: Principal) -> None:
    duplicate = factories.make_agent("production", tier=1)
    curator = factories.make_person(Role.CURATOR)
    merge_agents(agent, duplicate, actor=curator, reason="The same program.")
    set_tool_policy(agent, ["alpha"], actor=operator)
    client = factories.client_of(duplicate.principal, "decide")
    asked = client.post("/api/v1/decisions", {"tool": "beta"})
    assert (asked.json()["outcome"], asked.json()["agent"]["id"]) == ("deny", str(agent.pk))
    assert Decision.objects.get().agent == agent

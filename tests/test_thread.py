"""The main job, from an unknown agent's first call to its stop, over the doors its users have."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.activity.models import ToolCall
from apps.agents.models import Agent
from apps.compliance.models import Finding
from apps.identity.models import LedgerEntry
from apps.identity.roles import Role
from tests import factories
from tests.activity.otlp import drain, post, request, span, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
TOOLS = ["lookup_order", "refund_order"]
RISK = {"data_sensitivity": 3, "decision_authority": 3, "blast_radius": 2, "regulatory_exposure": 2}


class Cast:
    """The people of the thread, each with a REST client of their own."""

    def __init__(self) -> None:
        self.administrator = factories.client_of(factories.make_person(Role.ADMINISTRATOR))
        self.curator = factories.client_of(factories.make_person(Role.CURATOR))
        self.operator = factories.client_of(factories.make_person(Role.OPERATOR))
        self.compliance = factories.client_of(factories.make_person(Role.COMPLIANCE))
        self.owner, self.deputy = factories.make_person(Role.OWNER), factories.make_person(Role.OWNER)


def ok(response: Any, status: int = 200) -> Any:
    assert response.status_code == status, response.content
    return response.json()


def mint(cast: Cast) -> str:
    minted = ok(cast.administrator.post("/api/v1/api-keys", {"name": "Order desk"}), 201)
    assert minted["token"].startswith("chy_")
    assert minted["scopes"] == ["ingest"]
    assert "token" not in ok(cast.administrator.get(f"/api/v1/api-keys/{minted['id']}"))
    return str(minted["token"])


def act(token: str, *tools: str) -> None:
    chat = span(
        "chat m",
        {"gen_ai.operation.name": "chat", "gen_ai.agent.name": "order_agent", "gen_ai.response.model": "m-1"},
    )
    assert post(request([chat, *(tool_span(tool) for tool in tools)]), token).status_code == 200
    drain()


def adopt(cast: Cast, agent_id: str) -> dict[str, Any]:
    body = {"owner": str(cast.owner.pk), "deputy": str(cast.deputy.pk), "purpose": "Refunds orders."} | RISK
    return ok(cast.curator.post(f"/api/v1/agents/{agent_id}/adopt", body))  # type: ignore[no-any-return]


def certify(cast: Cast, agent_id: str) -> dict[str, Any]:
    controls = ok(cast.compliance.get("/api/v1/frameworks/eu-ai-act"))["controls"]
    body = {
        "framework": "eu-ai-act", "evidence": "Supervised trial.",
        "controls": {control["code"]: {"result": "pass"} for control in controls},
    }  # fmt: skip
    return ok(cast.compliance.post(f"/api/v1/agents/{agent_id}/certifications", body), 201)  # type: ignore[no-any-return]


def move(client: APIClient, agent_id: str, name: str, reason: str = "") -> Any:
    return client.post(f"/api/v1/agents/{agent_id}/transitions", {"move": name, "reason": reason})


def ask(cast: Cast, agent_id: str, tool: str) -> dict[str, Any]:
    return ok(cast.operator.post("/api/v1/decisions", {"agent": agent_id, "tool": tool}))  # type: ignore[no-any-return]


def test_an_agent_from_its_first_call_to_its_stop_and_back() -> None:
    cast = Cast()
    token = mint(cast)
    act(token, *TOOLS)

    found = ok(cast.curator.get("/api/v1/agents", {"state": "discovered"}))["results"]
    assert [agent["name"] for agent in found] == ["order_agent"]
    agent_id = found[0]["id"]
    evidence = ok(cast.curator.get(f"/api/v1/agents/{agent_id}/evidence"))
    assert {tool["tool_name"] for tool in evidence["tools"]} == set(TOOLS)
    assert evidence["models"][0]["model"] == "m-1"

    adopted = adopt(cast, agent_id)
    assert (adopted["state"], adopted["tier"], adopted["owner"]["id"]) == (
        "registered",
        3,
        str(cast.owner.pk),
    )
    assert (
        adopted["risk"]["sentence"] == "Tier 3 High, because of its data sensitivity and decision authority."
    )

    ok(cast.operator.put(f"/api/v1/agents/{agent_id}/tool-policy", {"allowed_tools": TOOLS}))
    refused = move(cast.curator, agent_id, "release")
    assert (refused.status_code, refused.json()["code"]) == (409, "lifecycle.gate_refused")
    assert "tier 3 and holds no active certification" in refused.json()["detail"]

    assert certify(cast, agent_id)["tier"] == 3
    assert ok(move(cast.curator, agent_id, "release"))["state"] == "production"
    assert ask(cast, agent_id, "refund_order")["outcome"] == "allow"
    assert ask(cast, agent_id, "export_customers")["code"] == "policy.tool_not_allowed"

    for number in range(1, 6):
        act(token, "export_customers")
        assert Agent.objects.get().is_tripped is (number == 5)
    calls = ToolCall.objects.filter(tool_name="export_customers")
    assert set(calls.values_list("outcome", "outcome_code")) == {("violation", "policy.tool_not_allowed")}
    denied = ask(cast, agent_id, "refund_order")
    assert (denied["outcome"], denied["code"]) == ("deny", "breaker.tripped")
    assert "5 violations in 10 minutes; the limit is 5." in denied["reason"]

    for client in (cast.operator, cast.curator, cast.compliance):
        assert client.post(f"/api/v1/agents/{agent_id}/breaker/reset", {"reason": "x"}).status_code == 403
    url = f"/api/v1/agents/{agent_id}/breaker/reset"
    assert "reason" in cast.administrator.post(url, {}).json()["fields"]
    reset = {"reason": "It was a slip.", "corrective_action": "The export tool was removed"}
    assert ok(cast.administrator.post(url, reset))["state"] == "on_trial"
    assert ask(cast, agent_id, "refund_order")["outcome"] == "allow"
    act(token, "export_customers")
    trips = ok(cast.operator.get(f"/api/v1/agents/{agent_id}/breaker"))["trips"]
    assert [(one["cause"], one["violations"]) for one in trips] == [("trial", 1), ("violations", 5)]

    ok(cast.operator.post("/api/v1/drift-runs", {}))
    assert list(Finding.objects.values_list("kind", "evidence__subject")) == [
        ("drift.new_tool", "export_customers")
    ]
    assert ok(cast.operator.post("/api/v1/drift-runs", {}))["findings"] == 0

    told = [entry.action for entry in LedgerEntry.objects.filter(target_id=agent_id).order_by("pk")]
    assert told == [
        "agents.agent.discovered", "agents.agent.adopted", "lifecycle.agent.registered", "oversight.policy.set",
        "compliance.certification.issued", "lifecycle.agent.certified", "lifecycle.agent.production",
        "oversight.breaker.tripped", "oversight.breaker.reset", "oversight.breaker.tripped", "compliance.finding.opened",
    ]  # fmt: skip
    timeline = ok(cast.curator.get(f"/api/v1/agents/{agent_id}/timeline"))["results"]
    assert [entry["action"] for entry in timeline] == told[::-1]


def test_a_batch_that_is_worked_on_twice_counts_once_for_the_breaker() -> None:
    cast = Cast()
    token = mint(cast)
    act(token, "lookup_order")
    agent_id = str(Agent.objects.get().pk)
    ok(cast.operator.put(f"/api/v1/agents/{agent_id}/tool-policy", {"allowed_tools": ["lookup_order"]}))
    body = request([tool_span("export_customers") for _ in range(4)])
    for _ in range(3):
        assert post(body, token).status_code == 200
        drain()
    assert ToolCall.objects.filter(outcome="violation").count() == 4
    assert not Agent.objects.get().is_tripped


def test_a_call_reported_while_stopped_is_a_violation_and_a_refused_one_is_blocked() -> None:
    cast = Cast()
    token = mint(cast)
    act(token, "lookup_order")
    agent_id = str(Agent.objects.get().pk)
    ok(cast.operator.post(f"/api/v1/agents/{agent_id}/breaker/trip", {"reason": "Odd answers."}))
    act(token, "lookup_order")
    call = ToolCall.objects.order_by("-position")[0]
    assert (call.outcome, call.outcome_code) == ("violation", "breaker.tripped")


def test_an_agent_asks_for_itself_and_for_nobody_else() -> None:
    agent, other = factories.make_agent("production", tier=1), factories.make_agent("production", tier=1)
    client = factories.client_of(agent.principal, "decide")
    assert ok(client.post("/api/v1/decisions", {"tool": "x"}))["agent"]["id"] == str(agent.pk)
    assert client.post("/api/v1/decisions", {"tool": "x", "agent": str(other.pk)}).status_code == 404

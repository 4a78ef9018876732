"""Agents declared by repositories: applied whole or not at all, a person's word kept, differences shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from jsonschema import Draft7Validator
from rest_framework.test import APIClient

from apps.agents.declarations import Fault, faults_in
from apps.agents.models import Agent, Claim, Declaration, Dependency, Origin, ToolGrant
from apps.agents.quality import in_queue
from apps.agents.services.claims import settle
from apps.agents.services.dependencies import Seen, observe_models, observe_tools
from apps.agents.services.registry import edit_agent
from apps.identity.models import LedgerEntry, Principal, Team
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/agents/apply"


@pytest.fixture
def team() -> Team:
    return factories.make_team("Orders")


@pytest.fixture
def pipeline(team: Team) -> APIClient:
    """A key that may declare for one team, and nothing else."""
    return factories.client_of(factories.make_source(team), "declare")


def item(name: str = "Order desk", **said: Any) -> dict[str, Any]:
    lines = {"": 3, "name": 3} | {key: 4 + at for at, key in enumerate(said)}
    return {"agent": {"name": name, **said}, "lines": lines}


def apply(client: APIClient, *items: dict[str, Any], **body: Any) -> Any:
    told = {"repository": "git@git.example.org:shop/orders.git", "path": "chancery.yaml", "commit": "a" * 40}
    answer = client.post(URL, told | {"items": list(items)} | body)
    assert answer.status_code == 200, answer.data
    return answer.data


def line(answer: Any, pointer: str, at: int = 0) -> dict[str, Any]:
    return next(one for one in answer["results"][at]["lines"] if one["pointer"] == pointer)


def test_a_file_makes_an_agent_once_and_the_same_file_again_changes_nothing(
    pipeline: APIClient, team: Team
) -> None:
    said = item(purpose="Takes orders.", framework="crewai", tools=["orders/lookup_order"], models=["gpt-5"])
    rehearsed = apply(pipeline, said, dry_run=True)
    assert (rehearsed["applied"], rehearsed["results"][0]["status"]) == (False, "created")
    assert not Agent.objects.exists()
    assert not LedgerEntry.objects.filter(action__startswith="agents.").exists()
    applied = apply(pipeline, said)
    assert [one | {"agent": None} for one in applied["results"]] == rehearsed["results"]
    agent = Agent.objects.get()
    assert (agent.team, agent.state, agent.number) == (team, "draft", agent.number)
    assert agent.number > 0
    assert agent.repository == "https://git.example.org/shop/orders"
    assert Dependency.objects.filter(source_id=agent.pk, origin=Origin.DECLARED).count() == 2
    entries = LedgerEntry.objects.count()
    assert apply(pipeline, said)["results"][0]["status"] == "unchanged"
    assert LedgerEntry.objects.count() == entries
    assert Declaration.objects.get().place_of("tools/0") == "chancery.yaml:6"


def test_what_a_person_said_is_kept_back_and_told(pipeline: APIClient) -> None:
    apply(pipeline, item(framework="crewai", business_service="Orders"))
    agent = Agent.objects.get()
    curator = factories.make_person(Role.CURATOR, name="Mira")
    edit_agent(agent, {"framework": "langgraph"}, actor=curator)
    answer = apply(pipeline, item(framework="autogen", business_service="Order desk"))
    kept = line(answer, "framework")
    assert (kept["status"], kept["before"]) == ("kept_back", "langgraph")
    assert "Mira" in kept["why"]
    assert line(answer, "business_service")["status"] == "set"
    agent.refresh_from_db()
    assert (agent.framework, agent.business_service) == ("langgraph", "Order desk")
    assert list(in_queue(Agent.objects.all(), "declared-otherwise")) == [agent]
    claim = Claim.objects.get(agent=agent, origin=Origin.DECLARED, field="framework")
    shown = signed_in(curator).get(f"/agents/{agent.pk}/").context
    assert [(one.title, one.claim) for one in shown["declared"].differences] == [("Framework", claim.pk)]
    assert shown["contradictions"] == [], "it is told once, where it can be settled"
    settle(claim, take=False, actor=curator)
    assert not in_queue(Agent.objects.all(), "declared-otherwise").exists()


def test_the_schema_asks_only_for_what_an_apply_takes(pipeline: APIClient) -> None:
    assert set(faults_in({"name": "Desk", "blueprint": "Teller"})) == {
        Fault("blueprint", "There is no such field")
    }
    assert apply(pipeline, item(blueprint="Teller"))["results"][0]["faults"][0]["pointer"] == "blueprint"


def test_one_wrong_item_keeps_the_whole_file_back_and_names_its_field(pipeline: APIClient) -> None:
    wrong = item("Desk two", owner="nobody@example.org", retention_days="long", framwork="x", tools=[{"name": "x", "grants": 1}])  # fmt: skip
    answer = apply(pipeline, item(), wrong)
    assert answer["applied"] is False
    assert not Agent.objects.exists()
    faults = {one["pointer"]: one["message"] for one in answer["results"][1]["faults"]}
    assert faults == {
        "retention_days": "Enter a whole number",
        "framwork": "There is no such field; framework is one",
        "tools/0/grants": "There is no such field; grant is one",
    }
    unknown = apply(pipeline, item(owner="nobody@example.org"))["results"][0]["faults"]
    assert unknown == [{"pointer": "owner", "message": "Nobody here is called nobody@example.org"}]


def test_a_key_declares_for_its_own_team_only(pipeline: APIClient) -> None:
    other = factories.make_agent("registered", tier=2, team=factories.make_team("Claims"), slug="claims-desk")
    answer = apply(pipeline, item(slug="claims-desk"))
    assert "slug" in answer["results"][0]["faults"][0]["pointer"]
    answer = apply(pipeline, item("New", team="Claims"))
    assert "agents.declare" in answer["results"][0]["faults"][0]["message"]
    assert apply(pipeline, item("New"))["applied"]
    administrator = factories.client_of(factories.make_person(Role.ADMINISTRATOR), "write")
    teamless = administrator.post("/api/v1/api-keys", {"name": "CI", "scopes": ["declare"]})
    assert teamless.data["fields"] == {"team": "Choose the team whose agents it declares"}
    moved = apply(pipeline, item("New", team="Claims"))
    assert moved["applied"] is False
    other.refresh_from_db()
    assert not Claim.objects.filter(agent=other).exists()
    for path in ("/api/v1/agents", "/api/v1/people"):
        assert pipeline.get(path).status_code == 403
    assert pipeline.patch(f"/api/v1/agents/{other.pk}", {"name": "x"}).status_code in (403, 404)


def test_a_pipeline_does_not_lower_a_tier_and_a_person_gives_the_leave_it_asks_for(
    pipeline: APIClient, team: Team
) -> None:
    agent = factories.make_agent("registered", tier=3, team=team, slug="order-desk")
    tools = [{"name": "orders/refund", "grant": True}]
    answer = apply(pipeline, item(agent.name, slug="order-desk", data_sensitivity=1, decision_authority=1,
                                  blast_radius=1, regulatory_exposure=1, tools=tools))  # fmt: skip
    assert line(answer, "blast_radius")["status"] == "kept_back"
    assert line(answer, "tools/0/grant")["status"] == "kept_back"
    agent.refresh_from_db()
    assert (agent.tier, ToolGrant.objects.count()) == (3, 0)
    curator = factories.make_person(Role.CURATOR)
    page = signed_in(curator)
    shown = page.get(f"/agents/{agent.pk}/").content.decode()
    assert "Leave asked for: orders/refund" in shown
    assert page.post(f"/agents/{agent.pk}/declared-grants/0/").status_code == 302
    grant = ToolGrant.objects.get()
    assert grant.granted_by == curator
    again = item(agent.name, slug="order-desk", tools=tools)
    assert line(apply(pipeline, again), "tools/0/grant")["status"] == "unchanged"


def test_leave_that_was_taken_back_is_not_given_again_by_a_file(team: Team) -> None:
    client = factories.client_of(factories.make_person(Role.CURATOR), "write")
    said = item(team="Orders", tools=[{"name": "orders/refund", "grant": {"reason": "Refunds"}}])
    assert line(apply(client, said), "tools/0/grant")["status"] == "set"
    grant = ToolGrant.objects.get()
    client.post(f"/api/v1/agents/{grant.agent_id}/grants/{grant.pk}/revoke", {"reason": "Misused"})
    kept = line(apply(client, said), "tools/0/grant")
    assert kept["status"] == "kept_back"
    assert "Misused" in kept["why"]


def test_what_a_file_names_no_longer_is_told_and_stays(pipeline: APIClient) -> None:
    both = (item(framework="crewai", tools=["a", "b"]), item("Second"))
    apply(pipeline, *both)
    answer = apply(pipeline, item(tools=["a"]))
    first, gone = answer["results"]
    left = {one["label"] for one in first["lines"] if one["status"] == "left"}
    assert left == {"Framework", "Tool b"}
    assert (gone["key"], gone["status"]) == ("name:Second", "left")
    assert Declaration.objects.get(key="name:Second").withdrawn_at
    agent = Agent.objects.get(name="Order desk")
    assert agent.framework == "crewai"
    assert Dependency.objects.filter(source_id=agent.pk).count() == 2
    elsewhere = apply(pipeline, item(tools=["a"]), path="other/chancery.yaml")["results"][0]
    assert "declared in chancery.yaml:3" in elsewhere["faults"][0]["message"]
    assert apply(pipeline, item("Second"), path="other/chancery.yaml")["applied"]  # it moved


def test_what_is_seen_is_compared_with_what_is_declared(pipeline: APIClient) -> None:
    apply(
        pipeline,
        item(tools=["orders/lookup", "orders/refund"], models=[{"provider": "openai", "model": "gpt-5"}]),
    )
    agent = Agent.objects.get()
    Dependency.objects.update(first_seen=timezone.now() - timedelta(days=8))
    queue = Agent.objects.filter(pk=agent.pk)
    seen(agent, tools=[("lookup", "orders")], models=[("openai", "gpt-5-2025-08-07")])
    page = signed_in(factories.make_person(Role.VIEWER))
    assert titles(page, agent) == ["Never called: orders/refund"]
    assert in_queue(queue, "declared-otherwise").exists()
    seen(agent, tools=[("refund", "orders")], models=[])
    assert titles(page, agent) == []
    assert not in_queue(queue, "declared-otherwise").exists()
    seen(agent, tools=[("wire_money", "bank")], models=[("openai", "gpt-5o")])
    assert titles(page, agent) == ["Not declared: bank/wire_money", "Other model: openai gpt-5o"]
    assert in_queue(queue, "declared-otherwise").exists()
    client = factories.client_of(factories.make_person(Role.VIEWER), "read")
    told = client.get(f"/api/v1/agents/{agent.pk}/declaration").data
    assert (told["path"], told["line"]) == ("chancery.yaml", 3)
    assert [one["place"] for one in told["differences"]] == ["chancery.yaml:4", "chancery.yaml:5"]


def test_agents_of_one_file_may_name_each_other_and_only_what_is_on_record(pipeline: APIClient) -> None:
    head = item("Head", slug="head", depends_on=[{"agent": "desk"}])
    answer = apply(pipeline, head, item("Desk", slug="desk", data_sources=["Ledger"]))
    assert answer["results"][1]["faults"][0]["pointer"] == "data_sources/0"
    assert apply(pipeline, head, item("Desk", slug="desk"))["applied"]
    edge = Dependency.objects.get()
    assert (edge.relation, edge.target_id) == ("delegates_to", Agent.objects.get(slug="desk").pk)


def test_the_schema_is_open_valid_and_told_by_its_address() -> None:
    answer = Client().get("/schemas/chancery.schema.json")
    assert answer.status_code == 200
    shape = answer.json()
    Draft7Validator.check_schema(shape)
    assert shape["$id"].endswith("/schemas/chancery.schema.json")
    whole = {
        "agents": [{"name": "Desk", "owner": "a@example.org", "tools": ["x", {"name": "y", "grant": True}]}]
    }
    assert Draft7Validator(shape).is_valid(whole)
    assert not Draft7Validator(shape).is_valid({"agents": [{"name": "Desk", "tier": 4}]})


def signed_in(person: Principal) -> Client:
    client = Client()
    client.force_login(person.person, backend="apps.identity.auth.PersonBackend")
    return client


def seen(agent: Agent, tools: list[tuple[str, str]], models: list[tuple[str, str]]) -> None:
    now = timezone.now()
    observe_tools([Seen(agent.pk, name, 1, now, now) for name in tools])
    observe_models([Seen(agent.pk, name, 1, now, now) for name in models])


def titles(page: Client, agent: Agent) -> list[str]:
    shown = page.get(f"/agents/{agent.pk}/").context["declared"]
    return [one.title for one in shown.differences]

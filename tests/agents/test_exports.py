"""What is known of an agent in the forms of others: valid against their own schemas."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from a2a.types import AgentCard
from a2a.utils.proto_utils import validate_proto_required_fields
from django.utils import timezone
from google.protobuf.json_format import ParseDict
from referencing import Registry, Resource

from apps.agents.models import Agent, DataSource, Dependency, ModelEndpoint, Origin, System, Tool
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db
RELATION = Dependency.Relation


def schema(name: str) -> Any:
    return json.loads(files("cyclonedx.schema._res").joinpath(f"{name}.SNAPSHOT.schema.json").read_text())


def check_as_cyclonedx(bill: Any) -> None:
    resources = [(one["$id"], Resource.from_contents(one)) for one in map(schema, ("spdx", "jsf-0.82"))]
    jsonschema.Draft7Validator(schema("bom-1.6"), registry=Registry().with_resources(resources)).validate(
        bill
    )


@pytest.fixture
def agent() -> Agent:
    agent = factories.make_agent(
        "production", tier=3, name="Refund desk", framework="langgraph", tags=["refunds"],
        endpoints=["https://agents.example.org/refunds", "desk.example.org:443"],
    )  # fmt: skip
    needed = {
        ModelEndpoint.objects.create(
            provider="openai", model="gpt-4.1", snapshot="2026-04-14"
        ): RELATION.CALLS,
        Tool.objects.create(
            name="pay", server="bank", side_effect="external", data_classes=["financial"]
        ): RELATION.CALLS,
        DataSource.objects.create(name="Orders", data_class="personal"): RELATION.READS,
        System.objects.create(name="Kubernetes", kind="platform"): RELATION.DEPLOYED,
        factories.make_agent("production", tier=2, name="Fraud check"): RELATION.DELEGATES,
    }
    kinds = {
        ModelEndpoint: "model",
        Tool: "tool",
        DataSource: "data_source",
        System: "system",
        Agent: "agent",
    }
    for thing, relation in needed.items():
        Dependency.objects.create(
            source_kind="agent", source_id=agent.pk, target_kind=kinds[type(thing)], target_id=thing.pk,
            relation=relation, origin=Origin.OBSERVED, last_seen=timezone.now(),
        )  # fmt: skip
    return agent


def test_the_bill_names_everything_the_agent_rests_on_and_is_valid(agent: Agent) -> None:
    granted = Tool.objects.create(name="lookup", kind="api")
    grant_tool(
        agent, GrantRequest(granted, reason="It looks orders up."), actor=factories.make_person(Role.OPERATOR)
    )
    client = factories.client_of(factories.make_person(Role.AUDITOR))
    answer = client.get(f"/api/v1/agents/{agent.pk}/bill-of-materials")
    bill = json.loads(answer.content)
    check_as_cyclonedx(bill)
    assert answer["Content-Type"] == "application/vnd.cyclonedx+json"
    assert {(one["type"], one["name"]) for one in bill["components"]} == {
        ("machine-learning-model", "gpt-4.1"), ("data", "Orders"), ("platform", "Kubernetes"),
        ("application", "Fraud check"), ("framework", "langgraph"),
    }  # fmt: skip
    services = {one["name"]: one for one in bill["services"]}
    assert services["pay"]["data"] == [{"flow": "bi-directional", "classification": "financial"}]
    assert {"name": "chancery:granted", "value": "true"} in services["lookup"]["properties"]
    (model,) = [one for one in bill["components"] if one["type"] == "machine-learning-model"]
    assert model["modelCard"]["considerations"]["useCases"] == ["Does its work."]
    assert set(
        next(one for one in bill["dependencies"] if one["ref"] == f"agent:{agent.pk}")["dependsOn"]
    ) == {one["bom-ref"] for one in [*bill["components"], *bill["services"]]}
    again = client.get(f"/api/v1/agents/{agent.pk}/bill-of-materials")
    assert again.content == answer.content


def test_the_bill_leaves_out_agents_the_reader_may_not_see(agent: Agent) -> None:
    team = factories.make_team()
    Agent.objects.filter(pk=agent.pk).update(team=team)
    client = factories.client_of(factories.make_person(Role.VIEWER, team))
    bill = json.loads(client.get(f"/api/v1/agents/{agent.pk}/bill-of-materials").content)
    check_as_cyclonedx(bill)
    assert "Fraud check" not in {one["name"] for one in bill["components"]}


def test_a_bare_agent_has_a_valid_bill_too() -> None:
    agent = factories.make_agent()
    client = factories.client_of(factories.make_person(Role.AUDITOR))
    check_as_cyclonedx(json.loads(client.get(f"/api/v1/agents/{agent.pk}/bill-of-materials").content))


def test_the_card_is_one_the_protocols_own_library_reads(agent: Agent) -> None:
    client = factories.client_of(factories.make_person(Role.VIEWER))
    card = json.loads(client.get(f"/api/v1/agents/{agent.pk}/agent-card").content)
    read = ParseDict(card, AgentCard())
    validate_proto_required_fields(read)
    assert [one.url for one in read.supported_interfaces] == ["https://agents.example.org/refunds"]
    assert read.capabilities.extensions[0].params["state"] == "production"


def test_an_agent_without_an_address_has_no_card() -> None:
    agent = factories.make_agent()
    answer = factories.client_of(factories.make_person(Role.VIEWER)).get(
        f"/api/v1/agents/{agent.pk}/agent-card"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "agents.no_endpoint")

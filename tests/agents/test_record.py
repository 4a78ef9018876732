"""The record: who says what, what an agent is made of, what it may use, what it needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.agents.models import (
    AgentRevision,
    AgentVersion,
    Claim,
    CustomField,
    Dependency,
    ModelEndpoint,
    Origin,
    Tool,
    ToolGrant,
    ToolOperation,
)
from apps.agents.reconciliation import PRECEDENCE, Statement, believed, contradicting
from apps.agents.services.catalogue import edit_asset, register_asset, remove_asset
from apps.agents.services.claims import Source, contradictions_of, settle, state_claims
from apps.agents.services.dependencies import Node, declare_dependency, withdraw_dependency
from apps.agents.services.discovery import ModelUse, ToolUse, record_model_uses, record_tool_uses
from apps.agents.services.grants import GrantRequest, grant_tool, revoke_grant
from apps.agents.services.registry import edit_agent
from apps.agents.services.versions import record_version
from apps.agents.versions import Makeup, changes_between
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, DomainError, InvalidInput, NotPermitted, StaleWrite
from tests import factories
from tests.agents.test_blueprints import define, make, redefine

pytestmark = pytest.mark.django_db


def actions() -> list[str]:
    return list(LedgerEntry.objects.order_by("pk").values_list("action", flat=True))


WORDS = st.builds(
    Statement,
    st.sampled_from(PRECEDENCE[1:]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["red", "green", "blue"]),
)


@given(st.lists(WORDS, unique_by=lambda one: (one.origin, one.source)), st.randoms())
def test_what_is_believed_does_not_depend_on_who_spoke_first(
    statements: list[Statement], chance: Any
) -> None:
    shuffled = list(statements)
    chance.shuffle(shuffled)
    assert believed("purpose", statements) == believed("purpose", shuffled)
    assert contradicting("purpose", statements) == contradicting("purpose", shuffled)


@given(st.lists(WORDS, unique_by=lambda one: (one.origin, one.source)), st.sampled_from(["x", "", None]))
def test_a_persons_word_is_never_overruled(statements: list[Statement], word: str | None) -> None:
    person = Statement("person", "", word)
    assert believed("purpose", [*statements, person]) == person


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations([("imported", "cmdb", "One"), ("imported", "sheet", "Two"), ("discovered", "repo", "Three"),
                     ("person", "", "Mine")]),
)  # fmt: skip
def test_sources_may_speak_in_any_order(order: list[tuple[str, str, str]], curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=1)
    edit_agent(agent, {"business_service": ""}, actor=curator)
    for origin, name, value in order:
        state_claims(agent, Source(origin, name), {"business_service": value}, actor=curator)
    agent.refresh_from_db()
    assert agent.business_service == "Mine"
    Claim.objects.filter(agent=agent, origin="person").delete()
    state_claims(agent, Source("observed", "x"), {"business_service": "Four"}, actor=curator)
    agent.refresh_from_db()
    assert agent.business_service == "One", "of two imports the one named first in the alphabet is shown"


def test_a_weaker_source_fills_what_nobody_said_and_is_listed_where_it_differs(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    edit_agent(agent, {"framework": "langgraph"}, actor=curator)
    source = Source("imported", "ServiceNow")
    state_claims(agent, source, {"framework": "crewai", "users_served": "Tellers"}, actor=curator)
    agent.refresh_from_db()
    assert (agent.framework, agent.users_served) == ("langgraph", "Tellers")
    (found,) = contradictions_of([agent], actor=curator)
    assert (found.field, found.shown, found.said) == ("framework", "langgraph", "crewai")
    settle(found.claim, take=True, actor=curator, reason="The team moved to it.")
    agent.refresh_from_db()
    assert agent.framework == "crewai"
    assert contradictions_of([agent], actor=curator) == []
    state_claims(agent, source, {"framework": "autogen"}, actor=curator)
    assert [c.said for c in contradictions_of([agent], actor=curator)] == ["autogen"], "a new word reopens it"


def test_keeping_what_is_shown_ends_a_contradiction_too(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    edit_agent(agent, {"framework": "langgraph"}, actor=curator)
    state_claims(agent, Source("imported", "x"), {"framework": "crewai"}, actor=curator)
    (found,) = contradictions_of([agent], actor=curator)
    settle(found.claim, take=False, actor=curator)
    agent.refresh_from_db()
    assert agent.framework == "langgraph"
    assert contradictions_of([agent], actor=curator) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"environment": "moon"}, "environment"),
        ({"countries": ["Finland"]}, "countries"),
        ({"retention_days": -1}, "retention_days"),
        ({"repository": "javascript:alert(1)"}, "repository"),
        ({"custom": {"cost_centre": "x"}}, "custom.cost_centre"),
        ({"custom": {"nothing": 1}}, "custom.nothing"),
        ({"name": " "}, "name"),
        ({"state": "production"}, "state"),
    ],
)
def test_a_field_that_cannot_be_is_named(changes: dict[str, Any], field: str, curator: Principal) -> None:
    CustomField.objects.create(key="cost_centre", label="Cost centre", kind="text", pattern=r"\d{4}")
    agent = factories.make_agent("registered", tier=2)
    with pytest.raises(InvalidInput) as refused:
        edit_agent(agent, changes, actor=curator)
    assert field in refused.value.fields


def test_every_version_of_the_record_is_kept_by_the_database(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2, name="first")
    edit_agent(agent, {"name": "second", "tags": ["a"]}, actor=curator)
    kept = list(
        AgentRevision.objects.filter(agent=agent).order_by("id").values_list("version", "record__name")
    )
    assert kept == [(1, "first"), (2, "second")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(current_user, 'agents_agentrevision', 'UPDATE')")
        assert cursor.fetchone() == (False,)


def test_what_changed_between_versions_is_told_in_words() -> None:
    before = Makeup("p1", "gpt-4o", "gpt-4o-2024-08-06", {"refund": "1", "lookup": "1"}, "0.2", "c1")
    after = Makeup("p2", "gpt-4o", "gpt-4o-2024-11-20", {"refund": "2", "wire": ""}, "0.2", "c1", "abc")
    assert changes_between(before, after) == [
        "The snapshot of gpt-4o changed from gpt-4o-2024-08-06 to gpt-4o-2024-11-20.",
        "1 tool added: wire.",
        "1 tool removed: lookup.",
        "1 tool with another schema: refund.",
        "The prompt changed.",
    ]
    assert (
        changes_between(
            before,
            Makeup("p1", "gpt-4o", "gpt-4o-2024-08-06", {"refund": "1", "lookup": "1"}, "0.2", "c1", "z"),
        )
        == []
    )


def test_the_same_makeup_is_the_same_version(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    first = record_version(agent, Makeup(model="a", commit="1"), actor=curator)
    assert record_version(agent, Makeup(model="a", commit="2"), actor=curator).pk == first.pk
    assert record_version(agent, Makeup(model="b"), actor=curator).number == 2
    assert AgentVersion.objects.filter(agent=agent).count() == 2
    told = LedgerEntry.objects.filter(action="agents.version.began").order_by("-pk")[0]
    assert b"The model changed from a to b." in bytes(told.body)


def test_a_version_that_is_told_later_says_since_when(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    path, client = f"/api/v1/agents/{agent.pk}/versions", factories.client_of(curator)
    days = [timezone.now() - timedelta(days=days) for days in (30, 10, 20)]
    told = [
        client.post(path, {"model": f"m-{day:%d}", "since": day.isoformat()}, format="json") for day in days
    ]
    assert [answer.status_code for answer in told] == [201, 201, 400]
    assert "since" in told[2].json()["fields"], "a version does not begin before the one it follows"
    ahead = {"model": "m", "since": (timezone.now() + timedelta(days=1)).isoformat()}
    assert client.post(path, ahead, format="json").status_code == 400
    kept = AgentVersion.objects.filter(agent=agent).order_by("number").values_list("first_seen", flat=True)
    assert list(kept) == days[:2]


def test_what_agents_were_seen_to_use_stands_on_the_map() -> None:
    agent, now = factories.make_agent("production", tier=2), timezone.now()
    for _ in range(2):
        record_tool_uses([ToolUse(agent.pk, "refund", "stripe", 3, now - timedelta(hours=1), now)])
    record_model_uses([ModelUse(agent.pk, "openai", "gpt-4o", 2, now, now)])
    tool = Tool.objects.get(name="refund", server="stripe")
    edge = Dependency.objects.get(source_id=agent.pk, target_id=tool.pk)
    assert (edge.calls, edge.origin, edge.relation, edge.target_kind) == (6, "observed", "calls", "tool")
    model = ModelEndpoint.objects.get()
    assert Dependency.objects.get(target_id=model.pk).calls == 2


def test_dependencies_are_stated_once_and_taken_back(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    system = register_asset("system", {"name": "Core banking", "kind": "application"}, actor=curator)
    source, target = Node("agent", agent.pk), Node("system", system.pk)
    edge = declare_dependency(source, target, "writes", actor=curator)
    assert declare_dependency(source, target, "writes", actor=curator).pk == edge.pk
    with pytest.raises(Conflict) as refused:
        remove_asset("system", system.pk, actor=curator, reason="Gone")
    assert refused.value.code == "agents.asset.needed"
    withdraw_dependency(edge, actor=curator, reason="Moved away")
    remove_asset("system", system.pk, actor=curator, reason="Gone")
    assert actions()[-3:] == [
        "agents.dependency.stated",
        "agents.dependency.withdrawn",
        "agents.system.removed",
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"relation": "likes"}, "relation"),
        ({"target": "itself"}, "target"),
        ({"target": "nothing"}, "target"),
    ],
)
def test_an_edge_that_cannot_be_is_refused(change: dict[str, str], field: str, curator: Principal) -> None:
    agent, other = factories.make_agent("registered", tier=2), factories.make_agent("registered", tier=2)
    targets = {"itself": agent.pk, "nothing": factories.make_source().pk}
    target = Node("agent", targets.get(change.get("target", ""), other.pk))
    with pytest.raises(InvalidInput) as refused:
        declare_dependency(
            Node("agent", agent.pk), target, change.get("relation", "delegates_to"), actor=curator
        )
    assert set(refused.value.fields) == {field}


def test_only_curators_state_what_depends_on_what() -> None:
    agent, other = factories.make_agent("registered", tier=2), factories.make_agent("registered", tier=2)
    with pytest.raises(DomainError):
        declare_dependency(
            Node("agent", agent.pk),
            Node("agent", other.pk),
            "calls",
            actor=factories.make_person(Role.VIEWER),
        )
    assert not Dependency.objects.exists()


def test_the_catalogue_refuses_doubles_and_stale_writes(curator: Principal) -> None:
    tool = register_asset(
        "tool", {"name": "wire", "side_effect": "irreversible", "schema": {"a": 1}}, actor=curator
    )
    with pytest.raises(Conflict) as refused:
        register_asset("tool", {"name": "wire"}, actor=curator)
    assert refused.value.code == "agents.asset.exists"
    changed = edit_asset("tool", tool.pk, {"data_classes": ["financial"]}, actor=curator, version=1)
    assert changed.version == 2
    with pytest.raises(StaleWrite):
        edit_asset("tool", tool.pk, {"name": "wires"}, actor=curator, version=1)
    with pytest.raises(InvalidInput) as wrong:
        edit_asset("tool", tool.pk, {"side_effect": "explodes"}, actor=curator)
    assert set(wrong.value.fields) == {"side_effect"}
    with pytest.raises(NotPermitted):
        edit_asset("tool", tool.pk, {"name": "x"}, actor=factories.make_person(Role.VIEWER))


def test_a_grant_is_given_replaced_and_taken_back(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    tool = Tool.objects.create(name="wire")
    ToolOperation.objects.create(tool=tool, name="send")
    soon = timezone.now() + timedelta(days=1)
    first = grant_tool(agent, GrantRequest(tool, "Pays suppliers"), actor=curator)
    second = grant_tool(agent, GrantRequest(tool, "Only small", ["send"], {"max": 100}, soon), actor=curator)
    assert list(ToolGrant.objects.active()) == [second]
    first.refresh_from_db()
    assert first.revoke_reason == "Replaced by another grant."
    with pytest.raises(InvalidInput) as wrong:
        grant_tool(agent, GrantRequest(tool, " ", ["steal"], expires_at=timezone.now()), actor=curator)
    assert set(wrong.value.fields) == {"reason", "operations", "expires_at"}
    revoke_grant(second, actor=curator, reason="Done")
    assert not ToolGrant.objects.active().exists()
    with pytest.raises(Conflict):
        revoke_grant(second, actor=curator, reason="Again")


def test_settling_for_what_the_definition_says_follows_the_definition(curator: Principal) -> None:
    blueprint = define(curator)
    own = blueprint.defaults["framework"]
    (agent,) = make(blueprint, curator, "A")
    edit_agent(agent, {"framework": "agno"}, actor=curator)
    state_claims(agent, Source(Origin.DECLARED, "git"), {"framework": own}, actor=curator)
    settle(
        Claim.objects.get(agent=agent, field="framework", origin=Origin.DECLARED), take=True, actor=curator
    )
    assert not Claim.objects.filter(agent=agent, field="framework", origin=Origin.PERSON).exists()
    redefine(blueprint, curator, framework="autogen")
    agent.refresh_from_db()
    assert agent.framework == "autogen"

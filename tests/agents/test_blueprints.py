"""One definition, many instances: what they share, where they differ, what is decided for all at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.agents import risk
from apps.agents.definitions import differing_fields, told
from apps.agents.models import Agent, Blueprint, Claim, ObservedTool, Tool, ToolGrant
from apps.agents.pasting import rows_in
from apps.agents.services.blueprint_grants import grant_to_blueprint, revoke_from_blueprint
from apps.agents.services.blueprints import Definition, create_blueprint, edit_blueprint, remove_blueprint
from apps.agents.services.claims import Source, contradictions_of, state_claims
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.agents.services.instances import (
    NewInstance,
    attach_agents,
    detach_agents,
    make_instances,
    take_definition,
)
from apps.agents.services.registry import edit_agent
from apps.compliance.models import BlueprintCertification, Certification, Finding, Framework
from apps.compliance.services.blueprints import certify_blueprint, revoke_blueprint_certification
from apps.compliance.services.certifications import CertificationRequest, ControlJudgement
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, DomainError, InvalidInput, NotPermitted, StaleWrite
from apps.lifecycle.services.moves import adopt
from apps.oversight.models import ToolPolicy
from apps.oversight.services.blueprints import reset_blueprint, set_blueprint_policy, stop_blueprint
from apps.oversight.services.policies import set_tool_policy
from tests import factories

pytestmark = pytest.mark.django_db
RISK = dict.fromkeys(risk.FIELDS, 3)


def define(actor: Principal, **values: Any) -> Blueprint:
    values = {"purpose": "Answers tellers.", "framework": "crewai", "countries": ["FI"], **RISK} | values
    return create_blueprint(Definition("Branch teller", values=values), actor=actor)


def redefine(blueprint: Blueprint, actor: Principal, **values: Any) -> list[Any]:
    blueprint.refresh_from_db()
    definition = Definition(blueprint.name, values={**blueprint.defaults, **values})
    return edit_blueprint(blueprint, definition, actor=actor).results


def make(blueprint: Blueprint, actor: Principal, *names: str) -> list[Agent]:
    make_instances(blueprint, [NewInstance(name) for name in names], actor=actor)
    return list(blueprint.instances.order_by("name"))


def judged() -> CertificationRequest:
    framework = Framework.objects.get(key="eu-ai-act")
    controls = {control.code: ControlJudgement("pass") for control in framework.controls.all()}
    return CertificationRequest(framework, "Trial in one branch.", controls)


def told_of(agent: Agent, action: str) -> dict[str, Any]:
    entry = LedgerEntry.objects.filter(action=action, target_id=str(agent.pk)).order_by("-pk")[0]
    return dict(orjson.loads(bytes(entry.body))["detail"])


def test_the_same_list_again_makes_no_instance_twice(curator: Principal) -> None:
    blueprint, team = define(curator), factories.make_team("Turku")
    wanted = [
        NewInstance("Teller Espoo"),
        NewInstance("Teller Turku", {"team": team, "countries": ["FI", "SE"]}),
        NewInstance("teller espoo "),
        NewInstance("Teller Oulu", {"environment": "moon"}),
    ]
    results = make_instances(blueprint, wanted, actor=curator).results
    assert [one.status for one in results] == ["made", "made", "unchanged", "refused"]
    assert set(results[3].fields) == {"environment"}
    assert told(make_instances(blueprint, wanted, actor=curator).results) == {"unchanged": 3, "refused": 1}
    espoo, turku = blueprint.instances.order_by("name")
    assert (espoo.state, espoo.tier, espoo.framework) == ("draft", 3, "crewai")
    assert (turku.team, turku.principal.team) == (team, team)
    assert differing_fields(espoo, blueprint.defaults) == []
    assert differing_fields(turku, blueprint.defaults) == ["countries"]
    assert told_of(turku, "agents.instance.drafted")["source"] == "Branch teller"


def test_instances_follow_the_definition_where_nobody_said_otherwise(curator: Principal) -> None:
    blueprint = define(curator)
    one, own = make(blueprint, curator, "A", "B")
    edit_agent(own, {"framework": "langgraph"}, actor=curator)
    state_claims(one, Source("declared", "git"), {"framework": "agno"}, actor=curator)
    results = redefine(blueprint, curator, framework="autogen", oversight_level="approves")
    assert told(results) == {"done": 2}
    assert list(blueprint.instances.order_by("name").values_list("framework", "oversight_level")) == [
        ("autogen", "approves"),
        ("langgraph", "approves"),
    ]
    assert [found.said for found in contradictions_of([one], actor=curator)] == ["agno"], (
        "a file contradicts it"
    )
    assert contradictions_of([own], actor=curator) == [], "a person's own value differs on purpose"
    taken = take_definition(blueprint, [own.pk], ["framework"], actor=curator)
    assert told(taken.results) == {"done": 1}
    redefine(blueprint, curator, framework="semantic-kernel")
    own.refresh_from_db()
    assert own.framework == "semantic-kernel", "it follows again"


def test_an_instance_goes_on_following_after_it_was_adopted(curator: Principal) -> None:
    blueprint = define(curator)
    (agent,) = make(blueprint, curator, "A")
    adoption = factories.make_adoption(level=3, purpose="Answers tellers.", name="A")
    adopt(agent, adoption, actor=curator)
    redefine(blueprint, curator, purpose="Answers tellers and clerks.", data_sensitivity=4)
    agent.refresh_from_db()
    assert (agent.state, agent.purpose, agent.tier) == ("registered", "Answers tellers and clerks.", 4)
    edit_agent(agent, {"framework": "agno"}, actor=curator)
    edit_agent(agent, {"framework": "crewai"}, actor=curator)
    redefine(blueprint, curator, framework="autogen")
    agent.refresh_from_db()
    assert agent.framework == "autogen", "saying the same as the definition is following it"


def test_what_the_definition_no_longer_says_stays_as_a_persons_word(curator: Principal) -> None:
    blueprint = define(curator)
    (agent,) = make(blueprint, curator, "A")
    edit_blueprint(
        blueprint, Definition("Branch teller", values={"purpose": "Answers tellers."}), actor=curator
    )
    agent.refresh_from_db()
    assert agent.framework == "crewai"
    assert Claim.objects.get(agent=agent, field="framework").origin == "person"


def test_an_instance_that_cannot_follow_is_named_and_keeps_its_value(curator: Principal) -> None:
    team = factories.make_team()
    blueprint = define(curator)
    (agent,) = make(blueprint, curator, "A")
    ours = create_blueprint(Definition("Ours", team=team, values={"framework": "x"}), actor=curator)
    local = factories.make_person(Role.CURATOR, team)
    attached = factories.make_agent("registered", tier=1, team=team, name="own")
    stranger = factories.make_agent("registered", tier=1, name="stranger")
    assert told(attach_agents(ours, [attached.pk, stranger.pk], actor=curator).results) == {"done": 2}
    results = edit_blueprint(
        ours, Definition("Ours", team=team, values={"framework": "y"}), actor=local
    ).results
    assert [(one.name, one.status) for one in results] == [
        ("own", "done"),
        ("An instance you may not see", "refused"),
    ]
    stranger.refresh_from_db()
    assert stranger.framework == "x"
    with pytest.raises(NotPermitted):
        edit_blueprint(blueprint, Definition("Mine", team=team), actor=local)
    refused = attach_agents(ours, [agent.pk], actor=curator).results
    assert [(one.status, one.message) for one in refused] == [
        ("refused", "It is an instance of Branch teller; detach it there first.")
    ]


def test_a_detached_agent_keeps_its_values_and_loses_what_came_through_the_blueprint(
    curator: Principal,
) -> None:
    blueprint, tool = define(curator), Tool.objects.create(name="wire")
    (agent,) = make(blueprint, curator, "A")
    grant_to_blueprint(blueprint, GrantRequest(tool, "Their work"), actor=curator)
    detach_agents(blueprint, [agent.pk], actor=curator, reason="A pilot of its own")
    agent.refresh_from_db()
    assert (agent.blueprint, agent.framework) == (None, "crewai")
    assert not ToolGrant.objects.active().filter(agent=agent).exists()
    redefine(blueprint, curator, framework="autogen")
    agent.refresh_from_db()
    assert agent.framework == "crewai"
    assert told_of(agent, "agents.blueprint.detached")["source"] == "Branch teller"


def test_a_grant_reaches_every_instance_and_those_to_come(curator: Principal) -> None:
    blueprint, tool = define(curator), Tool.objects.create(name="wire")
    first, own = make(blueprint, curator, "A", "B")
    grant_tool(own, GrantRequest(tool, "Its own reason"), actor=curator)
    results = grant_to_blueprint(blueprint, GrantRequest(tool, "Their work"), actor=curator).results
    assert [(one.name, one.status) for one in results] == [("A", "done"), ("B", "kept")]
    make(blueprint, curator, "C")
    again = grant_to_blueprint(
        blueprint, GrantRequest(tool, "A while", expires_at=timezone.now() + timedelta(days=9)), actor=curator
    )
    assert told(again.results) == {"done": 2, "kept": 1}
    assert told_of(first, "agents.grant.given")["blueprint"] == "Branch teller"
    retired = factories.make_agent("retired", tier=1, name="D", blueprint=blueprint)
    assert told(attach_agents(blueprint, [retired.pk], actor=curator).results) == {"unchanged": 1}
    assert told(grant_to_blueprint(blueprint, GrantRequest(tool, "Again"), actor=curator).results) == {
        "done": 2,
        "kept": 1,
    }
    grant = blueprint.grants.get(revoked_at=None)
    assert told(revoke_from_blueprint(grant, actor=curator, reason="Over").results) == {"done": 2}
    assert list(ToolGrant.objects.active().values_list("agent__name", flat=True)) == ["B"]


def test_a_policy_reaches_every_instance_and_those_to_come(curator: Principal) -> None:
    blueprint = define(curator)
    first, own = make(blueprint, curator, "A", "B")
    set_tool_policy(own, ["own_tool"], actor=curator)
    act = set_blueprint_policy(blueprint, ["lookup", "crm/find"], actor=curator, reason="Least privilege")
    assert [(one.name, one.status) for one in act.results] == [("A", "done"), ("B", "kept")]
    make(blueprint, curator, "C")
    allowed = {
        policy.agent.name: policy.allowed_tools for policy in ToolPolicy.objects.select_related("agent")
    }
    assert allowed == {"A": ["crm/find", "lookup"], "B": ["own_tool"], "C": ["crm/find", "lookup"]}
    assert told_of(first, "oversight.policy.set")["source"] == "Branch teller"
    with pytest.raises(StaleWrite):
        set_blueprint_policy(blueprint, [], actor=curator, reason="x", version=0)
    over = set_blueprint_policy(blueprint, ["lookup"], actor=curator, reason="All alike", over_own=True)
    assert told(over.results) == {"done": 3}
    set_blueprint_policy(blueprint, None, actor=curator, reason="Not limited any longer")
    assert not ToolPolicy.objects.limiting().exists()


def test_stopping_a_blueprint_stops_every_instance_and_says_of_each(curator: Principal) -> None:
    operator, admin = factories.make_person(Role.OPERATOR), factories.make_person(Role.ADMINISTRATOR)
    blueprint = define(curator)
    first, _ = make(blueprint, curator, "A", "B")
    stop_blueprint(blueprint, actor=operator, reason="They pay twice")
    assert set(Agent.objects.values_list("breaker_state", flat=True)) == {"tripped"}
    make(blueprint, curator, "C")
    assert told(stop_blueprint(blueprint, actor=operator, reason="Still").results) == {
        "unchanged": 2,
        "done": 1,
    }
    assert told_of(first, "oversight.breaker.tripped")["source"] == "Branch teller"
    with pytest.raises(NotPermitted):
        reset_blueprint(blueprint, actor=operator, reason="Fixed", corrective_action="A patch")
    assert told(
        reset_blueprint(blueprint, actor=admin, reason="Fixed", corrective_action="A patch").results
    ) == {"done": 3}
    assert set(Agent.objects.values_list("breaker_state", flat=True)) == {"on_trial"}


class TestCertification:
    def test_instances_that_are_as_it_was_certified_are_covered(self, curator: Principal) -> None:
        officer, blueprint = factories.make_person(Role.COMPLIANCE), define(curator)
        same, other = make(blueprint, curator, "A", "B")
        edit_agent(other, {"countries": ["FI", "SE"], "tags": ["north"]}, actor=curator)
        edit_agent(same, {"tags": ["south"]}, actor=curator)
        results = certify_blueprint(blueprint, judged(), actor=officer).results
        assert [(one.name, one.status) for one in results] == [("A", "done"), ("B", "refused")]
        assert "countries" in results[1].message
        same.refresh_from_db()
        held = Certification.objects.get()
        assert (held.agent, held.tier, held.expires_at) == (same, 3, same.certified_until)
        assert held.results.count() == held.framework.controls.count()
        assert told_of(same, "compliance.certification.issued")["source"] == "Branch teller"

    def test_a_later_instance_is_covered_only_while_it_does_not_differ(self, curator: Principal) -> None:
        officer, blueprint = factories.make_person(Role.COMPLIANCE), define(curator)
        certify_blueprint(blueprint, judged(), actor=officer)
        wanted = [NewInstance("same"), NewInstance("other", {"countries": ["US"]})]
        certifier = factories.make_person(Role.ADMINISTRATOR)
        made = make_instances(blueprint, wanted, actor=certifier).results
        assert [bool(one.message) for one in made] == [False, True]
        assert list(Certification.objects.values_list("agent__name", flat=True)) == ["same"]
        used = factories.make_agent("registered", name="used")
        now = timezone.now()
        ObservedTool.objects.create(agent=used, tool_name="wire", calls=1, first_seen=now, last_seen=now)
        (attached,) = attach_agents(blueprint, [used.pk], actor=certifier).results
        assert "it uses wire" in attached.message
        assert not used.certifications.exists(), "it uses what was not certified"
        same = blueprint.instances.get(name="same")
        edit_agent(same, {"oversight_level": "autonomous", "tags": ["x"]}, actor=curator)
        assert same.certifications.get().status == "active", "the definition says nothing of it"
        edit_agent(same, {"framework": "agno"}, actor=curator)
        assert same.certifications.get().status == "revoked"
        same.refresh_from_db()
        assert same.certified_until is None
        assert Finding.objects.get(agent=same).kind == "certification.departed"
        client = Client()
        client.force_login(officer.person, backend="apps.identity.auth.PersonBackend")
        page = client.get(reverse("compliance:blueprint", args=[blueprint.pk]))
        assert {line.agent.name: line.why for line in page.context["uncovered"]} == {
            "other": "It differs from what was certified: countries.",
            "same": "It differs from what was certified: framework.",
            "used": "It uses what was not certified: wire.",
        }
        assert "It uses what was not certified: wire." in page.content.decode()

    def test_revoking_it_ends_what_every_instance_holds_through_it(self, curator: Principal) -> None:
        officer, blueprint = factories.make_person(Role.COMPLIANCE), define(curator)
        make(blueprint, curator, "A", "B")
        certify_blueprint(blueprint, judged(), actor=officer)
        certify_blueprint(blueprint, judged(), actor=officer)
        assert Certification.objects.filter(status="superseded").count() == 2
        given = BlueprintCertification.objects.get(status="active")
        assert told(revoke_blueprint_certification(given, actor=officer, reason="Wrong").results) == {
            "done": 2
        }
        assert set(Agent.objects.values_list("certified_until", flat=True)) == {None}

    def test_a_changed_definition_ends_what_was_judged_of_it_and_who_answers_for_it_judges_nothing(
        self, curator: Principal
    ) -> None:
        officer = factories.make_person(Role.COMPLIANCE)
        blueprint = define(curator)
        make(blueprint, curator, "A", "B")
        certify_blueprint(blueprint, judged(), actor=officer)
        redefine(blueprint, curator, tags=["x"])
        assert Certification.objects.filter(status="active").count() == 2
        redefine(blueprint, curator, purpose="Pays bills.")
        assert set(Certification.objects.values_list("status", flat=True)) == {"revoked"}
        assert set(Agent.objects.values_list("certified_until", flat=True)) == {None}
        assert Finding.objects.filter(kind="certification.departed").count() == 2
        redefine(blueprint, curator, owner=officer)
        with pytest.raises(NotPermitted) as refused:
            certify_blueprint(blueprint, judged(), actor=officer)
        assert refused.value.code == "compliance.certifier_is_owner"

    def test_a_definition_without_risk_answers_cannot_be_certified(self, curator: Principal) -> None:
        blueprint = create_blueprint(Definition("Loose", values={"framework": "x"}), actor=curator)
        with pytest.raises(Conflict) as refused:
            certify_blueprint(blueprint, judged(), actor=factories.make_person(Role.COMPLIANCE))
        assert refused.value.code == "compliance.tier_missing"


def test_what_no_record_can_hold_no_definition_says(curator: Principal) -> None:
    for values, field in (
        ({"name": "x"}, "name"),
        ({"countries": ["Finland"]}, "countries"),
        ({"custom": {"a": 1}}, "custom"),
    ):
        with pytest.raises(InvalidInput) as refused:
            create_blueprint(Definition("X", values=values), actor=curator)
        assert field in refused.value.fields
    blueprint = define(curator)
    make(blueprint, curator, "A")
    with pytest.raises(Conflict) as stays:
        remove_blueprint(blueprint, actor=curator, reason="Unused")
    assert stays.value.code == "agents.blueprint.has_instances"
    with pytest.raises(DomainError):
        edit_agent(blueprint.instances.get(), {"blueprint": None}, actor=curator)


def test_acts_on_many_instances_take_few_queries(curator: Principal) -> None:
    officer, blueprint = factories.make_person(Role.COMPLIANCE), define(curator)

    def queries_of(count: int) -> list[int]:
        names = [NewInstance(f"Branch {count} {number}") for number in range(count)]
        found = []
        for act in (
            lambda: make_instances(blueprint, names, actor=curator),
            lambda: redefine(blueprint, curator, business_service=f"Retail {count}"),
            lambda: set_blueprint_policy(blueprint, [f"t{count}"], actor=curator, reason="x"),
            lambda: stop_blueprint(blueprint, actor=factories.make_person(Role.OPERATOR), reason="x"),
        ):
            with CaptureQueriesContext(connection) as asked:
                act()
            found.append(len(asked))
        return found

    queries_of(2)  # from now on there is a policy to inherit
    few, many = queries_of(3), queries_of(30)
    assert few == many
    assert max(many) < 40
    certify_blueprint(blueprint, judged(), actor=officer)
    assert Certification.objects.count() == 35


def test_a_cell_too_long_for_a_table_is_said_so() -> None:
    with pytest.raises(InvalidInput) as refused:
        rows_in("name;purpose\nA;" + "x" * 150_000)
    assert "instances" in refused.value.fields

"""A blueprint gives nobody a way round: what comes with being an instance needs the right to give it."""

from __future__ import annotations

from typing import Any

import pytest

from apps.agents.models import Agent, Blueprint, Claim, Tool, ToolGrant
from apps.agents.services.blueprint_grants import grant_to_blueprint
from apps.agents.services.blueprints import Definition, create_blueprint, edit_blueprint
from apps.agents.services.grants import GrantRequest
from apps.agents.services.instances import NewInstance, attach_agents, make_instances
from apps.compliance.services.blueprints import certify_blueprint
from apps.identity.models import Principal, RoleAssignment, Team
from apps.identity.roles import Role
from apps.kit.errors import NotPermitted
from apps.oversight.models import ToolPolicy
from apps.oversight.services.blueprints import set_blueprint_policy
from tests import factories
from tests.agents.test_blueprints import RISK, judged

pytestmark = pytest.mark.django_db


def seeing_all(role: str, team: Team) -> Principal:
    person = factories.make_person(role, team)
    RoleAssignment.objects.create(principal=person, role=Role.VIEWER)
    return person


def decided(actor: Principal, team: Team | None = None) -> tuple[Blueprint, Tool]:
    """A blueprint of tier 3 with a grant, a policy and a certification for all."""
    blueprint = create_blueprint(Definition("Teller", team=team, values=RISK), actor=actor)
    tool = Tool.objects.create(name="wire")
    grant_to_blueprint(blueprint, GrantRequest(tool, "Pays"), actor=actor)
    set_blueprint_policy(blueprint, ["wire"], actor=actor, reason="Least privilege")
    certify_blueprint(blueprint, judged(), actor=factories.make_person(Role.COMPLIANCE))
    return blueprint, tool


def held(agent: Agent) -> tuple[bool, bool, bool]:
    """Whether it was granted something, limited, certified."""
    agent.refresh_from_db()
    return (
        ToolGrant.objects.active().filter(agent=agent).exists(),
        ToolPolicy.objects.limiting().filter(agent=agent).exists(),
        agent.certified_until is not None,
    )


def test_whoever_curates_a_team_adds_nothing_to_a_blueprint_of_another(curator: Principal) -> None:
    team = factories.make_team()
    owner = seeing_all(Role.OWNER, team)
    blueprint, tool = decided(curator)
    mine = factories.make_agent("registered", tier=3, team=team, owner=owner)
    api = factories.client_of(owner)
    granted = api.post(f"/api/v1/agents/{mine.pk}/grants", {"tool": str(tool.pk), "reason": "x"})
    attached = api.post(f"/api/v1/blueprints/{blueprint.pk}/attach", {"agents": [str(mine.pk)]})
    made = api.post(
        f"/api/v1/blueprints/{blueprint.pk}/instances", {"instances": [{"name": "x", "team": str(team.pk)}]}
    )
    assert [granted.status_code, attached.status_code, made.status_code] == [403, 403, 403]
    assert (held(mine), blueprint.instances.count()) == ((False, False, False), 0)


@pytest.mark.parametrize(
    ("role", "expected", "told"),
    [
        (Role.OWNER, (False, True, False), ["Not granted: wire", "Not covered by"]),
        (Role.CURATOR, (True, True, False), ["Not covered by"]),
        (Role.ADMINISTRATOR, (True, True, True), []),
    ],
)
def test_a_new_instance_inherits_what_the_actor_might_give_it(
    curator: Principal, role: str, expected: Any, told: list[str]
) -> None:
    team = factories.make_team()
    blueprint, _ = decided(curator, team)
    actor = factories.make_person(role, team)
    agent = factories.make_agent("registered", tier=3, team=team)
    (attached,) = attach_agents(blueprint, [agent.pk], actor=actor).results
    (made,) = make_instances(blueprint, [NewInstance("new", {"team": team})], actor=actor).results
    assert made.agent is not None
    for one in (attached, made):
        assert [words in one.message for words in told] == [True] * len(told)
        assert bool(one.message) == bool(told)
    assert [held(agent), held(made.agent)] == [expected, expected]


def test_who_answers_for_an_agent_does_not_have_it_certified_by_attaching_it(curator: Principal) -> None:
    team = factories.make_team()
    blueprint, _ = decided(curator, team)
    owner = factories.make_person(Role.ADMINISTRATOR, team)
    mine = factories.make_agent("registered", tier=3, team=team, owner=owner)
    attach_agents(blueprint, [mine.pk], actor=owner)
    assert held(mine) == (True, True, False)
    with pytest.raises(NotPermitted):
        certify_blueprint(blueprint, judged(), actor=factories.make_person(Role.CURATOR, team))
    certify_blueprint(blueprint, judged(), actor=factories.make_person(Role.COMPLIANCE))
    assert held(mine) == (True, True, True)


def test_who_drops_a_shared_value_speaks_only_for_the_agents_they_curate(curator: Principal) -> None:
    ours, theirs = factories.make_team("ours"), factories.make_team("theirs")
    lead = seeing_all(Role.CURATOR, ours)
    shared = Definition("B", team=ours, values={"framework": "crewai"})
    blueprint = create_blueprint(shared, actor=curator)
    wanted = [NewInstance("a", {"team": ours}), NewInstance("b", {"team": theirs})]
    make_instances(blueprint, wanted, actor=curator)
    results = edit_blueprint(blueprint, Definition("B", team=ours), actor=lead).results
    assert {one.name: one.status for one in results} == {"a": "unchanged", "b": "refused"}
    words = Claim.objects.filter(field="framework").order_by("agent__name")
    assert [(one.origin, one.stated_by) for one in words] == [("person", lead), ("blueprint", curator)]

"""Risk cannot be talked down: a certification counts for its tier, and the owner does not lower their own risk."""

from __future__ import annotations

import pytest

from apps.agents import risk
from apps.agents.models import Agent, State
from apps.agents.services.registry import edit_agent
from apps.compliance.models import Finding, Framework
from apps.compliance.services.certifications import CertificationRequest, certify_agent
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted
from apps.lifecycle.services.moves import move_agent
from apps.oversight.services.decisions import Question, decide
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator() -> Principal:
    return factories.make_person(Role.CURATOR)


def answers(level: int | None) -> dict[str, int | None]:
    return dict.fromkeys(risk.FIELDS, level)


def asked(agent: Agent) -> tuple[str, str]:
    decision = decide(agent, Question("x"), actor=factories.make_person(Role.OPERATOR))
    return decision.outcome, decision.code


def test_an_answer_of_a_registered_agent_is_not_taken_back(curator: Principal) -> None:
    agent = factories.make_agent("production", tier=4)
    with pytest.raises(InvalidInput) as refused:
        edit_agent(agent, {"blast_radius": None}, actor=curator)
    assert set(refused.value.fields) == {"blast_radius"}
    assert Agent.objects.get(pk=agent.pk).tier == 4


def test_a_draft_may_still_take_an_answer_back(curator: Principal) -> None:
    draft = factories.make_agent("draft", tier=4)
    assert edit_agent(draft, {"blast_radius": None}, actor=curator).tier is None


@pytest.mark.parametrize("state", ["production", "deprecated"])
@pytest.mark.parametrize("tier", [None, 3, 4])
def test_work_of_high_or_unknown_risk_needs_a_certification(state: str, tier: int | None) -> None:
    assert asked(factories.make_agent(state, tier=tier)) == ("deny", "certification.lapsed")


@pytest.mark.parametrize("role", [Role.OWNER, Role.CURATOR])
def test_the_owner_does_not_lower_the_risk_of_their_own_agent(role: Role) -> None:
    owner = factories.make_person(role)
    agent = factories.make_agent("registered", tier=4, owner=owner)
    with pytest.raises(NotPermitted) as refused:
        edit_agent(agent, answers(1), actor=owner)
    assert refused.value.code == "agents.risk.lowered_by_owner"
    assert Agent.objects.get(pk=agent.pk).tier == 4


def test_the_owner_cannot_hand_it_over_and_lower_it_in_one_edit() -> None:
    owner = factories.make_person(Role.CURATOR)
    agent = factories.make_agent("registered", tier=4, owner=owner)
    with pytest.raises(NotPermitted):
        edit_agent(agent, answers(1) | {"owner": factories.make_person(Role.OWNER)}, actor=owner)


def test_a_curator_of_one_team_does_not_lower_risk_and_one_of_all_does(curator: Principal) -> None:
    team = factories.make_team()
    agent = factories.make_agent("registered", tier=4, team=team)
    with pytest.raises(NotPermitted):
        edit_agent(agent, answers(2), actor=factories.make_person(Role.CURATOR, team))
    assert edit_agent(agent, answers(2), actor=curator).tier == 2
    body = bytes(LedgerEntry.objects.get(action="agents.agent.edited").body).decode()
    assert '"tier":[4,2]' in body


def test_by_rest_the_owner_gets_a_403_and_nothing_changes() -> None:
    owner = factories.make_person(Role.OWNER)
    agent = factories.make_agent("registered", tier=4, owner=owner)
    answer = factories.client_of(owner).patch(
        f"/api/v1/agents/{agent.pk}", answers(1), headers={"If-Match": "*"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "agents.risk.lowered_by_owner")
    assert Agent.objects.get(pk=agent.pk).tier == 4


def test_risk_above_what_was_certified_is_a_finding_and_stops_production(curator: Principal) -> None:
    agent = factories.make_agent("production", tier=3)
    factories.certify(agent)
    assert asked(agent) == ("allow", "policy.none")
    edited = edit_agent(agent, {"blast_radius": 4}, actor=curator)
    assert (edited.tier, edited.certified_until) == (4, None)
    assert edited.version == Agent.objects.get(pk=agent.pk).version
    assert asked(agent) == ("deny", "certification.lapsed")
    finding = Finding.objects.get()
    assert (finding.kind, finding.severity) == ("certification.outgrown", "critical")
    lowered = edit_agent(agent, {"blast_radius": 3}, actor=curator)
    assert lowered.certified_until is not None
    assert asked(agent) == ("allow", "policy.none")


def test_a_certificate_of_a_lower_tier_opens_no_gate(curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=3)
    factories.certify(agent)
    edit_agent(agent, {"blast_radius": 4}, actor=curator)
    with pytest.raises(Conflict) as refused:
        move_agent(agent, "release", actor=curator)
    assert set(refused.value.fields) == {"certification"}


@pytest.mark.parametrize("move", ["suspend", "quarantine"])
def test_a_deprecated_agent_can_be_stopped(move: str, curator: Principal) -> None:
    moved = move_agent(
        factories.make_agent(State.DEPRECATED, tier=2), move, actor=curator, reason="It misbehaves."
    )
    assert moved.state == {"suspend": "suspended", "quarantine": "quarantined"}[move]


def test_a_framework_without_controls_certifies_nothing() -> None:
    framework = Framework.objects.create(key="empty", name="Empty")
    agent, officer = factories.make_agent("registered", tier=3), factories.make_person(Role.COMPLIANCE)
    with pytest.raises(InvalidInput) as refused:
        certify_agent(agent, CertificationRequest(framework, "Trial."), actor=officer)
    assert set(refused.value.fields) == {"controls"}


def test_a_framework_out_of_use_certifies_nothing() -> None:
    Framework.objects.update(is_active=False)
    with pytest.raises(InvalidInput) as refused:
        factories.certify(factories.make_agent("registered", tier=3))
    assert set(refused.value.fields) == {"framework"}

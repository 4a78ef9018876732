"""Tier 3 and above never reaches production without an active certification, by whatever door one tries."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django_fsm import TransitionNotAllowed

from apps.agents.models import Agent, State
from apps.agents.services.registry import edit_agent
from apps.compliance.services.certifications import revoke_certification
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, StaleWrite
from apps.lifecycle.machine import MOVES, GovernedAgent
from apps.lifecycle.services.moves import adopt, move_agent
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    return factories.make_agent("registered", tier=3)


@pytest.fixture
def administrator() -> factories.Principal:
    return factories.make_person(Role.ADMINISTRATOR)


def unmoved(agent: Agent) -> bool:
    return Agent.objects.get(pk=agent.pk).state == "registered"


def test_by_the_service(agent: Agent, administrator: factories.Principal) -> None:
    with pytest.raises(Conflict) as refused:
        move_agent(agent, "release", actor=administrator)
    assert refused.value.code == "lifecycle.gate_refused"
    assert "certification" in refused.value.fields
    assert unmoved(agent)


def test_by_the_state_machine_itself(agent: Agent) -> None:
    governed = GovernedAgent.objects.get(pk=agent.pk)
    with pytest.raises(TransitionNotAllowed):
        governed.release()
    assert unmoved(agent)


def test_by_plain_assignment(agent: Agent) -> None:
    with pytest.raises(AttributeError):
        agent.state = State.PRODUCTION
    assert unmoved(agent)


def test_by_a_bulk_update(agent: Agent) -> None:
    with pytest.raises(TypeError, match="their own service"):
        Agent.objects.filter(pk=agent.pk).update(state="production")
    assert unmoved(agent)


def test_by_editing_the_record(agent: Agent, administrator: factories.Principal) -> None:
    with pytest.raises(InvalidInput) as refused:
        edit_agent(agent, {"state": "production"}, actor=administrator)
    assert refused.value.fields == {"state": "This is not an editable field"}
    assert unmoved(agent)


def test_by_rest(agent: Agent, administrator: factories.Principal) -> None:
    client = factories.client_of(administrator)
    patched = client.patch(f"/api/v1/agents/{agent.pk}", {"state": "production"}, headers={"If-Match": '"1"'})
    assert (patched.status_code, patched.json()["fields"]) == (400, {"state": "There is no such field"})
    moved = client.post(f"/api/v1/agents/{agent.pk}/transitions", {"move": "release"})
    assert moved.status_code == 409
    assert unmoved(agent)


def test_by_the_page(agent: Agent, administrator: factories.Principal) -> None:
    client = Client()
    client.force_login(administrator.person, backend="apps.identity.auth.PersonBackend")
    answer = client.post(f"/agents/{agent.pk}/lifecycle/move/", {"move": "release"})
    assert answer.status_code == 409
    assert "holds no active certification" in answer.content.decode()
    assert unmoved(agent)


def test_by_the_administration_site(agent: Agent, administrator: factories.Principal) -> None:
    client = Client()
    administrator.person.is_superuser = True
    administrator.person.save()
    client.force_login(administrator.person, backend="apps.identity.auth.PersonBackend")
    assert client.get(f"/admin/agents/agent/{agent.pk}/change/").status_code == 200
    assert client.post(f"/admin/agents/agent/{agent.pk}/change/", {"state": "production"}).status_code == 403
    assert unmoved(agent)


def test_by_an_unknown_state_in_the_database(agent: Agent) -> None:
    with pytest.raises(IntegrityError, match="agent_state_is_known"), transaction.atomic():
        Agent.objects.create(name="x", principal=factories.make_source(), state="live")


def test_with_a_certification_the_move_succeeds(agent: Agent, administrator: factories.Principal) -> None:
    factories.certify(agent)
    assert Agent.objects.get(pk=agent.pk).state == "certified"
    assert move_agent(agent, "release", actor=administrator).state == "production"


def test_with_a_revoked_certification_it_does_not(agent: Agent, administrator: factories.Principal) -> None:
    given = factories.certify(agent)
    revoke_certification(given, actor=administrator, reason="The trial was of another version.")
    with pytest.raises(Conflict):
        move_agent(agent, "release", actor=administrator)


def test_tier_two_needs_none(administrator: factories.Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    assert move_agent(agent, "release", actor=administrator).state == "production"


def test_the_owner_of_tier_three_cannot_certify_it() -> None:
    owner = factories.make_person(Role.COMPLIANCE)
    agent = factories.make_agent("registered", tier=3, owner=owner)
    with pytest.raises(NotPermitted) as refused:
        factories.certify(agent, owner)
    assert refused.value.code == "compliance.certifier_is_owner"


@pytest.mark.parametrize("move", [move for move in MOVES if move.needs_reason], ids=lambda move: move.name)
def test_a_move_that_needs_a_reason_is_refused_without_one(
    move: object, administrator: factories.Principal
) -> None:
    agent = factories.make_agent(move.sources[0], tier=2)  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput) as refused:
        move_agent(agent, move.name, actor=administrator, reason="  ")  # type: ignore[attr-defined]
    assert "reason" in refused.value.fields


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.name)
def test_a_move_is_refused_from_states_it_does_not_leave(
    move: object, administrator: factories.Principal
) -> None:
    for state in set(State.values) - set(move.sources):  # type: ignore[attr-defined]
        agent = factories.make_agent(state, tier=1)
        with pytest.raises((Conflict, NotPermitted)):
            move_agent(agent, move.name, actor=administrator, reason="Because.")  # type: ignore[attr-defined]
        assert Agent.objects.get(pk=agent.pk).state == state


def test_a_stale_write_is_refused(administrator: factories.Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    edit_agent(agent, {"purpose": "Does other work."}, actor=administrator, version=1)
    with pytest.raises(StaleWrite):
        move_agent(agent, "release", actor=administrator, version=1)


def test_an_adoption_that_is_refused_changes_nothing() -> None:
    agent, curator = factories.make_agent(), factories.make_person(Role.CURATOR)
    same = factories.make_person(Role.OWNER)
    with pytest.raises(InvalidInput) as refused:
        adopt(agent, factories.make_adoption(owner=same, deputy=same), actor=curator)
    assert "deputy" in refused.value.fields
    agent.refresh_from_db()
    assert (agent.state, agent.owner, agent.tier, agent.version) == ("discovered", None, None, 1)


def test_a_move_over_rest_is_for_the_version_that_was_read(administrator: factories.Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    client = factories.client_of(administrator)
    url = f"/api/v1/agents/{agent.pk}/transitions"
    stale = client.post(url, {"move": "release"}, headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "write.stale")
    assert client.post(url, {"move": "release"}, headers={"If-Match": '"1"'}).status_code == 200

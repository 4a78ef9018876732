"""Teams as borders: moving an agent over one, and speaking for an agent from beyond it."""

from __future__ import annotations

import pytest

from apps.agents.models import Agent
from apps.agents.services.discovery import Sighting, resolve_agents
from apps.agents.services.registry import edit_agent
from apps.identity.roles import Role
from apps.kit.errors import NotPermitted
from tests import factories

pytestmark = pytest.mark.django_db


def test_an_agents_credential_moves_with_it_to_another_team() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    agent = factories.make_agent("registered", tier=2, team=ours)
    edit_agent(agent, {"team": theirs}, actor=factories.make_person(Role.CURATOR))
    assert Agent.objects.select_related("principal").get(pk=agent.pk).principal.team_id == theirs.pk


@pytest.mark.parametrize("to_a_team", [True, False])
def test_who_curates_one_team_does_not_push_agents_into_another(to_a_team: bool) -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    agent = factories.make_agent("registered", tier=2, team=ours)
    curator = factories.make_person(Role.CURATOR, ours)
    with pytest.raises(NotPermitted):
        edit_agent(agent, {"team": theirs if to_a_team else None}, actor=curator)
    assert Agent.objects.get(pk=agent.pk).team_id == ours.pk


def test_a_source_without_a_team_speaks_for_no_agent_without_one() -> None:
    victim, source = factories.make_agent("registered", tier=2), factories.make_source()
    claim = Sighting(source.pk, "elsewhere", "impostor", declared_id=victim.ref)
    assert resolve_agents([claim])[claim].pk != victim.pk


def test_a_source_speaks_for_agents_of_its_own_team() -> None:
    team = factories.make_team()
    known, source = factories.make_agent("registered", tier=2, team=team), factories.make_source(team)
    claim = Sighting(source.pk, "desk", "order_agent", declared_id=known.ref)
    assert resolve_agents([claim])[claim].pk == known.pk

"""Teams as borders: moving an agent over one, and speaking for an agent from beyond it."""

from __future__ import annotations

import orjson
import pytest
from django.test import Client

from apps.agents.models import Agent
from apps.agents.services.dependencies import Node, declare_dependency
from apps.agents.services.discovery import Sighting, resolve_agents
from apps.agents.services.merging import merge_agents
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


@pytest.mark.parametrize("role_in_team", [True, False])
def test_an_agents_history_names_others_only_to_those_who_know_of_them(role_in_team: bool) -> None:
    ours, curator = factories.make_team(), factories.make_person(Role.CURATOR)
    agent = factories.make_agent("registered", tier=2, team=ours)
    secret, twin = (
        factories.make_agent("registered", tier=2, team=factories.make_team(), name=name)
        for name in ("secret_planner", "secret_twin")
    )
    declare_dependency(Node("agent", agent.pk), Node("agent", secret.pk), "calls", actor=curator)
    merge_agents(agent, twin, actor=curator, reason="One and the same")
    reader = factories.make_person(Role.VIEWER, ours if role_in_team else None)
    page = Client()
    page.force_login(reader.person, backend="apps.identity.auth.PersonBackend")
    history = page.get(f"/agents/{agent.pk}/history/").content.decode()
    rows = factories.client_of(reader, "read").get(f"/api/v1/agents/{agent.pk}/timeline").data["results"]
    told = {row["action"]: row for row in rows}
    stated, absorbed = told["agents.dependency.stated"], told["agents.agent.absorbed"]
    assert [stated["is_whole"], absorbed["is_whole"]] == [not role_in_team] * 2
    bodies = stated["body"] + absorbed["body"]
    for kept in ("secret_planner", str(secret.pk), "secret_twin", twin.ref):
        assert (kept in bodies) is not role_in_team
    assert ("secret_planner" in history, "secret_twin (" in history) == (not role_in_team, not role_in_team)
    if role_in_team:
        assert orjson.loads(stated["body"])["detail"]["target"] == "an agent of another team"
        assert "calls an agent of another team" in history
        assert "merged an agent of another team into it" in history

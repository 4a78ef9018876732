"""What a merge must not do: free an agent of a stop, a policy, a state or its risk."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.agents.models import Agent, AgentMerge
from apps.agents.services.merging import merge_agents
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, NotPermitted
from apps.lifecycle.services.moves import move_agent
from apps.oversight.services.breaker import trip_breaker
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.policies import set_tool_policy
from tests import factories

pytestmark = pytest.mark.django_db
Act = Callable[[Agent, Principal], object]
FREED: dict[str, tuple[Act, str]] = {
    "stop": (lambda agent, by: trip_breaker(agent, actor=by, reason="Odd."), "is stopped"),
    "state": (lambda agent, by: move_agent(agent, "suspend", actor=by, reason="Odd."), "is suspended"),
    "policy": (lambda agent, by: set_tool_policy(agent, ["alpha"], actor=by), "tool policy limits"),
}


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


@pytest.mark.parametrize("held_by", FREED)
def test_a_merge_frees_nobody(held_by: str, administrator: Principal) -> None:
    held, free = factories.make_agent("production", tier=1), factories.make_agent("production", tier=1)
    act, words = FREED[held_by]
    act(held, administrator)
    held.refresh_from_db()
    with pytest.raises(Conflict) as refused:
        merge_agents(free, held, actor=administrator, reason="Same")
    assert (refused.value.code, words in refused.value.message) == ("agents.merge.frees", True)
    assert decide(held, Question("beta"), actor=administrator).outcome == "deny"
    merge_agents(held, free, actor=administrator, reason="Same")
    free.refresh_from_db()
    assert decide(free, Question("beta"), actor=administrator).outcome == "deny"


def test_an_owner_does_not_lose_graver_risk_by_merging() -> None:
    team = factories.make_team()
    owner = factories.make_person(Role.OWNER, team)
    grave = factories.make_agent("registered", tier=4, team=team, owner=owner)
    light = factories.make_agent("registered", tier=1, team=team, owner=owner)
    with pytest.raises(NotPermitted) as refused:
        merge_agents(light, grave, actor=owner, reason="Same")
    assert refused.value.code == "agents.risk.lowered_by_owner"
    assert not AgentMerge.objects.exists()
    assert merge_agents(light, grave, actor=factories.make_person(Role.CURATOR), reason="Same").kept == light

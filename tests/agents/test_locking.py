"""Writers of one agent at the same time: whoever waited for its row writes by what the other left."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from apps.agents.models import Agent, Blueprint, Claim, Origin, Tool
from apps.agents.services.blueprints import Definition, edit_blueprint
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.agents.services.registry import edit_agent
from apps.agents.services.risk_policies import apply_policy, draft_policy, recalculate
from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories
from tests.agents.test_blueprints import define, make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def curator() -> Principal:
    return factories.make_person(Role.CURATOR)


def after_waiting(first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """`second` begins while `first` is not committed, and has to wait for it."""

    def act() -> None:
        try:
            second()
        finally:
            connection.close()

    waiting = Thread(target=act)
    with transaction.atomic():
        first()
        waiting.start()
        waiting.join(0.7)
        assert waiting.is_alive()
    waiting.join(20)
    assert not waiting.is_alive()


@pytest.mark.parametrize("at_once", [False, True])
def test_an_edit_that_waited_keeps_the_tier_that_facts_raised_meanwhile(
    curator: Principal, at_once: bool
) -> None:
    officer = factories.make_person(Role.COMPLIANCE)
    policy = draft_policy("Facts raise", {"facts_raise": True}, actor=officer)
    recalculate(apply_policy(policy, actor=officer, reason="From now on").pk)
    agent = factories.make_agent("registered", tier=2)
    wire = Tool.objects.create(name="wire", side_effect="irreversible")
    changes = {"purpose": "Another one."}

    def edit() -> Any:
        if at_once:
            return edit_agents([Edit(agent.pk, changes)], actor=curator)
        return edit_agent(agent, changes, actor=curator)

    after_waiting(lambda: grant_tool(agent, GrantRequest(wire, "Pays"), actor=curator), edit)
    stored = Agent.objects.get(pk=agent.pk)
    assert stored.purpose == "Another one."
    assert stored.assessment is not None
    assert stored.tier == stored.assessment.tier
    assert stored.tier > 2


def test_an_edit_that_waited_for_the_definition_keeps_the_persons_word(curator: Principal) -> None:
    blueprint = define(curator)
    (agent,) = make(blueprint, curator, "A")
    own, values = blueprint.defaults["framework"], {**blueprint.defaults, "framework": "autogen"}
    after_waiting(
        lambda: edit_blueprint(
            Blueprint.objects.get(), Definition(blueprint.name, values=values), actor=curator
        ),
        lambda: edit_agent(agent, {"framework": own}, actor=curator),
    )
    agent.refresh_from_db()
    assert agent.framework == own
    assert Claim.objects.filter(agent=agent, field="framework", origin=Origin.PERSON).exists()

"""Writers of one agent at the same time: whoever waited for its row writes by what the other left."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from apps.agents.models import Agent, Blueprint, Claim, Origin, Tool
from apps.agents.services.blueprints import Definition, edit_blueprint
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.declaring import Place, Stated, apply_declarations
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.agents.services.registry import edit_agent
from apps.agents.services.risk_policies import apply_policy, draft_policy, recalculate
from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories
from tests.agents.test_blueprints import define, make

pytestmark = pytest.mark.django_db(transaction=True)


def after_waiting(
    first: Callable[[], Any], second: Callable[[], Any], then: Callable[[], Any] = lambda: None
) -> None:
    """`second` begins while `first` is not committed, and has to wait for it and for what it does `then`."""

    def act() -> None:
        try:
            second()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other, transaction.atomic():  # left in turn: committed, then waited for
        first()
        waiting = other.submit(act)
        with pytest.raises(TimeoutError):
            waiting.result(0.7)
        then()
    waiting.result(20)


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


def said(*names: str, **fields: Any) -> list[Stated]:
    return [Stated({"name": name, **fields}) for name in names]


def test_a_file_takes_its_agents_in_the_order_of_their_keys(curator: Principal) -> None:
    place = Place("https://git.example.org/orders", "chancery.yaml")
    first, second = (one.agent for one in apply_declarations(said("A", "B"), place, actor=curator))
    assert first is not None
    assert second is not None
    after_waiting(
        lambda: edit_agent(first, {"business_service": "Orders"}, actor=curator),
        lambda: apply_declarations(said("B", "A", purpose="Takes orders."), place, actor=curator),
        then=lambda: edit_agent(second, {"business_service": "Orders"}, actor=curator),
    )
    rows = Agent.objects.order_by("name").values_list("name", "business_service", "purpose")
    assert list(rows) == [("A", "Orders", "Takes orders."), ("B", "Orders", "Takes orders.")]


def test_two_pipelines_make_an_agent_once(curator: Principal) -> None:
    place = Place("https://git.example.org/orders", "chancery.yaml")
    after_waiting(
        lambda: apply_declarations(said("A"), place, actor=curator),
        lambda: apply_declarations(said("A"), place, actor=curator),
    )
    assert Agent.objects.count() == 1

"""Withdrawn drafts and merged records are history: nothing new becomes of them, nobody is asked about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.agents.models import Agent, Declaration, Dependency, Tool
from apps.agents.queries.risk_signs import signs_of
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.dependencies import Node, declare_dependency
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.agents.services.merging import merge_agents
from apps.agents.services.registry import edit_agent
from apps.agents.services.review import begin_campaign, progress_of, remind_owners
from apps.agents.services.withdrawing import withdraw_draft
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict
from apps.lifecycle.services.moves import adopt, move_agent
from apps.oversight.services.breaker import trip_breaker
from tests import factories
from tests.agents.test_declarations import apply, item

pytestmark = pytest.mark.django_db
Act = Callable[[Agent, Principal], Any]


@pytest.fixture
def withdrawn(curator: Principal) -> Agent:
    draft = factories.make_agent("draft", tier=2, owner=factories.make_person(Role.OWNER))
    return withdraw_draft(draft, actor=curator, reason="Never built.")


def _merge_into(agent: Agent, actor: Principal) -> None:
    merge_agents(agent, factories.make_agent("registered"), actor=actor, reason="Same.")


def _edit_at_once(agent: Agent, actor: Principal) -> None:
    (outcome,) = edit_agents([Edit(agent.pk, {"purpose": "New."})], actor=actor)
    assert outcome.error is not None
    raise outcome.error


ACTS: dict[str, Act] = {
    "edit": lambda agent, actor: edit_agent(agent, {"purpose": "New."}, actor=actor),
    "edit_at_once": _edit_at_once,
    "adopt": lambda agent, actor: adopt(agent, factories.make_adoption(), actor=actor),
    "certify": lambda agent, _: factories.certify(agent),
    "grant": lambda agent, actor: grant_tool(
        agent, GrantRequest(Tool.objects.create(name="wire"), "Pays"), actor=actor
    ),
    "merge_into": _merge_into,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_nothing_new_becomes_of_a_withdrawn_draft(act: Act, withdrawn: Agent, curator: Principal) -> None:
    with pytest.raises(Conflict) as refused:
        act(withdrawn, curator)
    assert refused.value.code == "agents.agent.off_record"
    stored = Agent.objects.get(pk=withdrawn.pk)
    assert (stored.state, stored.purpose, stored.version) == ("draft", withdrawn.purpose, withdrawn.version)
    assert not stored.grants.exists()


def test_a_merged_record_can_be_stopped_and_nothing_else(curator: Principal) -> None:
    kept, merged = factories.make_agent("production", tier=2), factories.make_agent("production", tier=2)
    merge_agents(kept, merged, actor=curator, reason="Same.")
    with pytest.raises(Conflict) as refused:
        move_agent(merged, "stage", actor=curator, reason="Back.")
    assert refused.value.code == "agents.agent.off_record"
    trip_breaker(merged, actor=factories.make_person(Role.ADMINISTRATOR), reason="Its key is still used.")
    assert move_agent(merged, "suspend", actor=curator, reason="Its key is still used.").state == "suspended"


def test_nobody_is_asked_about_what_is_no_longer_in_use(curator: Principal) -> None:
    draft, kept = factories.make_agent("draft", tier=2), factories.make_agent("registered", tier=2)
    retired, merged = factories.make_agent("retired", tier=2), factories.make_agent("registered", tier=2)
    campaign = begin_campaign("Q4", Agent.objects.all(), due_on=timezone.localdate(), actor=curator)
    withdraw_draft(draft, actor=curator, reason="Never built.")
    merge_agents(kept, merged, actor=curator, reason="Same.")
    assert remind_owners() == 1
    assert list(campaign.items.exclude(reminded_at=None).values_list("agent", flat=True)) == [kept.pk]
    assert progress_of([campaign])[campaign.pk].total == 1
    assert retired.campaign_items.get().reminders == 0


def test_a_withdrawn_draft_needs_nothing_any_more(curator: Principal) -> None:
    draft, kept = factories.make_agent("draft", tier=2), factories.make_agent("registered", tier=2)
    declare_dependency(Node("agent", draft.pk), Node("agent", kept.pk), "calls", actor=curator)
    assert [sign.what for sign in signs_of([kept])[kept.pk]] == ["needed_by"]
    withdraw_draft(draft, actor=curator, reason="Never built.")
    assert signs_of([kept])[kept.pk] == []


def test_a_file_does_not_put_back_what_was_withdrawn(curator: Principal) -> None:
    pipeline = factories.client_of(factories.make_source(factories.make_team()), "declare")
    apply(pipeline, item(purpose="Takes orders."))
    agent = Agent.objects.get()
    withdraw_draft(agent, actor=curator, reason="Never built.")
    answer = apply(pipeline, item(purpose="Takes all orders."))
    assert answer["applied"] is False
    (fault,) = answer["results"][0]["faults"]
    assert fault["pointer"] == "name"
    assert "withdrawn" in fault["message"]
    assert Agent.objects.get().purpose == "Takes orders."
    assert apply(pipeline, item("Order line"))["results"][0]["status"] == "created"
    assert Declaration.objects.get(agent=agent).withdrawn_at, "the file names it no longer"


def test_what_depends_on_a_merged_record_depends_on_the_one_it_is_part_of(curator: Principal) -> None:
    team = factories.make_team()
    pipeline = factories.client_of(factories.make_source(team), "declare")
    kept, merged = (
        factories.make_agent("registered", team=team),
        factories.make_agent("registered", team=team),
    )
    draft = factories.make_agent("draft", team=team)
    merge_agents(kept, merged, actor=curator, reason="Same.")
    withdraw_draft(draft, actor=curator, reason="Never built.")
    draft.refresh_from_db()
    refused = apply(pipeline, item(depends_on=[{"agent": draft.slug}]))
    assert refused["results"][0]["faults"][0]["pointer"] == "depends_on/0/agent"
    assert apply(pipeline, item(depends_on=[{"agent": merged.slug}]))["applied"] is True
    assert Dependency.objects.get(origin="declared").target_id == kept.pk

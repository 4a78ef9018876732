"""The policy of risk as data: written, previewed, applied, brought back."""

from __future__ import annotations

import os
from datetime import timedelta
from threading import Thread

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.agents.models import (
    Agent,
    RiskPolicy,
)
from apps.agents.queries.risk_preview import preview_of
from apps.agents.risk import Rules
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.merging import merge_agents, undo_merge
from apps.agents.services.registry import edit_agent
from apps.agents.services.risk import read_fleet, standing_policy, under_standing_policy
from apps.agents.services.risk_policies import (
    advance_recalculation,
    apply_policy,
    discard_policy,
    draft_policy,
    edit_policy,
    recalculate,
    return_to_policy,
    stalled_recalculation,
)
from apps.agents.services.withdrawing import withdraw_draft
from apps.compliance.models import Finding
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, StaleWrite
from tests import factories
from tests.agents.test_risk import TWO_AT_THREE, applied, levels, said

pytestmark = pytest.mark.django_db


class TestPolicy:
    def test_a_draft_is_previewed_applied_and_recalculates_in_steps(self, officer: Principal) -> None:
        moving = factories.make_agent("production", tier=3, name="moving")
        still = factories.make_agent("registered", tier=2)
        factories.make_agent("discovered")
        draft = draft_policy("Two at three", TWO_AT_THREE, actor=officer)
        preview = preview_of(draft.parsed)
        assert preview.counts == {(3, 4): 1, (2, 2): 1}
        assert [(one.name, one.before, one.after, one.lacks) for one in preview.moves] == [
            ("moving", 3, 4, True)
        ]
        assert preview.unassessed == 1
        policy = apply_policy(draft, actor=officer, reason="Board decision", version=draft.version)
        assert (policy.number, policy.moves) == (2, {"3 to 4": 1})
        assert Agent.objects.get(pk=moving.pk).tier == 3
        assert advance_recalculation(policy.pk, step=2) == 2
        assert policy.is_recalculating
        recalculate(policy.pk, step=2)
        policy.refresh_from_db()
        assert (policy.done, policy.moved, policy.is_recalculating) == (3, 1, False)
        moving.refresh_from_db()
        still.refresh_from_db()
        assert (moving.tier, moving.risk_policy, moving.version) == (4, policy, 2)
        assert (still.tier, still.risk_policy, still.version) == (2, policy, 1)
        (act,) = said("agents.agent.retiered")
        assert (act["detail"]["tier"], act["detail"]["policy"], act["actor"]["id"]) == (
            [3, 4],
            2,
            str(officer.pk),
        )
        assert said("agents.risk_policy.applied")[0]["detail"]["moves"] == {"3 to 4": 1}

    def test_a_raised_tier_outgrows_its_certification(self, officer: Principal) -> None:
        agent = factories.make_agent("production", tier=3)
        factories.certify(agent)
        assert preview_of(Rules.of_json(TWO_AT_THREE)).lacking[0].agent_id == agent.pk
        applied(TWO_AT_THREE, officer)
        agent.refresh_from_db()
        assert agent.certified_until is None
        assert Finding.objects.filter(agent=agent, kind="certification.outgrown").exists()

    def test_a_former_version_is_returned_to_as_a_new_one(self, officer: Principal) -> None:
        agent = factories.make_agent("registered", tier=3)
        first = standing_policy()
        applied(TWO_AT_THREE, officer)
        draft = return_to_policy(RiskPolicy.objects.get(number=1), actor=officer)
        assert (draft.rules, draft.based_on) == (first.parsed.as_json(), first)
        policy = apply_policy(draft, actor=officer, reason="Too strict")
        recalculate(policy.pk)
        agent.refresh_from_db()
        assert (policy.number, agent.tier) == (3, 3)
        assert list(RiskPolicy.objects.values_list("number", "state")) == [
            (3, "applied"), (2, "former"), (1, "former"),
        ]  # fmt: skip

    def test_only_compliance_applies_and_says_why(self, curator: Principal, officer: Principal) -> None:
        draft = draft_policy("Stricter", TWO_AT_THREE, actor=officer)
        with pytest.raises(NotPermitted):
            apply_policy(draft, actor=curator, reason="I like it")
        with pytest.raises(InvalidInput) as refused:
            apply_policy(draft, actor=officer, reason=" ")
        assert "reason" in refused.value.fields
        edit_policy(draft, {"rules": {"facts_raise": True}}, actor=officer)
        with pytest.raises(StaleWrite):
            apply_policy(draft, actor=officer, reason="Board decision", version=1)

    def test_what_was_applied_stays_as_it_is(self, officer: Principal) -> None:
        policy = applied(TWO_AT_THREE, officer)
        for act in (
            lambda: edit_policy(policy, {"name": "Other"}, actor=officer),
            lambda: discard_policy(policy, actor=officer),
            lambda: apply_policy(policy, actor=officer, reason="Again"),
        ):
            with pytest.raises(Conflict) as refused:
                act()
            assert refused.value.code == "agents.risk_policy.not_a_draft"

    def test_a_killed_recalculation_is_found_and_goes_on(self, officer: Principal) -> None:
        for _ in range(3):
            factories.make_agent("registered", tier=3)
        policy = apply_policy(
            draft_policy("Stricter", TWO_AT_THREE, actor=officer), actor=officer, reason="Why"
        )
        advance_recalculation(policy.pk, step=1)
        assert stalled_recalculation() is None
        RiskPolicy.objects.filter(pk=policy.pk).update(progressed_at=timezone.now() - timedelta(minutes=2))
        assert stalled_recalculation() == policy.pk
        assert recalculate(policy.pk) == 2
        assert Agent.objects.filter(tier=4).count() == 3

    def test_an_edit_before_the_recalculation_comes_by_is_under_the_new_policy(
        self, officer: Principal
    ) -> None:
        agent = factories.make_agent("registered", tier=3)
        apply_policy(draft_policy("Stricter", TWO_AT_THREE, actor=officer), actor=officer, reason="Why")
        agent = edit_agent(agent, {"tags": ["one"]}, actor=agent.owner)
        assert (agent.tier, agent.risk_policy.number) == (4, 2)
        assert said("agents.agent.edited")[-1]["detail"]["tier"] == [3, 4]

    def test_a_policy_that_lowers_does_not_stop_its_owner_from_editing(self, officer: Principal) -> None:
        agent = factories.make_agent("registered", tier=3)
        applied(TWO_AT_THREE, officer)
        apply_policy(
            return_to_policy(RiskPolicy.objects.get(number=1), actor=officer), actor=officer, reason="Why"
        )
        (outcome,) = edit_agents([Edit(agent.pk, {"tags": ["one"]})], actor=agent.owner)
        assert outcome.error is None
        assert Agent.objects.get(pk=agent.pk).tier == 3
        with pytest.raises(NotPermitted) as refused:
            edit_agent(agent, levels(1, 1, 1, 1), actor=agent.owner)
        assert refused.value.code == "agents.risk.lowered_by_owner"

    @pytest.mark.django_db(transaction=True)
    def test_a_policy_waits_for_what_is_being_written_by_the_one_before(self, officer: Principal) -> None:
        agent = factories.make_agent("registered", tier=3)
        draft = draft_policy("Stricter", TWO_AT_THREE, actor=officer)

        def apply() -> None:
            try:
                apply_policy(draft, actor=officer, reason="Board decision")
            finally:
                connection.close()

        applying = Thread(target=apply)
        with transaction.atomic():
            assert under_standing_policy([agent]).number == 1
            applying.start()
            applying.join(0.5)
            assert applying.is_alive()
        applying.join(20)
        assert standing_policy().number == 2

    def test_what_is_off_the_record_is_judged_again_when_it_comes_back(
        self, curator: Principal, officer: Principal
    ) -> None:
        kept, merged, draft = (
            factories.make_agent(state, tier=2) for state in ("production", "registered", "draft")
        )
        merge = merge_agents(kept, merged, actor=curator, reason="Same.")
        withdraw_draft(draft, actor=curator, reason="Never built.")
        policy = applied(
            {"combination": "highest", "raises": [{"dimensions": 4, "level": 2, "tier": 3}]}, officer
        )
        assert (policy.total, policy.done, policy.moved) == (1, 1, 1)
        assert [line["target"]["id"] for line in said("agents.agent.retiered")] == [str(kept.pk)]
        assert read_fleet() == 1
        undo_merge(merge, actor=curator)
        merged.refresh_from_db()
        draft.refresh_from_db()
        assert (merged.tier, merged.risk_policy_id, draft.tier) == (3, policy.pk, 2)

    def test_high_risk_sets_a_floor_that_its_owner_cannot_take_away(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=1)
        agent = edit_agent(agent, {"ai_act_class": "high_risk"}, actor=agent.owner)
        assert agent.tier == 3
        with pytest.raises(NotPermitted) as refused:
            edit_agent(agent, {"ai_act_class": "minimal"}, actor=agent.owner)
        assert refused.value.code == "agents.risk.lowered_by_owner"
        assert edit_agent(agent, {"ai_act_class": "minimal"}, actor=curator).tier == 1

    @pytest.mark.django_db(transaction=True)
    def test_an_owner_does_not_hand_it_over_to_lower_it(self) -> None:
        curator = factories.make_person(Role.CURATOR)
        agent = factories.make_agent("registered", tier=3, owner=curator)
        agent = edit_agent(agent, {"owner": factories.make_person(Role.OWNER)}, actor=curator)
        with pytest.raises(NotPermitted) as refused:
            edit_agent(agent, levels(1, 1, 1, 1), actor=curator)
        assert refused.value.code == "agents.risk.lowered_by_owner"
        assert Agent.objects.get(pk=agent.pk).tier == 3
        light = factories.make_agent("registered", tier=1)
        with pytest.raises(NotPermitted):
            merge_agents(light, agent, actor=curator, reason="Same.")
        with psycopg.connect(
            os.environ["CHANCERY_TEST_OWNER_URL"]
        ) as owner:  # nobody else may touch what was
            owner.execute("UPDATE agents_agentrevision SET recorded_at = recorded_at - interval '31 days'")
        assert edit_agent(agent, levels(1, 1, 1, 1), actor=curator).tier == 1

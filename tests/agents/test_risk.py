"""Risk by answers and by facts, and the policy that makes a tier of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest

from apps.agents import risk
from apps.agents.models import (
    Agent,
    DataSource,
    Dependency,
    RiskFacts,
    RiskPolicy,
    System,
    Tool,
    ToolOperation,
)
from apps.agents.quality import in_queue
from apps.agents.queries.risk import risk_record
from apps.agents.queries.risk_preview import preview_of
from apps.agents.risk import Raise, Rules
from apps.agents.services.dependencies import Node, declare_dependency
from apps.agents.services.grants import GrantRequest, grant_tool, revoke_grant
from apps.agents.services.merging import merge_agents, undo_merge
from apps.agents.services.registry import edit_agent
from apps.agents.services.risk import read_fleet
from apps.agents.services.risk_answers import reassess_agent, take_fact_level
from apps.agents.services.risk_policies import (
    apply_policy,
    draft_policy,
    recalculate,
)
from apps.agents.services.withdrawing import withdraw_draft
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted
from tests import factories
from tests.agents.test_declarations import apply, item

pytestmark = pytest.mark.django_db
TWO_AT_THREE = {
    "raises": [{"dimensions": 2, "level": 3, "tier": 4}],
    "floors": {"high_risk": 3, "prohibited": 4},
}


def levels(*values: int) -> dict[str, int | None]:
    return dict(zip(risk.FIELDS, values, strict=True))


def applied(rules: dict[str, Any], officer: Principal) -> RiskPolicy:
    policy = apply_policy(
        draft_policy("Stricter", rules, actor=officer), actor=officer, reason="Board decision"
    )
    recalculate(policy.pk)
    policy.refresh_from_db()
    return policy


def said(action: str) -> list[dict[str, Any]]:
    return [
        orjson.loads(bytes(entry.body)) for entry in LedgerEntry.objects.filter(action=action).order_by("at")
    ]


def kept_signs(agent: Agent) -> list[tuple[str, str]]:
    return [(sign["what"], sign["value"]) for sign in RiskFacts.objects.get(agent=agent).signs]


class TestRules:
    @pytest.mark.parametrize(
        ("answers", "rules", "ai_act_class", "tier", "words"),
        [
            ((3, 1, 1, 1), Rules(), "", 3, "because of its data sensitivity"),
            ((3, 3, 1, 1), Rules(raises=(Raise(2, 3, 4),)), "", 4, "2 dimensions at 3 or above make tier 4"),
            ((3, 2, 1, 1), Rules(raises=(Raise(2, 3, 4),)), "", 3, "because of its data sensitivity"),
            ((1, 1, 1, 1), Rules(floors={"high_risk": 3}), "high_risk", 3, "at least tier 3 by policy"),
            ((4, 4, 1, 1), Rules(floors={"high_risk": 3}), "high_risk", 4, "decision authority"),
            ((2, 2, 2, 1), Rules(combination="weighted"), "", 2, "weighted mean of its levels is 1.75"),
            ((4, 1, 1, 1), Rules(combination="weighted"), "", 3, "a level of 4 counts for at least tier 3"),
        ],
    )
    def test_the_tier_follows_the_rules_and_says_which(
        self, answers: tuple[int, ...], rules: Rules, ai_act_class: str, tier: int, words: str
    ) -> None:
        found = risk.assess(levels(*answers), rules, ai_act_class=ai_act_class)
        assert found is not None
        assert found.tier == tier
        assert words in found.sentence

    def test_facts_count_only_where_the_policy_lets_them_and_never_lower(self) -> None:
        facts = {"data_sensitivity": 4, "blast_radius": 1}
        shown = risk.assess(levels(2, 2, 3, 1), Rules(), facts=facts)
        raised = risk.assess(levels(2, 2, 3, 1), Rules(facts_raise=True), facts=facts)
        assert shown is not None
        assert raised is not None
        assert (shown.tier, raised.tier) == (3, 4)
        assert [reason.level for reason in raised.reasons] == [4, 2, 3, 1]

    def test_what_would_lower_it_names_every_rule_that_holds_it(self) -> None:
        found = risk.assess(levels(3, 3, 1, 1), Rules(floors={"high_risk": 3}), ai_act_class="high_risk")
        assert found is not None
        assert found.to_lower is not None
        assert "data sensitivity at most 2" in found.to_lower
        assert "another EU AI Act class" in found.to_lower

    @pytest.mark.parametrize(
        ("rules", "field"),
        [
            ({"floors": {"nonsense": 3}}, "rules.floors"),
            ({"data_classes": {"health": 5}}, "rules.data_classes"),
            ({"thresholds": [2.5, 1.5, 3]}, "rules.thresholds"),
            ({"raises": [{"dimensions": 2, "level": 3, "tier": 9}]}, "rules.raises"),
            ({"raises": [{"level": 3}]}, "rules"),
            ({"combination": "average"}, "rules.combination"),
            ({"colour": "red"}, "rules.colour"),
        ],
    )
    def test_rules_that_are_none_are_refused(
        self, rules: dict[str, Any], field: str, officer: Principal
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            draft_policy("Wrong", rules, actor=officer)
        assert field in refused.value.fields


class TestFacts:
    def test_each_dimension_is_told_with_its_facts_and_contradictions(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, countries=["FI", "SE", "NO", "DK", "IS"])
        wire = Tool.objects.create(name="wire", side_effect="irreversible", data_classes=["financial"])
        claims = DataSource.objects.create(name="Claims", data_class="health")
        core = System.objects.create(name="Core ledger", criticality=4)
        grant_tool(agent, GrantRequest(wire, "Pays invoices"), actor=curator)
        declare_dependency(Node("agent", agent.pk), Node("data_source", claims.pk), "reads", actor=curator)
        declare_dependency(Node("system", core.pk), Node("agent", agent.pk), "calls", actor=curator)
        record = risk_record(agent, actor=curator)
        lines = {line.dimension.field: line for line in record.lines}
        assert {name: line.by_facts for name, line in lines.items()} == levels(4, 4, 4, 3)
        assert len(record.contradictions) == 4
        assert lines["data_sensitivity"].contradiction == (
            "Answered “Internal data”, but: may use wire: financial data."
        )
        assert "Uses Claims by its record: health data" in [
            fact.words for fact in lines["data_sensitivity"].facts
        ]
        assert lines["blast_radius"].facts[0].words == "Core ledger, a system of criticality 4, needs it"
        agent.refresh_from_db()
        assert agent.tier == 2
        assert list(in_queue(Agent.objects.all(), "facts-contradict")) == [agent]

    def test_reach_is_followed_through_others(self, curator: Principal) -> None:
        agent, helper = (factories.make_agent("registered", tier=1) for _ in range(2))
        tool, source = (
            Tool.objects.create(name="lookup"),
            DataSource.objects.create(name="HR", data_class="special"),
        )
        chain = [("agent", agent), ("agent", helper), ("tool", tool), ("data_source", source)]
        for (kind, one), (target_kind, target) in pairwise(chain):
            Dependency.objects.create(
                source_kind=kind, source_id=one.pk, target_kind=target_kind, target_id=target.pk, relation="calls",
                origin="observed",
            )  # fmt: skip
        read_fleet()
        assert RiskFacts.objects.get(agent=agent).data_sensitivity == 4
        assert RiskFacts.objects.get(agent=helper).blast_radius == 2

    def test_oversight_on_record_limits_what_a_side_effect_counts_for(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, oversight_level="approves")
        tool = Tool.objects.create(name="refund")
        ToolOperation.objects.create(tool=tool, name="pay", side_effect="irreversible")
        ToolOperation.objects.create(tool=tool, name="look", side_effect="read")
        grant_tool(agent, GrantRequest(tool, "Looks up", ["look"]), actor=curator)
        assert RiskFacts.objects.get(agent=agent).decision_authority == 1
        grant_tool(agent, GrantRequest(tool, "Pays", ["pay"]), actor=curator)
        assert RiskFacts.objects.get(agent=agent).decision_authority == 2
        edit_agent(agent, {"oversight_level": "autonomous"}, actor=curator)
        assert RiskFacts.objects.get(agent=agent).decision_authority == 4

    def test_a_thing_of_another_team_is_told_without_its_name(self) -> None:
        ours, theirs = factories.make_team(), factories.make_team()
        agent = factories.make_agent("registered", tier=1, team=ours)
        assert agent.owner is not None
        helper = factories.make_agent("registered", tier=4, team=theirs, name="secret_helper")
        curator = factories.make_person(Role.CURATOR)
        declare_dependency(Node("agent", agent.pk), Node("agent", helper.pk), "delegates_to", actor=curator)
        record = risk_record(agent, actor=factories.make_person(Role.OWNER, ours))
        told = [fact for line in record.lines for fact in line.facts]
        assert any("agent of another team" in fact.words for fact in told)
        assert not any("secret" in fact.words or fact.id for fact in told)
        take_fact_level(agent, "decision_authority", actor=agent.owner)
        assert "another team" in said("agents.agent.edited")[-1]["reason"]

    def test_taking_the_facts_level_answers_as_they_do(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=1)
        claims = DataSource.objects.create(name="Claims", data_class="health")
        declare_dependency(Node("agent", agent.pk), Node("data_source", claims.pk), "reads", actor=curator)
        taken = take_fact_level(agent, "data_sensitivity", actor=agent.owner)
        assert (taken.data_sensitivity, taken.tier) == (4, 4)
        assert said("agents.agent.edited")[-1]["reason"].startswith("Taken from the record: Uses Claims")
        with pytest.raises(Conflict) as refused:
            take_fact_level(agent, "data_sensitivity", actor=agent.owner)
        assert refused.value.code == "agents.risk.facts_say_no_more"

    def test_reading_the_fleet_takes_no_query_for_each_agent(
        self, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(12):
            factories.make_agent("registered", tier=1, countries=["FI", "SE"])
        with django_assert_max_num_queries(24):
            assert read_fleet() == 12
        assert RiskFacts.objects.filter(blast_radius=2).count() == 12


class TestFactsThatRaise:
    def test_whatever_changes_what_they_are_read_from_has_them_read_again(self, curator: Principal) -> None:
        pipeline = factories.client_of(factories.make_source(factories.make_team()), "declare")
        DataSource.objects.create(name="patients", data_class="health")
        apply(pipeline, item(data_sources=["patients"]))
        declared = Agent.objects.get()
        assert kept_signs(declared) == [("data_class", "health")]
        merge = merge_agents(factories.make_agent("registered"), declared, actor=curator, reason="Same.")
        assert kept_signs(merge.kept) == [("data_class", "health")]
        undo_merge(merge, actor=curator)
        assert kept_signs(merge.kept) == []
        wire = Tool.objects.create(name="wire", side_effect="irreversible")
        draft = factories.make_agent("draft", tier=2)
        grant_tool(draft, GrantRequest(wire, "Pays"), actor=curator)
        assert kept_signs(draft) == [("side_effect", "irreversible")]
        withdraw_draft(draft, actor=curator, reason="Never built.")
        assert kept_signs(draft) == []

    def test_they_raise_at_once_and_do_not_lower_when_they_vanish(
        self, curator: Principal, officer: Principal
    ) -> None:
        agent = factories.make_agent("registered", tier=2)
        applied({"facts_raise": True}, officer)
        wire = Tool.objects.create(name="wire", side_effect="irreversible")
        grant = grant_tool(agent, GrantRequest(wire, "Pays invoices"), actor=curator)
        agent.refresh_from_db()
        assert agent.tier == 4
        assert said("agents.agent.retiered")[-1]["detail"]["tier"] == [2, 4]
        revoke_grant(grant, actor=curator, reason="Done")
        read_fleet()
        agent = Agent.objects.get(pk=agent.pk)
        assert (agent.tier, agent.risk_facts.decision_authority) == (4, None)
        assert risk_record(agent, actor=curator).is_held
        with pytest.raises(NotPermitted) as refused:
            reassess_agent(agent, actor=agent.owner, reason="The grant is gone")
        assert refused.value.code == "agents.risk.lowered_by_owner"
        assert reassess_agent(agent, actor=curator, reason="The grant is gone").tier == 2
        assert Agent.objects.get(pk=agent.pk).tier == 2

    def test_the_preview_reads_the_facts_that_are_on_record(
        self, curator: Principal, officer: Principal
    ) -> None:
        agent = factories.make_agent("registered", tier=1)
        claims = DataSource.objects.create(name="Claims", data_class="health")
        declare_dependency(Node("agent", agent.pk), Node("data_source", claims.pk), "reads", actor=curator)
        preview = preview_of(Rules(facts_raise=True))
        assert preview.counts == {(1, 4): 1}
        assert applied({"facts_raise": True}, officer).moved == 1

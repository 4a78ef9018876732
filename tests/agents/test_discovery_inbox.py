"""The inbox: reports are safe to repeat, evidence of one agent is one candidate, a curator decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.agents.matching import Found, plain_name
from apps.agents.models import Agent, AgentAlias, Candidate, Claim, Evidence, State
from apps.agents.queries.candidates import likely_matches
from apps.agents.services.candidate_decisions import (
    Verdict,
    adopt_candidate,
    decide_candidates,
    ignore_candidate,
    link_candidate,
    reopen_candidate,
)
from apps.agents.services.candidates import Origins, Reported, report_findings
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, TooLarge
from tests import factories

pytestmark = pytest.mark.django_db
REPOSITORY = "https://git.example.org/shop/refunds"


def finding(name: str = "Refund Agent", **changes: Any) -> Found:
    values: dict[str, Any] = {
        "kind": "crewai-code", "framework": "crewai", "role": "agent", "confidence": 0.9, "place": "src/crew.py:12",
        "tools": ["refund_order"], "description": "Refunds orders",
    }  # fmt: skip
    return Found(name=name, **(values | changes))


def report(*findings: Found, actor: Principal, source: str = REPOSITORY, **origins: Any) -> list[Reported]:
    kind = origins.pop("source_kind", "repository_scan")
    return report_findings(findings, Origins(kind, source, **origins), actor=actor)


def actions() -> list[str]:
    return list(LedgerEntry.objects.order_by("pk").values_list("action", flat=True))


def test_a_report_repeated_changes_nothing_and_writes_nothing_into_the_ledger(curator: Principal) -> None:
    first = report(finding(), actor=curator)
    entries = LedgerEntry.objects.count()
    second = report(finding(), actor=curator)
    assert [one.outcome for one in first + second] == ["new", "known"]
    assert first[0].candidate.pk == second[0].candidate.pk
    assert (Candidate.objects.count(), Evidence.objects.count()) == (1, 1)
    assert LedgerEntry.objects.count() == entries


def test_code_that_moves_within_its_file_stays_the_same_evidence(curator: Principal) -> None:
    report(finding(place="src/crew.py:12"), actor=curator)
    assert report(finding(place="src/crew.py:80"), actor=curator)[0].outcome == "known"
    assert Evidence.objects.get().finding["place"] == "src/crew.py:80"


def test_several_files_of_a_repository_that_name_one_agent_are_one_candidate(curator: Principal) -> None:
    said = report(
        finding(
            "refund_agent", kind="crewai-agents-yaml", place="config/agents.yaml:1", confidence=0.8, tools=[]
        ),
        finding("Refund Agent"),
        finding("Fraud Agent"),
        actor=curator,
    )
    assert said[0].candidate == said[1].candidate != said[2].candidate
    candidate = Candidate.objects.get(pk=said[0].candidate.pk)
    assert candidate.confidence == pytest.approx(0.98)
    assert candidate.tools == ["refund_order"]
    assert candidate.evidence.count() == 2


def test_the_same_name_in_two_repositories_is_two_candidates(curator: Principal) -> None:
    report(finding(), actor=curator)
    report(finding(), actor=curator, source="https://git.example.org/other/thing")
    assert Candidate.objects.count() == 2


def test_an_address_joins_a_card_and_an_export(curator: Principal) -> None:
    card = finding(kind="a2a-agent-card", framework="a2a", extra={"url": "https://agents.halden.io/refund/"})
    twin = finding(
        "refunder", kind="n8n-workflow", framework="n8n", extra={"url": "https://agents.halden.io/refund"}
    )
    report(card, actor=curator, source_kind="agent_card", source="cards")
    report(twin, actor=curator, source_kind="cloud", source="n8n export")
    assert Candidate.objects.get().evidence.count() == 2


def test_a_local_address_joins_nothing(curator: Principal) -> None:
    for name in ("One", "Two"):
        report(finding(name, extra={"url": "http://localhost:10000/"}), actor=curator)
    assert Candidate.objects.count() == 2


def test_what_serves_coding_agents_is_one_candidate_a_repository(curator: Principal) -> None:
    report(
        finding("", kind="agents-md", framework="agents.md", role="coding_agent_instructions", place="AGENTS.md:1"),
        finding("", kind="mcp-json", framework="mcp", role="mcp_client_config", place=".mcp.json:1", mcp_servers=["github"]),
        actor=curator,
    )  # fmt: skip
    candidate = Candidate.objects.get()
    assert candidate.name == "Coding agents in refunds"
    assert candidate.mcp_servers == ["github"]


def test_an_agent_of_the_same_repository_and_name_is_linked_at_once(curator: Principal) -> None:
    agent = factories.make_agent(name="refund_agent", repository=f"{REPOSITORY}.git")
    said = report(finding(), actor=curator)[0]
    assert (said.candidate.state, said.candidate.agent) == ("linked", agent)
    assert "agents.candidate.linked" in actions()
    assert not Claim.objects.filter(agent=agent).exists(), "a report alone never changes a record"


def test_a_declared_id_links_within_the_team_only(curator: Principal) -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    mine, other = factories.make_agent(team=ours), factories.make_agent(team=theirs)
    source = factories.make_source(ours)
    said = report(
        finding("one", extra={"declared_id": mine.ref}),
        finding("two", extra={"declared_id": other.ref}),
        actor=source,
    )
    assert [one.candidate.agent for one in said] == [mine, None]


def test_two_agents_that_fit_are_left_to_a_person(curator: Principal) -> None:
    for _ in range(2):
        factories.make_agent(name="Refund Agent", repository=REPOSITORY)
    assert report(finding(), actor=curator)[0].candidate.state == "waiting"


def test_a_likely_match_is_an_agent_or_alias_of_that_name(curator: Principal) -> None:
    source = factories.make_source()
    named, aliased = (
        factories.make_agent(name="refund-agent", framework="CrewAI"),
        factories.make_agent(name="Desk"),
    )
    AgentAlias.objects.create(
        agent=aliased, source=source, service_name="s", agent_name="fraud_agent", first_seen=timezone.now()
    )
    said = report(finding("RefundAgent"), finding("FraudAgent"), finding("Other"), actor=curator)
    found = likely_matches([one.candidate for one in said], curator)
    assert [found[one.candidate.pk].agent if one.candidate.pk in found else None for one in said] == [
        named, aliased, None,
    ]  # fmt: skip
    assert found[said[0].candidate.pk].score == 1.0
    assert "same framework" in found[said[0].candidate.pk].why


@pytest.mark.parametrize("name", ["Order Agent", "order_agent", "order-agent", "OrderAgent", "order.agent"])
def test_names_are_compared_without_what_separates_their_words(name: str) -> None:
    agent = factories.make_agent(name=name)
    assert plain_name(name) == "orderagent"
    assert list(Agent.objects.annotate(plain=_plain()).filter(plain="orderagent")) == [agent]


def _plain() -> Any:
    from apps.agents.models import plain

    return plain("name")


def test_adopting_puts_a_discovered_agent_on_record_with_what_was_found_as_claims(curator: Principal) -> None:
    candidate = report(finding(), actor=curator)[0].candidate
    candidate = adopt_candidate(candidate, actor=curator)
    agent = candidate.agent
    assert agent is not None
    agent.refresh_from_db()
    assert (agent.state, agent.framework, agent.repository) == (State.DISCOVERED, "crewai", REPOSITORY)
    assert agent.purpose == "Refunds orders"
    assert set(Claim.objects.filter(agent=agent, origin="discovered").values_list("source", flat=True)) == {
        REPOSITORY
    }
    assert actions()[-1] == "agents.candidate.adopted"
    with pytest.raises(Conflict) as refused:
        adopt_candidate(candidate, actor=curator)
    assert refused.value.code == "agents.candidate.linked_already"


def test_an_mcp_server_is_no_agent_to_adopt(curator: Principal) -> None:
    said = report(
        finding("io.x/y", kind="mcp-server-json", framework="mcp-server", role="mcp_server"), actor=curator
    )
    with pytest.raises(Conflict) as refused:
        adopt_candidate(said[0].candidate, actor=curator)
    assert refused.value.code == "agents.candidate.no_agent"


def test_linking_never_overrules_a_persons_word(curator: Principal) -> None:
    from apps.agents.services.registry import edit_agent

    agent = edit_agent(factories.make_agent(name="Desk"), {"framework": "Ours"}, actor=curator)
    candidate = report(finding(), actor=curator)[0].candidate
    link_candidate(candidate, agent, actor=curator)
    agent.refresh_from_db()
    assert (agent.framework, agent.repository) == ("Ours", REPOSITORY)
    assert Claim.objects.get(agent=agent, field="framework", origin="discovered").value == "crewai"


def test_an_ignored_candidate_comes_back_when_its_evidence_changes(curator: Principal) -> None:
    candidate = report(finding(), actor=curator)[0].candidate
    ignore_candidate(candidate, actor=curator, reason="An example")
    assert report(finding(), actor=curator)[0].outcome == "known"
    assert Candidate.objects.ignored().count() == 1
    said = report(finding(tools=["refund_order", "wire_money"]), actor=curator)[0]
    assert (said.outcome, said.candidate.state) == ("returned", "waiting")
    assert "agents.candidate.returned" in actions()


def test_an_ignored_candidate_comes_back_when_its_time_is_over(curator: Principal) -> None:
    candidate = ignore_candidate(
        report(finding(), actor=curator)[0].candidate, actor=curator, reason="Later", days=1
    )
    assert not Candidate.objects.waiting().exists()
    Candidate.objects.update(ignored_until=timezone.now() - timedelta(seconds=1))
    assert Candidate.objects.waiting().get() == candidate
    assert report(finding(), actor=curator)[0].outcome == "returned"


def test_ignoring_asks_for_a_reason_and_lasts_ninety_days(curator: Principal) -> None:
    candidate = report(finding(), actor=curator)[0].candidate
    with pytest.raises(InvalidInput) as refused:
        ignore_candidate(candidate, actor=curator, reason=" ", days=400)
    assert set(refused.value.fields) == {"reason", "days"}
    until = ignore_candidate(candidate, actor=curator, reason="A sample").ignored_until
    assert until is not None
    assert timedelta(days=89) < until - timezone.now() <= timedelta(days=90)
    assert reopen_candidate(candidate, actor=curator).state == "waiting"


def test_a_bulk_decision_says_of_each_what_became_of_it(curator: Principal) -> None:
    server = finding("io.x/y", kind="mcp-server-json", framework="mcp-server", role="mcp_server")
    said = report(finding("One"), finding("Two"), server, actor=curator)
    done = decide_candidates([one.candidate for one in said], Verdict("adopt"), actor=curator)
    assert sorted(one.error.code if one.error else "" for one in done) == [
        "",
        "",
        "agents.candidate.no_agent",
    ]
    assert Candidate.objects.filter(state="linked").count() == 2


def test_deciding_needs_the_right_in_the_team_of_the_candidate() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    said = report(finding(), actor=factories.make_source(ours))
    outsider = factories.make_person(Role.CURATOR, theirs)
    for decide in (
        lambda one: adopt_candidate(one, actor=outsider),
        lambda one: ignore_candidate(one, actor=outsider, reason="x"),
        lambda one: link_candidate(one, factories.make_agent(team=theirs), actor=outsider),
    ):
        with pytest.raises(NotPermitted):
            decide(said[0].candidate)
    assert Candidate.objects.get().state == "waiting"


def test_teams_never_share_a_candidate() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    report(finding(), actor=factories.make_source(ours))
    report(finding(), actor=factories.make_source(theirs))
    assert sorted(Candidate.objects.values_list("team__name", flat=True)) == sorted([ours.name, theirs.name])
    assert Candidate.objects.visible_to(factories.make_person(Role.VIEWER, ours)).count() == 1


def test_a_service_reports_for_its_own_team_only() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    said = report(finding(), actor=factories.make_source(ours), team=theirs)
    assert said[0].candidate.team == ours


def test_reporting_is_bounded_and_needs_a_source(curator: Principal) -> None:
    with pytest.raises(TooLarge):
        report(*[finding(f"a{at}") for at in range(1001)], actor=curator)
    with pytest.raises(InvalidInput) as refused:
        report(finding(), actor=curator, source=" ", source_kind="rumour")
    assert set(refused.value.fields) == {"source", "source_kind"}
    with pytest.raises(NotPermitted):
        report(finding(), actor=factories.make_person(Role.VIEWER))


def test_queries_do_not_grow_with_the_report(curator: Principal) -> None:
    def queries(count: int) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            report(*[finding(f"{count} agent {at}") for at in range(count)], actor=curator)
        return len(seen)

    assert queries(300) <= queries(3) + 2


# REST

"""One question, one answer: from memory where nothing changed, never from what is past."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.agents.models import Agent, Tool
from apps.agents.services.grants import GrantRequest, grant_tool, revoke_grant
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.oversight.models import Decision, Policy
from apps.oversight.services.breaker import trip_breaker
from apps.oversight.services.control import LevelChoice, set_budget, set_level, set_mode
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.kill_switches import (
    SwitchRequest,
    pull_kill_switch,
    release_kill_switch,
)
from apps.oversight.services.policy_versions import (
    NewPolicy,
    Wording,
    create_policy,
    propose_version,
    review_version,
    set_policy_mode,
)
from apps.oversight.services.resets import reset_breaker
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


@pytest.fixture
def agent() -> Agent:
    return factories.make_agent("production", tier=1, team=factories.make_team())


@pytest.fixture
def refund() -> Tool:
    return Tool.objects.create(
        name="refund", server="pay", side_effect="external", data_classes=["financial"]
    )


def in_force(author: Principal, text: str, mode: str = "enforce", **about: Any) -> Policy:
    """A policy that somebody else approved."""
    policy = create_policy(
        NewPolicy(about.pop("name", "Refund cap"), Wording(text=text), **about), actor=author
    )
    version = propose_version(policy.versions.get(), actor=author, reason="For the audit.")
    review_version(version, actor=factories.make_person(Role.ADMINISTRATOR), approves=True, reason="Read it.")
    policy.refresh_from_db()
    return set_policy_mode(policy, mode, actor=author, reason="Tried it.") if mode != "shadow" else policy


CAP = """@words("Refunds are capped.")
forbid(principal, action, resource == Tool::"pay/refund")
when { context.arguments has amount && context.arguments.amount.greaterThan(decimal("100.0")) };"""


def ask(agent: Agent, tool: str = "pay/refund", **about: Any) -> Decision:
    return decide(agent, Question(tool, **about), actor=agent.principal)


def test_a_second_question_takes_one_query(agent: Agent, refund: Tool) -> None:
    ask(agent, arguments={"amount": 1})
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask(agent, arguments={"amount": 2})
    asked = [one["sql"] for one in queries.captured_queries if "oversight_decision" in one["sql"]]
    others = [one["sql"] for one in queries.captured_queries if "oversight_decision" not in one["sql"]]
    assert len(asked) == 1
    assert all("identity_roleassignment" in sql for sql in others), others


def test_every_change_of_the_record_counts_from_the_next_question_on(
    agent: Agent, refund: Tool, admin: Principal
) -> None:
    assert ask(agent).outcome == "allow"
    trip_breaker(agent, actor=admin, reason="Strange.")
    assert ask(agent).code == "breaker.tripped"
    reset_breaker(agent, actor=admin, reason="Looked at it.", corrective_action="Fixed.")
    assert ask(agent).outcome == "allow"
    set_mode(agent, "enforce", actor=admin, reason="Ready.")
    assert ask(agent).code == "grant.missing"
    grant = grant_tool(agent, GrantRequest(refund, "It refunds."), actor=admin)
    assert ask(agent).code == "grant.given"
    in_force(admin, CAP)
    assert ask(agent, arguments={"amount": 101}).code == "policy.matched"
    assert ask(agent, arguments={"amount": 99}).outcome == "allow"
    set_level(LevelChoice("notified", "We watch.", agent=agent, tool="pay/refund"), actor=admin)
    assert ask(agent, arguments={"amount": 99}).outcome == "notify"
    switch = pull_kill_switch(SwitchRequest("tool", "pay/*"), actor=admin, reason="Odd payments.")
    assert ask(agent, arguments={"amount": 99}).code == "kill_switch.tool"
    assert ask(agent, "other").outcome == "deny", "not granted, in mode enforce"
    release_kill_switch(switch, actor=admin, reason="Looked.", corrective_action="Patched.")
    assert ask(agent, arguments={"amount": 99}).outcome == "notify"
    revoke_grant(grant, actor=admin, reason="Over.")
    assert ask(agent, arguments={"amount": 99}).code == "grant.missing"


def test_a_shadow_says_what_it_would_do_and_does_nothing(
    agent: Agent, refund: Tool, admin: Principal
) -> None:
    set_mode(agent, "observe", actor=admin, reason="We begin.")
    in_force(admin, CAP, mode="shadow")
    decision = ask(agent, arguments={"amount": 101})
    assert decision.outcome == "allow"
    assert {one["code"] for one in decision.findings} == {"grant.missing", "policy.matched"}
    assert decision.shadow["outcome"] == "deny"


def test_what_a_policy_cannot_read_does_not_get_past_it(agent: Agent, refund: Tool, admin: Principal) -> None:
    in_force(admin, CAP)
    for amount in ("101", [101], {"value": 101}, 1e300, True):
        assert ask(agent, arguments={"amount": amount}).outcome == "deny", amount
    assert ask(agent, arguments={"amount": {"__extn": {"fn": "decimal", "arg": "1.0"}}}).outcome == "deny"
    assert ask(agent, arguments={"amount": 100, "note": None, "rate": 1.5}).outcome == "allow"


def test_a_denial_stands_in_the_ledger_and_a_retry_of_an_allowed_call_is_one_decision(
    agent: Agent, refund: Tool, admin: Principal
) -> None:
    in_force(admin, CAP)
    first = ask(agent, call_id="c1", arguments={"amount": 1})
    assert ask(agent, call_id="c1", arguments={"amount": 1}).pk == first.pk
    other = ask(agent, call_id="c1", arguments={"amount": 500})
    assert (other.outcome, Decision.objects.count()) == ("deny", 2)
    entry = LedgerEntry.objects.get(action="oversight.decision.denied")
    assert (entry.target_id, other.digest in bytes(entry.body).decode()) == (str(other.pk), True)
    trip_breaker(agent, actor=admin, reason="Strange.")
    assert ask(agent, call_id="c1", arguments={"amount": 1}).code == "breaker.tripped"


def test_a_permit_makes_everything_else_refused(agent: Agent, refund: Tool, admin: Principal) -> None:
    Tool.objects.create(name="lookup", server="pay")
    in_force(admin, f'permit(principal == Agent::"{agent.slug}", action, resource == Tool::"pay/lookup");')
    in_force(admin, f'permit(principal == Agent::"{agent.slug}", action, resource in Server::"pay") when {{ context.operation == "x" }};', name="Other")  # fmt: skip
    assert ask(agent, "pay/lookup").outcome == "allow"
    assert ask(agent).code == "policy.not_permitted"
    assert ask(agent, operation="x").code == "policy.permitted"


def test_a_rule_over_a_session_counts_what_succeeded_there_and_nothing_a_stranger_adds(
    agent: Agent, refund: Tool, admin: Principal
) -> None:
    from apps.activity.models import ToolCall

    Tool.objects.create(name="check", server="risk")
    in_force(admin, 'forbid(principal, action, resource == Tool::"pay/refund") unless { context.session.succeeded.contains(Tool::"risk/check") };')  # fmt: skip
    stranger = factories.make_agent("production", tier=1, team=factories.make_team())

    def report(by: Agent, status: str) -> None:
        ToolCall.objects.create(
            position=1, agent=by, source_id=by.principal_id, trace_id=b"t" * 16, span_id=b"s" * 8, conversation_id="talk",
            started_at=timezone.now(), tool_name="check", mcp_server="risk", status=status,
        )  # fmt: skip

    report(stranger, "ok")
    report(agent, "error")
    assert ask(agent, conversation_id="talk").code == "policy.matched"
    report(agent, "ok")
    assert ask(agent, conversation_id="talk").outcome == "allow"
    assert ask(agent, conversation_id="another").outcome == "deny"


def test_a_level_for_people_only_refuses_and_a_budget_ends(
    agent: Agent, refund: Tool, admin: Principal
) -> None:
    set_budget(agent, "calls", 2, 3600, actor=admin, reason="A trial.")
    assert [ask(agent, "other").code for _ in range(3)] == ["policy.none", "policy.none", "budget.exhausted"]
    set_level(LevelChoice("human_only", "Too much.", agent=agent, tool="pay/refund"), actor=admin)
    decision = ask(agent)
    assert (decision.code, decision.outcome) == ("oversight.human_only", "deny")
    assert agent.approvals.get().kind == "human_only"


@pytest.mark.django_db(transaction=True)
def test_of_two_calls_that_fit_alone_and_not_together_one_is_refused() -> None:
    admin = factories.make_person(Role.ADMINISTRATOR)
    agent = factories.make_agent("production", tier=1)
    Tool.objects.create(name="refund", server="pay", side_effect="external")
    in_force(admin, '@counters("total = sum arguments.amount per agent over 1h") forbid(principal, action, resource == Tool::"pay/refund") when { context.counters.total.greaterThan(decimal("100.0")) };')  # fmt: skip
    outcomes: list[str] = []

    def one() -> None:
        try:
            outcomes.append(ask(agent, arguments={"amount": 60}).outcome)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["allow"] + ["deny"] * 5

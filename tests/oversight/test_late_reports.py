"""A call is judged by what held when it started, as far as the agent's clock can be believed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from apps.activity.models import ToolCall
from apps.activity.signals import calls_recorded
from apps.agents import risk
from apps.agents.models import Agent
from apps.agents.services.registry import edit_agent
from apps.compliance.models import Certification
from apps.compliance.services.certifications import revoke_certification
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.lifecycle.services.moves import move_agent
from apps.oversight.models import BreakerTrip
from apps.oversight.services.breaker import trip_breaker
from apps.oversight.services.policies import drop_tool_policy, set_tool_policy
from apps.oversight.services.resets import reset_breaker
from tests import factories

pytestmark = pytest.mark.django_db


def report(agent: Agent, started_at: datetime) -> ToolCall:
    call = ToolCall.objects.create(
        position=1, agent=agent, source_id=agent.principal_id, trace_id=b"t" * 16, span_id=b"s" * 8,
        started_at=started_at, tool_name="alpha", status="ok",
    )  # fmt: skip
    calls_recorded.send(sender=ToolCall, calls=[call])
    call.refresh_from_db()
    return call


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


@pytest.fixture
def agent() -> Agent:
    agent = factories.make_agent("production", tier=3)
    factories.certify(agent)
    return agent


Act = Callable[[Agent, Principal], object]
STOPS: dict[str, tuple[Act, str]] = {
    "trip": (lambda a, by: trip_breaker(a, actor=by, reason="Odd."), "breaker.tripped"),
    "suspend": (lambda a, by: move_agent(a, "suspend", actor=by, reason="Odd."), "lifecycle.suspended"),
    "policy": (lambda a, by: set_tool_policy(a, ["beta"], actor=by), "policy.tool_not_allowed"),
    "tier": (lambda a, by: edit_agent(a, {risk.FIELDS[0]: 4}, actor=by), "certification.lapsed"),
    "revocation": (
        lambda a, by: revoke_certification(Certification.objects.get(), actor=by, reason="Odd."),
        "certification.lapsed",
    ),
}


@pytest.mark.parametrize("stop", STOPS)
def test_a_call_made_before_a_stop_and_told_after_it_is_allowed(
    stop: str, agent: Agent, administrator: Principal
) -> None:
    act, code = STOPS[stop]
    before = timezone.now()
    act(agent, administrator)
    assert report(agent, before).outcome == "allowed", "nobody objects to what was in order when it was done"
    after = report(agent, timezone.now())
    assert (after.outcome, after.outcome_code) == ("violation", code)


@pytest.mark.parametrize("off", [timedelta(minutes=-11), timedelta(days=-30), timedelta(minutes=11)])
def test_backdating_does_not_walk_past_a_stop(off: timedelta, agent: Agent, administrator: Principal) -> None:
    trip_breaker(agent, actor=administrator, reason="Odd.")
    call = report(agent, timezone.now() + off)
    assert (call.outcome, call.outcome_code) == ("violation", "breaker.tripped")
    assert "judged by when it was reported" in call.outcome_reason


def test_a_call_made_while_stopped_and_told_after_the_reset_is_a_violation(
    agent: Agent, administrator: Principal
) -> None:
    trip_breaker(agent, actor=administrator, reason="Odd answers.")
    during = timezone.now()
    reset_breaker(agent, actor=administrator, reason="Mended.", corrective_action="A patch")
    call = report(agent, during)
    assert (call.outcome, call.outcome_code) == ("violation", "breaker.tripped")
    assert "Odd answers." in call.outcome_reason
    assert report(agent, timezone.now()).outcome == "allowed"


def test_a_policy_that_was_dropped_still_judges_what_was_done_under_it(
    agent: Agent, administrator: Principal
) -> None:
    set_tool_policy(agent, ["beta"], actor=administrator)
    during = timezone.now()
    drop_tool_policy(agent, actor=administrator, reason="A trial.")
    assert report(agent, during).outcome_code == "policy.tool_not_allowed"
    assert report(agent, timezone.now()).outcome == "allowed"


def test_violations_before_a_reset_do_not_count_after_it(agent: Agent, administrator: Principal) -> None:
    set_tool_policy(agent, ["beta"], actor=administrator)
    before = timezone.now()
    trip_breaker(agent, actor=administrator, reason="Odd.")
    reset_breaker(agent, actor=administrator, reason="Mended.", corrective_action="A patch")
    for _ in range(6):
        assert report(agent, before).outcome == "violation"
    assert not BreakerTrip.objects.filter(reset_at=None).exists()
    for _ in range(5):
        report(agent, timezone.now())
    assert BreakerTrip.objects.filter(reset_at=None).exists()


def test_backdated_violations_do_count_after_a_reset(agent: Agent, administrator: Principal) -> None:
    set_tool_policy(agent, ["beta"], actor=administrator)
    trip_breaker(agent, actor=administrator, reason="Odd.")
    reset_breaker(agent, actor=administrator, reason="Mended.", corrective_action="A patch")
    a_while_ago = timezone.now() - timedelta(minutes=30)
    BreakerTrip.objects.update(tripped_at=a_while_ago, reset_at=a_while_ago)
    for _ in range(5):
        report(agent, timezone.now() - timedelta(days=2))
    assert BreakerTrip.objects.filter(reset_at=None).exists()

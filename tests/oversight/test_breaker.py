"""What trips a breaker, who resets it, the trial after it, and what is left to a stopped agent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.activity.models import Alert, ModelAnswer, ToolCall
from apps.activity.signals import calls_recorded
from apps.agents.models import Agent, Dependency
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, DomainError, NotPermitted
from apps.oversight.models import BreakerRule, BreakerTrip, Decision
from apps.oversight.services.breaker import review_trip, take_along, trip_breaker
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.limits import LimitRequest, Whose, set_limit
from apps.oversight.services.policies import set_tool_policy
from apps.oversight.services.resets import confirm_reset, reset_breaker
from apps.oversight.tasks import watch_breakers
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


@pytest.fixture
def agent() -> Agent:
    return factories.make_agent("production", tier=2)


def report(agent: Agent, times: int = 1, **fields: Any) -> None:
    values = {"tool_name": "alpha", "status": "ok", "started_at": timezone.now()} | fields
    calls = [
        ToolCall(
            position=1, agent=agent, source_id=agent.principal_id, trace_id=b"t" * 16, span_id=b"s" * 8, **values
        )
        for _ in range(times)
    ]  # fmt: skip
    ToolCall.objects.bulk_create(calls)
    calls_recorded.send(sender=ToolCall, calls=calls)


def reset(agent: Agent, actor: Principal) -> BreakerTrip:
    return reset_breaker(agent, actor=actor, reason="Found it.", corrective_action="A patch")


def state(agent: Agent) -> str:
    return Agent.objects.get(pk=agent.pk).breaker_state


def alert_of(agent: Agent) -> None:
    for number in range(5):
        Alert.objects.create(
            agent=agent, detector="new_tool", cause=f"new_tool: {number}", severity="high", reason="New.", score=7.0,
            first_at=timezone.now(), last_at=timezone.now(),
        )  # fmt: skip


def spend(agent: Agent) -> None:
    ModelAnswer.objects.create(
        agent=agent, model="m", started_at=timezone.now(), cost_usd_micros=int(Decimal("12.5") * 1_000_000)
    )


def deny(agent: Agent) -> None:
    set_tool_policy(agent, ["beta"], actor=factories.make_person(Role.OPERATOR))
    asker = factories.make_person(Role.ADMINISTRATOR)
    for _ in range(20):
        decide(agent, Question("alpha"), actor=asker)


CAUSES: dict[str, tuple[Callable[[Agent], None], LimitRequest | None]] = {
    "violations": (
        lambda a: report(a, 5),
        None,
    ),
    "errors": (lambda a: report(a, 30, status="error"), None),
    "denials": (deny, None),
    "anomalies": (alert_of, LimitRequest("anomalies", True, 5, 3600)),
    "spend": (spend, LimitRequest("spend", True, 12, 86_400)),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_trips_and_keeps_what_it_counted(
    cause: str, agent: Agent, administrator: Principal
) -> None:
    act, chosen = CAUSES[cause]
    if chosen is not None:
        set_limit(Whose(tier=2), chosen, actor=administrator, reason="We want it.")
    if cause == "violations":
        set_tool_policy(agent, ["beta"], actor=administrator)
    act(agent)
    watch_breakers()
    trip = BreakerTrip.objects.get(agent=agent)
    assert (trip.cause, state(agent)) == (cause, "tripped")
    assert trip.evidence["count"] >= (trip.threshold or 0)
    assert trip.evidence["limit_of"] == ("chancery" if chosen is None else "tier")
    named = trip.call_ids or trip.evidence.get("alerts") or trip.evidence.get("decisions")
    assert bool(named) is (cause != "spend")
    watch_breakers()
    assert BreakerTrip.objects.count() == 1


def test_a_cause_that_is_switched_off_trips_nothing(agent: Agent, administrator: Principal) -> None:
    off = LimitRequest("errors", False, 30, 600)
    set_limit(Whose(agent=agent), off, actor=administrator, reason="It probes.")
    report(agent, 40, status="error")
    assert state(agent) == "armed"
    assert BreakerRule.objects.get().agent == agent
    told = LedgerEntry.objects.get(action="oversight.breaker.limit_set")
    assert b"errors never" in bytes(told.body)


def test_failed_calls_that_are_few_among_many_trip_nothing(agent: Agent) -> None:
    report(agent, 40)
    report(agent, 30, status="error")
    assert state(agent) == "armed"


def test_after_a_reset_calls_are_few_and_a_violation_trips_at_once(
    agent: Agent, administrator: Principal
) -> None:
    trip_breaker(agent, actor=administrator, reason="Odd.")
    reset(agent, administrator)
    answers = [decide(agent, Question("alpha"), actor=administrator).code for _ in range(31)]
    assert (answers.count("policy.none"), answers[-1]) == (30, "breaker.trial_limit")
    set_tool_policy(agent, ["beta"], actor=administrator)
    report(agent)
    assert state(agent) == "tripped"
    assert BreakerTrip.objects.filter(reset_at=None).get().cause == "trial"
    assert not BreakerTrip.objects.filter(trial_until__isnull=False, trial_ended_at=None).exists()


def test_a_trial_ends_by_calls_in_order_or_by_time(agent: Agent, administrator: Principal) -> None:
    trip_breaker(agent, actor=administrator, reason="Odd.")
    reset(agent, administrator)
    report(agent, 19)
    assert state(agent) == "on_trial"
    report(agent)
    assert state(agent) == "armed"
    trip_breaker(agent, actor=administrator, reason="Odd again.")
    reset(agent, administrator)
    BreakerTrip.objects.filter(trial_ended_at=None).update(trial_until=timezone.now() - timedelta(seconds=1))
    watch_breakers()
    assert state(agent) == "armed"
    assert LedgerEntry.objects.filter(action="oversight.breaker.armed").count() == 2


def test_tier_4_is_reset_by_two(administrator: Principal) -> None:
    agent = factories.make_agent("production", tier=4)
    trip_breaker(agent, actor=administrator, reason="Odd.")
    assert reset(agent, administrator).reset_at is None
    assert state(agent) == "tripped"
    with pytest.raises(NotPermitted) as own:
        confirm_reset(agent, actor=administrator)
    with pytest.raises(Conflict) as again:
        reset(agent, factories.make_person(Role.ADMINISTRATOR))
    with pytest.raises(NotPermitted):
        confirm_reset(agent, actor=factories.make_person(Role.OPERATOR))
    assert (own.value.code, again.value.code) == ("breaker.own_reset", "breaker.reset_requested_already")
    second = factories.make_person(Role.ADMINISTRATOR)
    trip = confirm_reset(agent, actor=second)
    assert (trip.reset_by, trip.reset_requested_by) == (second, administrator)
    assert (trip.corrective_action, state(agent)) == ("A patch", "on_trial")


def test_anybody_with_a_role_stops_and_somebody_else_reviews(agent: Agent) -> None:
    viewer, operator = factories.make_person(Role.VIEWER), factories.make_person(Role.OPERATOR)
    client = factories.client_of(viewer)
    url = f"/api/v1/agents/{agent.pk}/breaker"
    assert client.post(f"{url}/trip", {"reason": "It wires money."}).json()["state"] == "tripped"
    assert client.post(f"{url}/reset", {"reason": "x", "corrective_action": "y"}).status_code == 403
    trip = BreakerTrip.objects.get()
    with pytest.raises(NotPermitted):
        review_trip(trip, actor=viewer, review="Fine.")
    trip.tripped_by = operator
    trip.save()
    with pytest.raises(NotPermitted) as own:
        review_trip(trip, actor=operator, review="Fine.")
    assert own.value.code == "breaker.own_stop"
    review_trip(trip, actor=factories.make_person(Role.COMPLIANCE), review="It was right.")
    trip.refresh_from_db()
    assert (trip.review, trip.awaits_review) == ("It was right.", False)


def test_a_stopped_agents_keys_ask_and_report_and_open_nothing_else(
    agent: Agent, administrator: Principal
) -> None:
    client = factories.client_of(agent.principal, "read", "decide")
    assert client.get(f"/api/v1/agents/{agent.pk}").status_code == 200
    trip_breaker(agent, actor=administrator, reason="Odd.")
    assert client.get(f"/api/v1/agents/{agent.pk}").status_code == 403
    assert client.post("/api/v1/decisions", {"tool": "alpha"}).json()["code"] == "breaker.tripped"
    minted = factories.client_of(administrator).post(
        "/api/v1/api-keys", {"name": "again", "principal": str(agent.principal_id), "scopes": ["read"]}
    )
    assert (minted.status_code, minted.json()["code"]) == (409, "identity.key.suspended")
    reset(agent, administrator)
    assert client.get(f"/api/v1/agents/{agent.pk}").status_code == 200


def test_what_it_hands_work_to_is_offered_and_taken_along(agent: Agent, administrator: Principal) -> None:
    helper = factories.make_agent("production", tier=1)
    Dependency.objects.create(
        source_kind="agent", source_id=agent.pk, target_kind="agent", target_id=helper.pk, relation="delegates_to",
        origin="declared",
    )  # fmt: skip
    trip = trip_breaker(agent, actor=administrator, reason="Odd.")
    page = factories.client_of(administrator).get(f"/api/v1/breaker-trips/{trip.pk}")
    assert page.json()["agent"]["id"] == str(agent.pk)
    take_along(trip, [helper.pk], actor=administrator, reason="It follows orders.")
    assert state(helper) == "tripped"
    assert BreakerTrip.objects.get(agent=helper).taken_along_by == trip


@pytest.mark.django_db(transaction=True)
def test_of_two_who_trip_or_reset_at_once_one_does_it() -> None:
    agent = factories.make_agent("production", tier=2)
    people = [factories.make_person(Role.ADMINISTRATOR) for _ in range(4)]
    codes = _at_once([lambda p=p: trip_breaker(agent, actor=p, reason="Odd.") for p in people])
    assert sorted(codes) == ["breaker.tripped_already"] * 3 + ["done"]
    codes = _at_once([lambda p=p: reset(agent, p) for p in people])
    assert sorted(codes) == ["breaker.armed_already"] * 3 + ["done"]
    assert BreakerTrip.objects.count() == 1
    assert Decision.objects.count() == 0


def _at_once(acts: list[Callable[[], object]]) -> list[str]:
    """The codes with which these acts end when they begin together."""
    codes: list[str] = []
    gate = threading.Barrier(len(acts))

    def work(act: Callable[[], object]) -> None:
        gate.wait()
        try:
            act()
            codes.append("done")
        except DomainError as error:
            codes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes

"""Resetting a breaker: by an administrator, with a reason and a corrective action; of tier 4 by two. Then a trial."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.activity.models import ToolCall
from apps.agents.access import require_for
from apps.agents.models import Agent, BreakerState
from apps.agents.services.registry import lock_agent, lock_agents
from apps.agents.services.status import write_breaker
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.identity.services.principals import restore_principals
from apps.kit.errors import Conflict, NotPermitted, require_reason
from apps.kit.ids import first_id_at
from apps.oversight.limits import GRAVEST_TIER, trial_of
from apps.oversight.models import BreakerTrip
from apps.oversight.services.breaker import keys_of
from apps.oversight.services.containment import issue_order
from apps.oversight.services.kill_switches import require_action
from apps.oversight.signals import breaker_changed

NOT_IN_ORDER = ("violation", "blocked", "pending")


@transaction.atomic
def reset_breaker(agent: Agent, *, actor: Principal, reason: str, corrective_action: str) -> BreakerTrip:
    """Let the agent act again, on trial. Violations before the reset do not count towards the next trip.

    Of tier 4 this asks a second administrator (`confirm_reset`), and the agent stays stopped until then.
    """
    agent, trip = _stopped(agent, actor)
    require_reason(reason, "Say why it may act again")
    require_action(corrective_action)
    if needs_two(agent) and trip.is_reset_requested:
        raise Conflict(
            f"{trip.reset_requested_by} asked for this reset already; another administrator confirms it.",
            code="breaker.reset_requested_already",
        )
    trip.reset_reason, trip.corrective_action = reason.strip(), corrective_action.strip()
    if not needs_two(agent):
        return begin_trial(agent, trip, actor=actor)
    trip.reset_requested_at, trip.reset_requested_by = timezone.now(), actor
    trip.save(update_fields=["reset_reason", "corrective_action", "reset_requested_at", "reset_requested_by"])
    _record("reset_requested", trip, actor, trip.reset_reason)
    return trip


@transaction.atomic
def confirm_reset(agent: Agent, *, actor: Principal) -> BreakerTrip:
    """The second administrator's yes: the reset happens as the first one asked for it."""
    agent, trip = _stopped(agent, actor)
    _require_requested(trip)
    if trip.reset_requested_by_id == actor.pk:
        raise NotPermitted("Another administrator confirms what you asked for.", code="breaker.own_reset")
    return begin_trial(agent, trip, actor=actor)


@transaction.atomic
def decline_reset(agent: Agent, *, actor: Principal, reason: str) -> BreakerTrip:
    """Take a request for a reset back, or refuse it: the agent stays stopped."""
    agent, trip = _stopped(agent, actor)
    require_reason(reason, "Say why it stays stopped")
    _require_requested(trip)
    trip.reset_requested_at = trip.reset_requested_by = None
    trip.reset_reason = trip.corrective_action = ""
    trip.save(update_fields=["reset_reason", "corrective_action", "reset_requested_at", "reset_requested_by"])
    _record("reset_declined", trip, actor, reason.strip())
    return trip


def needs_two(agent: Agent) -> bool:
    return agent.tier == GRAVEST_TIER


def begin_trial(agent: Agent, trip: BreakerTrip, *, actor: Principal) -> BreakerTrip:
    """Write the reset of a locked agent: it is on trial, its keys open again, every point is told. A step of a reset."""
    now, terms = timezone.now(), trial_of(agent.tier)
    trip.reset_at, trip.reset_by = now, actor
    trip.trial_calls, trip.trial_until = terms.calls, now + terms.lasts
    trip.save(
        update_fields=[
            "reset_at", "reset_by", "reset_reason", "corrective_action", "trial_calls", "trial_until",
        ]
    )  # fmt: skip
    write_breaker(agent, BreakerState.ON_TRIAL, tripped_at=None, reason="")
    restore_principals(keys_of([agent]))
    _record("reset", trip, actor, trip.reset_reason)
    issue_order("resume", at=now, reason=trip.reset_reason, trip=trip)
    breaker_changed.send(sender=BreakerTrip, agent=agent, trip=trip)
    return trip


@transaction.atomic
def end_trials(agent_ids: Collection[UUID]) -> int:
    """Arm those on trial that made enough calls in order, or whose time is over without a violation; returns how many.

    A violation has tripped them before: that is looked at first, in the transaction that judges it.
    """
    running = BreakerTrip.objects.filter(
        agent__in=agent_ids, trial_until__isnull=False, trial_ended_at=None
    ).exclude(reset_at=None)
    over = {one.agent_id: why for one in running if (why := _why_over(one))}
    ended = 0
    for agent in lock_agents(list(over)) if over else ():
        trip = BreakerTrip.objects.filter(agent=agent, trial_until__isnull=False, trial_ended_at=None).first()
        if trip is None or agent.breaker_state != BreakerState.ON_TRIAL:
            continue
        _arm(agent, trip, over[agent.pk])
        ended += 1
    return ended


def trials_over_by_time() -> list[UUID]:
    """Agents whose trial has lasted. One query."""
    running = BreakerTrip.objects.filter(trial_until__lte=timezone.now(), trial_ended_at=None)
    return list(running.values_list("agent_id", flat=True))


def calls_on_trial(trip: BreakerTrip) -> int:
    """Calls in order since the reset. One query."""
    assert trip.reset_at is not None
    since: datetime = trip.reset_at
    calls = ToolCall.objects.filter(agent=trip.agent_id, pk__gte=first_id_at(since), started_at__gt=since)
    return calls.exclude(outcome__in=NOT_IN_ORDER).count()


def _why_over(trip: BreakerTrip) -> str:
    made = calls_on_trial(trip)
    if made >= (trip.trial_calls or 0):
        return f"{made} calls without a violation"
    return f"no violation until {trip.trial_until:%-d %B %Y, %H:%M} UTC" if trip.trial_is_over_by_time else ""


def _arm(agent: Agent, trip: BreakerTrip, why: str) -> None:
    trip.trial_ended_at = timezone.now()
    trip.save(update_fields=["trial_ended_at"])
    write_breaker(agent, BreakerState.ARMED, tripped_at=None, reason="")
    detail = {"trip": trip.pk, "why": why}
    record_act("oversight.breaker.armed", actor=system_principal(), target=("agent", agent.pk), detail=detail)
    breaker_changed.send(sender=BreakerTrip, agent=agent, trip=trip)


def _stopped(agent: Agent, actor: Principal) -> tuple[Agent, BreakerTrip]:
    """The locked agent and the trip that stops it."""
    agent = lock_agent(agent, off_record_too=True)
    require_for(actor, Permission.BREAKER_RESET, agent)
    trip = BreakerTrip.objects.filter(agent=agent, reset_at=None).select_related("reset_requested_by").first()
    if trip is None:
        raise Conflict(f"{agent.name} is not stopped.", code="breaker.armed_already")
    return agent, trip


def _require_requested(trip: BreakerTrip) -> None:
    if not trip.is_reset_requested:
        raise Conflict("Nobody has asked for a reset.", code="breaker.reset_not_requested")


def _record(verb: str, trip: BreakerTrip, actor: Principal, reason: str) -> None:
    record_act(
        f"oversight.breaker.{verb}",
        actor=actor,
        target=("agent", trip.agent_id),
        reason=reason,
        detail=reset_detail(trip),
    )


def reset_detail(trip: BreakerTrip) -> dict[str, Any]:
    """What the ledger keeps of a reset; judging calls that are told late reads it."""
    asked_by = trip.reset_requested_by.name if trip.reset_requested_by is not None else ""
    return {
        "trip": trip.pk, "tripped_at": trip.tripped_at, "trip_reason": trip.reason,
        "corrective_action": trip.corrective_action, "asked_by": asked_by,
    }  # fmt: skip

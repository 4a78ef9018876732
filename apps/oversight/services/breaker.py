"""The circuit breaker: trips on violations or by a person's hand; only an administrator resets it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.activity.models import ToolCall
from apps.agents.access import require_for
from apps.agents.models import Agent, BreakerState
from apps.agents.services.registry import lock_agent
from apps.agents.services.status import write_breaker
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import Conflict, require_reason
from apps.kit.ids import first_id_at
from apps.oversight.models import BreakerTrip
from apps.oversight.past import BELIEVED_FOR
from apps.oversight.signals import breaker_changed


@transaction.atomic
def trip_if_over(agent_id: UUID) -> BreakerTrip | None:
    """Trip the agent's breaker when its violations since the last reset reach the limit in the window.

    Violations are counted from stored calls, so a batch that is worked on twice counts once. Two queries
    beside the lock; None when the breaker stays as it is.
    """
    agent = lock_agent(Agent(pk=agent_id), off_record_too=True)
    if agent.is_tripped:
        return None
    now = timezone.now()
    calls = _violations(agent, now)
    if len(calls) < settings.BREAKER_THRESHOLD:
        return None
    reason = f"{len(calls)} violations in {_words(settings.BREAKER_WINDOW)}; the limit is {settings.BREAKER_THRESHOLD}."
    trip = BreakerTrip(
        cause=BreakerTrip.Cause.VIOLATIONS,
        violations=len(calls),
        threshold=settings.BREAKER_THRESHOLD,
        window_s=int(settings.BREAKER_WINDOW.total_seconds()),
        call_ids=calls,
        reason=reason,
    )
    return _trip(agent, trip, actor=system_principal(), at=now)


@transaction.atomic
def trip_breaker(agent: Agent, *, actor: Principal, reason: str) -> BreakerTrip:
    """Stop an agent at once: every further tool call is refused until an administrator resets it."""
    agent = lock_agent(agent, off_record_too=True)
    require_for(actor, Permission.BREAKER_TRIP, agent)
    require_reason(reason, "Say why the agent is stopped")
    if agent.is_tripped:
        raise Conflict(f"{agent.name} is stopped already.", code="breaker.tripped_already")
    trip = BreakerTrip(cause=BreakerTrip.Cause.PERSON, reason=f"Stopped by {actor.name}: {reason.strip()}")
    return _trip(agent, trip, actor=actor, at=timezone.now())


@transaction.atomic
def reset_breaker(agent: Agent, *, actor: Principal, reason: str) -> BreakerTrip:
    """Let the agent act again. Violations before the reset do not count towards the next trip."""
    agent = lock_agent(agent, off_record_too=True)
    require_for(actor, Permission.BREAKER_RESET, agent)
    require_reason(reason, "Say why it may act again")
    trip = BreakerTrip.objects.filter(agent=agent, reset_at=None).first()
    if trip is None:
        raise Conflict(f"The breaker of {agent.name} is armed already.", code="breaker.armed_already")
    trip.reset_at, trip.reset_by, trip.reset_reason = timezone.now(), actor, reason.strip()
    trip.save(update_fields=["reset_at", "reset_by", "reset_reason"])
    write_breaker(agent, BreakerState.ARMED, tripped_at=None, reason="")
    record_act(
        "oversight.breaker.reset",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason.strip(),
        detail={"trip": trip.pk, "tripped_at": trip.tripped_at, "trip_reason": trip.reason},
    )
    breaker_changed.send(sender=BreakerTrip, agent=agent, trip=trip)
    return trip


def _trip(agent: Agent, trip: BreakerTrip, *, actor: Principal, at: datetime) -> BreakerTrip:
    trip.agent, trip.tripped_at, trip.tripped_by = agent, at, actor
    trip.save(force_insert=True)
    write_breaker(agent, BreakerState.TRIPPED, tripped_at=at, reason=trip.reason)
    record_act(
        "oversight.breaker.tripped",
        actor=actor,
        target=("agent", agent.pk),
        reason=trip.reason,
        detail={"trip": trip.pk, "cause": trip.cause, "violations": trip.violations, "calls": trip.call_ids},
    )
    breaker_changed.send(sender=BreakerTrip, agent=agent, trip=trip)
    return trip


def _violations(agent: Agent, now: datetime) -> list[UUID]:
    since = now - settings.BREAKER_WINDOW
    last_reset = (
        BreakerTrip.objects.filter(agent=agent)
        .exclude(reset_at=None)
        .order_by("-reset_at")
        .values_list("reset_at", flat=True)
    ).first()
    since = max(since, last_reset) if last_reset else since
    calls = ToolCall.objects.filter(agent=agent, outcome="violation", judged_at__gt=since)
    if last_reset:  # one that was made before and told after does not count, where its clock is believed
        told_late = Q(pk__gte=first_id_at(last_reset + BELIEVED_FOR))
        calls = calls.filter(Q(started_at__gt=last_reset) | told_late)
    return list(calls.order_by("judged_at").values_list("pk", flat=True)[:1000])


def _words(window: timedelta) -> str:
    seconds = int(window.total_seconds())
    return f"{seconds // 60} minutes" if seconds >= 120 and seconds % 60 == 0 else f"{seconds} seconds"

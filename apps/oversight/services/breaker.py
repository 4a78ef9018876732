"""The circuit breaker: trips when a limit is passed or by a person's hand. How it is reset stands in `resets`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.agents.access import may, require_for
from apps.agents.models import Agent, BreakerState
from apps.agents.services.registry import lock_agent, lock_agents
from apps.agents.services.status import write_breaker
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.identity.services.principals import suspend_principals
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, require_reason
from apps.oversight.excesses import Excess, excess_of, limits_for, watch
from apps.oversight.models import BreakerTrip
from apps.oversight.services.containment import issue_order
from apps.oversight.signals import breaker_changed

MOST_TAKEN_ALONG = 200


@transaction.atomic
def trip_those_over(causes: Mapping[UUID, Collection[str]]) -> list[BreakerTrip]:
    """Trip the breakers of those of these agents that are over a limit of theirs, by the causes that may have been passed.

    Counted first without a lock, then again with it: a batch that is worked on twice counts once, and two workers trip once.
    Three queries, and one for each agent and cause.
    """
    agents = Agent.objects.filter(pk__in=causes.keys()).exclude(breaker_state=BreakerState.TRIPPED)
    now = timezone.now()
    over = [one for one in watch(list(agents)) if excess_of(one, _in_order(causes[one.agent.pk]), now)]
    if not over:
        return []
    locked = lock_agents([one.agent.pk for one in over])
    trips = []
    for watched in watch([agent for agent in locked if not agent.is_tripped]):
        excess = excess_of(watched, _in_order(causes[watched.agent.pk]), now)
        if excess is not None:
            trips.append(trip_agent(watched.agent, trip_of(excess), actor=system_principal(), at=now))
    return trips


@transaction.atomic
def trip_for_fall(agent_id: UUID, words: str) -> BreakerTrip | None:
    """Trip the breaker of an agent whose outcomes got worse, where that is a cause for it. One fall is enough."""
    agent = lock_agent(Agent(pk=agent_id), off_record_too=True)
    limit = limits_for(agent)["outcomes"]
    if agent.is_tripped or not limit.is_on:
        return None
    excess = Excess("outcomes", limit, 1, named={"fall": [words]})
    trip = trip_of(excess)
    trip.reason = f"{words[:1].upper()}{words[1:]}."
    return trip_agent(agent, trip, actor=system_principal(), at=timezone.now())


@transaction.atomic
def trip_breaker(agent: Agent, *, actor: Principal, reason: str) -> BreakerTrip:
    """Stop an agent at once: every further tool call is refused until an administrator resets it.

    Whoever sees the agent through a role may: an emergency waits for nobody. Somebody else reviews it afterwards.
    """
    agent = lock_agent(agent, off_record_too=True)
    require_for(actor, Permission.BREAKER_TRIP, agent)
    require_reason(reason, "Say why the agent is stopped")
    if agent.is_tripped:
        raise Conflict(f"{agent.name} is stopped already.", code="breaker.tripped_already")
    trip = BreakerTrip(cause=BreakerTrip.Cause.PERSON, reason=f"Stopped by {actor.name}: {reason.strip()}")
    return trip_agent(agent, trip, actor=actor, at=timezone.now())


@transaction.atomic
def take_along(
    trip: BreakerTrip, agent_ids: Collection[UUID], *, actor: Principal, reason: str
) -> list[BreakerTrip]:
    """Stop agents that the stopped one spawned or hands work to, as one act; those stopped already are passed over."""
    require_reason(reason, "Say why they are stopped as well")
    if not 0 < len(agent_ids) <= MOST_TAKEN_ALONG:
        raise InvalidInput("Nobody was stopped.", fields={"agents": f"Choose 1 to {MOST_TAKEN_ALONG} agents"})
    agents, now = lock_agents(agent_ids), timezone.now()
    for agent in agents:
        require_for(actor, Permission.BREAKER_TRIP, agent)
    words = f"Stopped with {trip.agent.name} by {actor.name}: {reason.strip()}"
    return [
        trip_agent(
            agent,
            BreakerTrip(cause=BreakerTrip.Cause.PERSON, reason=words, taken_along_by=trip),
            actor=actor,
            at=now,
        )
        for agent in agents
        if not agent.is_tripped
    ]


@transaction.atomic
def review_trip(trip: BreakerTrip, *, actor: Principal, review: str) -> BreakerTrip:
    """Say what is to be thought of a stop by hand: by somebody other than who made it."""
    trip = (
        BreakerTrip.objects.select_for_update(of=("self",))
        .select_related("agent", "tripped_by")
        .get(pk=trip.pk)
    )
    require_for(actor, Permission.BREAKER_REVIEW, trip.agent)
    require_reviewer(trip, actor=actor)
    if not review.strip():
        raise InvalidInput("The review was not kept.", fields={"review": "Say whether the stop was right"})
    if not trip.awaits_review:
        raise Conflict("This stop needs no review any more.", code="breaker.reviewed_already")
    trip.reviewed_at, trip.reviewed_by, trip.review = timezone.now(), actor, review.strip()
    trip.save(update_fields=["reviewed_at", "reviewed_by", "review"])
    record_act(
        "oversight.breaker.reviewed",
        actor=actor,
        target=("agent", trip.agent_id),
        reason=trip.review,
        detail={"trip": trip.pk, "stopped_by": trip.tripped_by.name},
    )
    return trip


def may_review(trip: BreakerTrip, *, actor: Principal) -> bool:
    """True for who may review the stops of this agent and did not make this one."""
    is_another = trip.tripped_by_id != actor.pk
    return trip.awaits_review and is_another and may(actor, Permission.BREAKER_REVIEW, trip.agent)


def require_reviewer(trip: BreakerTrip, *, actor: Principal) -> None:
    if trip.tripped_by_id == actor.pk:
        raise NotPermitted("Somebody else reviews a stop.", code="breaker.own_stop")


def trip_agent(agent: Agent, trip: BreakerTrip, *, actor: Principal, at: datetime) -> BreakerTrip:
    """Write the trip of a locked agent, suspend its keys, order every point to stop. A step of an act that checked who may."""
    trip.agent, trip.tripped_at, trip.tripped_by = agent, at, actor
    end_trials_of([agent.pk], at)
    trip.save(force_insert=True)
    write_breaker(agent, BreakerState.TRIPPED, tripped_at=at, reason=trip.reason)
    suspend_principals(keys_of([agent]), at=at)
    record_act(
        "oversight.breaker.tripped",
        actor=actor,
        target=("agent", agent.pk),
        reason=trip.reason,
        detail=_told(trip),
    )
    issue_order("stop", at=at, reason=trip.reason, trip=trip)
    breaker_changed.send(sender=BreakerTrip, agent=agent, trip=trip)
    return trip


def end_trials_of(agent_ids: Collection[UUID], at: datetime) -> None:
    """A trial that ends by a trip. One query."""
    open_trials = BreakerTrip.objects.filter(
        agent__in=agent_ids, trial_until__isnull=False, trial_ended_at=None
    )
    open_trials.update(trial_ended_at=at)


def keys_of(agents: Sequence[Agent]) -> list[UUID]:
    """The principals whose keys act as these agents: their own, and those of records merged into them. One query."""
    merged = Agent.objects.filter(merged_into__in=agents).values_list("principal_id", flat=True)
    return [*(agent.principal_id for agent in agents), *merged]


def trip_of(excess: Excess) -> BreakerTrip:
    """The trip that follows from an excess, with its evidence."""
    is_of_violations = excess.cause in ("violations", "trial")
    return BreakerTrip(
        cause=excess.cause,
        violations=excess.count if is_of_violations else 0,
        threshold=1 if excess.cause == "trial" else excess.limit.threshold,
        window_s=int(excess.limit.window.total_seconds()),
        call_ids=excess.call_ids,
        reason=excess.words,
        evidence={
            "count": excess.count, "of": excess.total, "share_percent": excess.limit.share_percent,
            "limit_of": excess.limit.source, **excess.named,
        },
    )  # fmt: skip


def _told(trip: BreakerTrip) -> dict[str, Any]:
    return {
        "trip": trip.pk, "cause": trip.cause, "violations": trip.violations, "calls": trip.call_ids,
        "evidence": {key: value for key, value in trip.evidence.items() if value is not None},
    }  # fmt: skip


def _in_order(causes: Collection[str]) -> list[str]:
    return sorted(causes, key=lambda cause: (cause != "violations", cause))

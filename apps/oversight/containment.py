"""Is a stop contained? What every enforcement point answered to an order, and who has not. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.agents.models import Agent, Dependency
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.oversight.models import BreakerTrip, ContainmentOrder, EnforcementPoint

MOST_SHOWN = 200
LONGEST_LEASE = timedelta(minutes=5)


@dataclass(frozen=True)
class PointAnswer:
    """What one point said to an order. `delay_s` None: nothing yet. `came_later`: it began after the order, and was told then."""

    point: str
    kind: str
    kind_words: str
    principal: str
    delay_s: float | None
    is_alive: bool
    last_seen_at: datetime
    lapses_at: datetime
    came_later: bool = False

    @property
    def is_silent(self) -> bool:
        """Alive, and without an answer."""
        return self.is_alive and self.delay_s is None


@dataclass(frozen=True)
class Containment:
    """Answers to one order, those that are missing first."""

    seq: int | None
    kind: str
    at: datetime
    answers: Sequence[PointAnswer]
    ended_at: datetime | None = None

    @property
    def silent(self) -> list[str]:
        return [one.point for one in self.answers if one.is_silent]

    @property
    def gone(self) -> list[PointAnswer]:
        """Those whose lease ran out without an answer: whatever they guard decides by itself, as its tier says."""
        return [one for one in self.answers if one.delay_s is None and not one.is_alive]

    @property
    def answered(self) -> int:
        return sum(one.delay_s is not None for one in self.answers)

    @property
    def is_contained(self) -> bool:
        """Somebody answered, and nobody who is alive is silent."""
        return not self.silent and any(one.delay_s is not None for one in self.answers)

    @property
    def contained_after_s(self) -> float | None:
        """Until the last of those had answered that were there when it was ordered; None while somebody is silent."""
        told = [one.delay_s for one in self.answers if one.delay_s is not None and not one.came_later]
        return max(told) if self.is_contained and told else None


def containment_of(order: ContainmentOrder) -> Containment:
    """Who answered the order, and who of those that it concerns has not. Three queries."""
    told = order.acknowledgements.select_related("order", "point")
    delays = {one.point_id: one.delay_s for one in told}
    now, ended = timezone.now(), order.ended_at
    alive_then = Q(last_seen_at__gte=order.at - LONGEST_LEASE)
    rows = points_concerned(order).filter(alive_then | Q(pk__in=delays))
    answers = [
        PointAnswer(
            one.name, one.kind, one.get_kind_display(), one.principal.name, delays.get(one.pk), one.lapses_at > now,
            one.last_seen_at, one.lapses_at, one.first_seen_at > order.at,
        )
        for one in rows.select_related("principal")
        if one.pk in delays or (one.lapses_at > order.at and one.first_seen_at <= (ended or now))
    ]  # fmt: skip
    answers.sort(key=lambda one: (not one.is_silent, one.delay_s is not None, -(one.delay_s or 0)))
    return Containment(order.seq, order.kind, order.at, answers, ended)


def points_concerned(order: ContainmentOrder) -> QuerySet[EnforcementPoint]:
    """Points that guard what the order is about: Chancery's own, those of the agent, of its team, and of no team."""
    own = Q(kind="decision_api") | (Q(kind="credentials") if order.scope == "agent" else Q(pk=None))
    others = ~Q(kind__in=["decision_api", "credentials"])
    if order.scope == "agent" and order.agent is not None:
        others &= _guards(order.agent)
    elif order.scope == "team":
        team = order.team_id
        agents = Agent.objects.filter(Q(team=team) | Q(team__parent=team)).values("principal")
        others &= Q(principal__team=team) | Q(principal__team__parent=team) | Q(principal__in=agents)
    return EnforcementPoint.objects.filter(own | others)


def _guards(agent: Agent) -> Q:
    """Points of the agent itself, of records merged into it, of services of its team, and of people, who ask for all."""
    merged = Agent.objects.filter(merged_into=agent).values("principal")
    of_team = (
        Q(principal__kind=Principal.Kind.SERVICE, principal__team=agent.team_id)
        if agent.team_id
        else Q(pk=None)
    )
    wide = Q(principal__kind=Principal.Kind.HUMAN)
    return Q(principal=agent.principal_id) | Q(principal__in=merged) | of_team | wide


def spawned_by(agent: Agent, *, actor: Principal) -> list[Agent]:
    """Agents it hands work to, and other instances of its blueprint, that are not stopped and that the actor may stop."""
    edges = Dependency.objects.filter(source_id=agent.pk, target_kind="agent").values_list(
        "target_id", flat=True
    )
    wanted = Q(pk__in=list(edges))
    if agent.blueprint_id is not None:
        wanted |= Q(blueprint=agent.blueprint_id)
    rows = Agent.objects.visible_to(actor, Permission.BREAKER_TRIP).on_record().filter(wanted)
    return list(rows.exclude(pk=agent.pk).exclude(breaker_state="tripped").order_by("name")[:MOST_SHOWN])


def trips_to_review(actor: Principal) -> QuerySet[BreakerTrip]:
    """Stops by hand that nobody has reviewed, of agents the actor may know of."""
    rows = BreakerTrip.objects.visible_to(actor).filter(cause="person", reviewed_at=None)
    return rows.select_related("agent", "tripped_by").order_by("tripped_at")


def orders_after(actor: Principal, after: int, most: int = 500) -> list[ContainmentOrder]:
    """Orders that concern the actor, numbered after `after`, oldest first."""
    rows = ContainmentOrder.objects.heard_by(actor).filter(seq__gt=after)
    return list(rows.order_by("seq")[:most])


def orders_standing(actor: Principal) -> list[ContainmentOrder]:
    """Stops that hold now of what the actor may ask for: what a point that starts has to know."""
    rows = ContainmentOrder.objects.heard_by(actor).filter(kind="stop", seq__isnull=False)
    stands = Q(trip__reset_at=None, trip__isnull=False) | Q(switch__released_at=None, switch__isnull=False)
    return list(rows.filter(stands).order_by("seq")[:1000])


def told(order: ContainmentOrder) -> dict[str, object]:
    """An order as points are told it."""
    return {
        "seq": order.seq, "kind": order.kind, "scope": order.scope, "target": order.named, "reason": order.reason,
        "at": order.at.isoformat(),
    }  # fmt: skip

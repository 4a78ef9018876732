"""Orders to every enforcement point, and what the points say: that they live, that they did it.

An order is written in the transaction of the act it follows from, and numbered after the commit: numbers stand in the order
of commits, so that asking for what came after one misses nothing, and a long transaction holds nobody's stop back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection, transaction
from django.utils import timezone
from redis.exceptions import RedisError

from apps.identity.access import require_somewhere
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput, TooMany
from apps.oversight.models import Acknowledgement, BreakerTrip, ContainmentOrder, EnforcementPoint, KillSwitch

logger = logging.getLogger(__name__)
NUDGES_WITHIN_S = 0.5
CONTAINMENT_GROUP = "containment"
LEASE_S = {"hook": 120}
COMMON_LEASE_S = 30
MOST_POINTS = 2000  # of one principal
MOST_ACKNOWLEDGED = 500
KEPT_FOR = timedelta(days=90)
OF_OTHERS = ("sdk", "hook", "gateway", "proxy")
LOCK = 7_271_004  # pg_advisory_xact_lock of whoever numbers
NUMBER = """
UPDATE oversight_containmentorder o SET seq = n.last + n.place
FROM (
  SELECT id, row_number() OVER (ORDER BY at, id) AS place,
    (SELECT coalesce(max(seq), 0) FROM oversight_containmentorder) AS last
  FROM oversight_containmentorder WHERE seq IS NULL
) n WHERE o.id = n.id
"""


@dataclass(frozen=True)
class Heartbeat:
    """A point says that it lives: by which name its principal knows it, of which kind, with which policies loaded."""

    point: str
    kind: str
    bundle: str = ""


def issue_order(
    kind: str,
    *,
    at: datetime,
    reason: str,
    trip: BreakerTrip | None = None,
    switch: KillSwitch | None = None,
    agent_id: UUID | None = None,
) -> ContainmentOrder:
    """Tell every point that it concerns, once the caller's transaction is committed. A step of an act, which has its own entry."""
    order = _order_of(trip, switch, agent_id)
    order.kind, order.at, order.reason, order.trip, order.switch = kind, at, reason, trip, switch
    order.save(force_insert=True)
    transaction.on_commit(partial(tell_points), robust=True)
    return order


def issue_orders(kind: str, trips: Sequence[BreakerTrip], *, at: datetime, reason: str) -> None:
    """As above for many trips, in one query."""
    orders = [
        ContainmentOrder(kind=kind, scope="agent", agent_id=one.agent_id, at=at, reason=reason, trip=one)
        for one in trips
    ]
    ContainmentOrder.objects.bulk_create(orders)
    transaction.on_commit(partial(tell_points), robust=True)


def tell_points() -> None:
    """Number what was committed and wake whoever waits. Whoever looks for orders numbers them too, should this be lost.

    A stop waits for no Valkey: one that hangs is given up after half a second.
    """
    layer, message = get_channel_layer(), {"type": "containment.ordered", "seq": number_orders()}
    if layer is None:
        return

    async def nudge() -> None:
        async with asyncio.timeout(NUDGES_WITHIN_S):
            await layer.group_send(CONTAINMENT_GROUP, message)

    try:
        async_to_sync(nudge)()
    except (RedisError, OSError) as error:
        logger.warning("orders are heard of within a second: %s", error or "no answer from Valkey")


@transaction.atomic
def number_orders() -> int:
    """Give committed orders their numbers; returns the last one. Two queries, and a lock held for as long, where there are any."""
    fresh = ContainmentOrder.objects.filter(seq=None)
    if fresh.exists():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            cursor.execute(NUMBER)
    last = ContainmentOrder.objects.filter(seq__isnull=False).order_by("-seq").values_list("seq", flat=True)
    return last.first() or 0


@transaction.atomic
def hear_heartbeat(heartbeat: Heartbeat, *, actor: Principal) -> EnforcementPoint:
    """A point lives, for its lease from now on. It is made at its first heartbeat."""
    require_somewhere(actor, Permission.DECISIONS_ASK)
    name, now = heartbeat.point.strip(), timezone.now()
    if not name:
        raise InvalidInput("The heartbeat was not heard.", fields={"point": "Name the point"})
    if heartbeat.kind not in OF_OTHERS:
        raise InvalidInput(
            "The heartbeat was not heard.", fields={"kind": f"Choose one of {', '.join(OF_OTHERS)}"}
        )
    lease = LEASE_S.get(heartbeat.kind, COMMON_LEASE_S)
    told = {"kind": heartbeat.kind, "bundle": heartbeat.bundle, "lease_s": lease, "last_seen_at": now}
    known = EnforcementPoint.objects.filter(principal=actor)
    if not known.filter(name=name).exists() and known.count() >= MOST_POINTS:
        raise TooMany(f"{actor.name} has {MOST_POINTS:,} points already.", retry_after_s=lease)
    point, _ = EnforcementPoint.objects.update_or_create(
        principal=actor, name=name, defaults=told, create_defaults={**told, "first_seen_at": now}
    )
    return point


@transaction.atomic
def acknowledge_orders(point_name: str, seqs: Sequence[int], *, actor: Principal) -> int:
    """A point has done these orders; returns how many were new. Orders that do not concern the actor are passed over."""
    require_somewhere(actor, Permission.DECISIONS_ASK)
    if len(seqs) > MOST_ACKNOWLEDGED:
        raise InvalidInput(
            "Nothing was acknowledged.", fields={"seqs": f"At most {MOST_ACKNOWLEDGED} at once"}
        )
    point = EnforcementPoint.objects.filter(principal=actor, name=point_name.strip()).first()
    if point is None:
        raise InvalidInput(
            "Nothing was acknowledged.", fields={"point": "Send a heartbeat of this point first"}
        )
    heard = ContainmentOrder.objects.heard_by(actor).filter(seq__in=list(seqs)).values_list("pk", flat=True)
    return note_acknowledgements(point, list(heard))


def note_acknowledgements(point: EnforcementPoint, order_ids: Sequence[UUID]) -> int:
    """Keep that a point did these orders, each at its first word. Three queries; returns how many were new."""
    now = timezone.now()
    before = Acknowledgement.objects.filter(point=point, order__in=order_ids).count()
    Acknowledgement.objects.bulk_create(
        [Acknowledgement(point=point, order_id=pk, at=now) for pk in order_ids], ignore_conflicts=True
    )
    EnforcementPoint.objects.filter(pk=point.pk).update(last_seen_at=now)
    return len(set(order_ids)) - before


def forget_points() -> int:
    """Drop points that were not heard of for 90 days, with nothing that tells of a stop; returns how many."""
    gone = EnforcementPoint.objects.filter(
        last_seen_at__lt=timezone.now() - KEPT_FOR, acknowledgements__isnull=True
    )
    return gone.delete()[0]


def _order_of(trip: BreakerTrip | None, switch: KillSwitch | None, agent_id: UUID | None) -> ContainmentOrder:
    if switch is not None:
        team: Team | None = switch.team
        return ContainmentOrder(scope=switch.scope, team=team, target=switch.target)
    return ContainmentOrder(scope="agent", agent_id=trip.agent_id if trip is not None else agent_id)

"""Trying the stop without stopping: an order that every point answers as it would a stop, and goes on.

The result is evidence for Article 14(4)(e) of Regulation (EU) 2024/1689: that a person can interrupt the system.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.agents.services.registry import lock_agent
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import Conflict, InvalidInput
from apps.oversight.containment import Containment, containment_of
from apps.oversight.models import Drill
from apps.oversight.services.containment import issue_order
from apps.oversight.signals import drill_finished

IN = ("staging", "production", "deprecated")
WAITS = timedelta(seconds=20)
LEAST_LIMIT_S, MOST_LIMIT_S = 0.2, 15.0


@transaction.atomic
def start_drill(agent: Agent, *, actor: Principal, reason: str = "", limit_s: float = 1.0) -> Drill:
    """Ask every point of an agent in staging or production to answer; each has `limit_s` for it. Nothing is stopped."""
    agent = lock_agent(agent)
    require_for(actor, Permission.DRILLS_START, agent)
    if not LEAST_LIMIT_S <= limit_s <= MOST_LIMIT_S:
        raise InvalidInput("No drill was begun.", fields={"limit_s": "Enter seconds from 0.2 to 15"})
    if agent.state not in IN:
        words = f"{agent.name} is in neither staging nor production: there is nothing to try."
        raise Conflict(words, code="oversight.drill.not_running")
    if Drill.objects.filter(agent=agent, finished_at=None).exists():
        raise Conflict(f"A drill of {agent.name} is going on.", code="oversight.drill.going_on")
    now = timezone.now()
    order = issue_order("drill", at=now, reason=reason.strip() or "A drill.", agent_id=agent.pk)
    drill = Drill.objects.create(
        agent=agent, order=order, state=agent.state, reason=reason.strip(), limit_s=limit_s, started_at=now, started_by=actor,
    )  # fmt: skip
    record_act(
        "oversight.drill.started", actor=actor, target=("agent", agent.pk), reason=reason.strip(),
        detail={"drill": drill.pk, "state": drill.state, "limit_ms": round(limit_s * 1000)},
    )  # fmt: skip
    return drill


def finish_drills() -> int:
    """End the drills that everybody answered, or whose time is over; returns how many."""
    return sum(finish_drill(drill) for drill in Drill.objects.filter(finished_at=None).order_by("started_at"))


@transaction.atomic
def finish_drill(drill: Drill) -> bool:
    """Write down what was answered, once all who live have, or after 20 seconds; False when it goes on."""
    locked = Drill.objects.select_for_update(of=("self",)).select_related("agent", "order").get(pk=drill.pk)
    if locked.finished_at is not None:
        return False
    found, now = containment_of(locked.order), timezone.now()
    if not found.is_contained and now - locked.started_at < WAITS:
        return False
    locked.results = [
        {
            "point": one.point, "kind": one.kind, "of": one.principal, "delay_s": one.delay_s,
            "in_time": one.delay_s is not None and one.delay_s <= locked.limit_s,
        }
        for one in found.answers
        if one.is_alive or one.delay_s is not None
    ]  # fmt: skip
    locked.passed = bool(locked.results) and all(one["in_time"] for one in locked.results)
    locked.finished_at = now
    locked.save(update_fields=["results", "passed", "finished_at"])
    _record(locked, found)
    drill_finished.send(sender=Drill, drill=locked)
    return True


def _record(drill: Drill, found: Containment) -> None:
    late = [one["point"] for one in drill.results if not one["in_time"]]
    words = f"all {len(drill.results)} points answered within {drill.limit_s:g} s" if drill.passed else (
        f"not in time: {', '.join(late)}" if late else "no point answered"
    )  # fmt: skip
    answers = [
        {**one, "delay_s": None if one["delay_s"] is None else f"{one['delay_s']:.3f}"}
        for one in drill.results
    ]
    record_act(
        "oversight.drill.finished", actor=system_principal(), target=("agent", drill.agent_id),
        detail={"drill": drill.pk, "passed": drill.passed, "words": words, "answers": answers, "order": found.seq},
    )  # fmt: skip

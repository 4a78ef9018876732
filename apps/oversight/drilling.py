"""When the stop of an agent has to be tried again, by its tier; which are overdue. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Q
from django.utils import timezone

from apps.agents.models import Agent, State
from apps.oversight.models import Drill

EVERY_DAYS = {4: 30, 3: 90, 2: 180, 1: 365}
RUNNING = (State.PRODUCTION, State.DEPRECATED)


@dataclass(frozen=True)
class DrillDue:
    """When the stop was last tried with success (None: never), and when it is to be tried next."""

    agent: Agent
    last_at: datetime | None
    due_at: datetime

    @property
    def is_overdue(self) -> bool:
        return self.due_at <= timezone.now()

    @property
    def every_days(self) -> int:
        return EVERY_DAYS[self.agent.tier or 1]


def due_of(agent: Agent) -> DrillDue | None:
    """None for an agent that is not in production, or has no tier. One query."""
    if agent.state not in RUNNING or agent.tier is None:
        return None
    passed = Drill.objects.filter(agent=agent, passed=True).order_by("-started_at")
    return _due(agent, passed.values_list("started_at", flat=True).first())


def dues_of(agents: Sequence[Agent]) -> list[DrillDue]:
    """Of those in production that have a tier, the most urgent first. One query."""
    passed = Drill.objects.filter(agent__in=[agent.pk for agent in agents], passed=True)
    last = dict(passed.order_by().values_list("agent").annotate(at=Max("started_at")))
    running = [agent for agent in agents if agent.state in RUNNING and agent.tier is not None]
    return sorted((_due(agent, last.get(agent.pk)) for agent in running), key=lambda one: one.due_at)


def overdue_drills() -> list[DrillDue]:
    """Every agent in production whose stop was not tried in time. Two queries."""
    agents = Agent.objects.on_record().filter(Q(state__in=RUNNING), tier__isnull=False)
    return [one for one in dues_of(list(agents)) if one.is_overdue]


def _due(agent: Agent, last_at: datetime | None) -> DrillDue:
    """The first is due as long after the agent was put on record as any other after the one before."""
    return DrillDue(
        agent, last_at, (last_at or agent.created_at) + timedelta(days=EVERY_DAYS[agent.tier or 1])
    )

"""Reading what the rules need to know, of one agent now or of many at the moments of their calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import orjson
from django.db.models import Q

from apps.agents.models import Agent
from apps.identity.models import LedgerEntry
from apps.oversight.models import ToolPolicy
from apps.oversight.past import CERTIFICATION, Act, situation_at
from apps.oversight.rules import Situation


def situation_of(agent: Agent) -> Situation:
    """The situation of an agent whose `tool_policy` is joined or absent."""
    policy = _policy_of(agent)
    limits = policy is not None and policy.allowed_tools is not None
    return Situation(
        name=agent.name,
        state=agent.state,
        tier=agent.tier,
        tripped_at=agent.breaker_tripped_at if agent.is_tripped else None,
        trip_reason=agent.breaker_reason,
        certified_until=agent.certified_until,
        allowed_tools=frozenset(policy.allowed_tools or ()) if policy and limits else None,
        policy_version=policy.version if policy and limits else None,
    )


class Situations:
    """The situations of these agents at these moments: one query, one more where an agent was changed since."""

    def __init__(self, asked: Collection[tuple[UUID, datetime]]) -> None:
        ids = {agent_id for agent_id, _ in asked}
        agents = Agent.objects.select_related("tool_policy").filter(pk__in=ids)
        self._agents = {agent.pk: agent for agent in agents}
        self._now = {pk: situation_of(agent) for pk, agent in self._agents.items()}
        late = [(pk, at) for pk, at in asked if at < _unchanged_since(self._agents[pk])]
        self._acts = _acts(late)

    def at(self, agent_id: UUID, moment: datetime) -> Situation:
        now = self._now[agent_id]
        if moment >= _unchanged_since(self._agents[agent_id]):
            return now
        return situation_at(now, self._acts[agent_id], moment)


def _policy_of(agent: Agent) -> ToolPolicy | None:
    return getattr(agent, "tool_policy", None)


def _unchanged_since(agent: Agent) -> datetime:
    policy = _policy_of(agent)
    return max(agent.updated_at, policy.updated_at) if policy else agent.updated_at


def _acts(late: Collection[tuple[UUID, datetime]]) -> dict[UUID, list[Act]]:
    """The agents' acts since the earliest of the moments, and every one on their certifications."""
    found: dict[UUID, list[Act]] = defaultdict(list)
    if not late:
        return found
    since = Q(at__gt=min(at for _, at in late)) | Q(action__startswith=CERTIFICATION)
    ids = {str(pk) for pk, _ in late}
    entries = LedgerEntry.objects.filter(since, target_type="agent", target_id__in=ids).order_by("pk")
    for entry in entries:
        detail = orjson.loads(bytes(entry.body))["detail"]
        found[UUID(entry.target_id)].append(Act(entry.at, entry.action, detail))
    return found

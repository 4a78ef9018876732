"""Reading what the rules need to know, for one agent or many, in one query."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from apps.agents.models import Agent
from apps.oversight.models import ToolPolicy
from apps.oversight.rules import Situation


def situation_of(agent: Agent) -> Situation:
    """The situation of an agent whose `tool_policy` is joined or absent."""
    policy: ToolPolicy | None = getattr(agent, "tool_policy", None)
    return Situation(
        name=agent.name,
        state=agent.state,
        tier=agent.tier,
        tripped_at=agent.breaker_tripped_at if agent.is_tripped else None,
        trip_reason=agent.breaker_reason,
        certified_until=agent.certified_until,
        allowed_tools=frozenset(policy.allowed_tools) if policy else None,
        policy_version=policy.version if policy else None,
    )


def situations_of(agent_ids: Iterable[UUID]) -> dict[UUID, Situation]:
    agents = Agent.objects.select_related("tool_policy").filter(pk__in=set(agent_ids))
    return {agent.pk: situation_of(agent) for agent in agents}

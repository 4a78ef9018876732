"""Reading what an agent may call beside what it does call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from apps.agents.models import Agent, Blueprint, BreakerState, ObservedTool
from apps.agents.queries.blueprints import instances_of
from apps.agents.toolnames import tool_named
from apps.identity.models import Principal
from apps.oversight.models import ToolPolicy


@dataclass(frozen=True)
class ToolRow:
    """One tool: allowed or not (None where no policy limits), how often called, when last (None: never)."""

    name: str
    allowed: bool | None
    calls: int
    last_seen: datetime | None


def tool_rows(agent: Agent) -> list[ToolRow]:
    """Tools seen and tools allowed, those outside the policy first, then by use. Two queries."""
    policy = ToolPolicy.objects.limiting().filter(agent=agent).first()
    allowed = set(policy.allowed_tools or ()) if policy else None
    seen = {str(tool_named(tool.tool_name, tool.mcp_server)): tool for tool in agent.observed_tools.all()}
    rows = [
        ToolRow(
            name,
            None if allowed is None else name in allowed,
            seen[name].calls if name in seen else 0,
            seen[name].last_seen if name in seen else None,
        )
        for name in {*seen, *(allowed or ())}
    ]
    return sorted(rows, key=lambda row: (row.allowed is not False, -row.calls, row.name))


@dataclass(frozen=True)
class BlueprintFigures:
    """Of the instances somebody sees: how many, how many stopped, and those whose tools are limited by a policy of
    their own."""

    instances: int
    stopped: int
    with_own_policy: list[Agent]


def blueprint_figures(blueprint: Blueprint, *, actor: Principal) -> BlueprintFigures:
    """Three queries."""
    rows = instances_of(blueprint, actor=actor)
    own = ~Q(tool_policy__through__blueprint=blueprint) | Q(tool_policy__through=None)
    limited = rows.filter(own, tool_policy__allowed_tools__isnull=False)
    stopped = rows.filter(breaker_state=BreakerState.TRIPPED)
    return BlueprintFigures(
        rows.order_by().count(), stopped.order_by().count(), list(limited.order_by("name")[:50])
    )


def tools_seen_by_instances(blueprint: Blueprint, *, actor: Principal) -> list[str]:
    """Every tool that an instance was seen to call, each once, sorted; one query."""
    ids = instances_of(blueprint, actor=actor).order_by().values("pk")
    seen = ObservedTool.objects.filter(agent__in=ids).values_list("tool_name", "mcp_server").distinct()
    return sorted({str(tool_named(name, server)) for name, server in seen})

"""Reading what an agent may call beside what it does call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.agents.models import Agent
from apps.agents.toolnames import tool_named
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

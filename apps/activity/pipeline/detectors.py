"""What is unusual for an agent, told from what it did before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from apps.activity.models import Outcome, ToolCall
from apps.activity.services import Verdict
from apps.agents.models import ObservedTool

BASELINE_CALLS = 30


def new_tools(calls: Sequence[ToolCall]) -> list[Verdict]:
    """An anomaly for each call of a tool its agent never called, once it has called 30 times. One query.

    Must run before the calls are added to what the agents were seen to use.
    """
    agent_ids = {call.known_agent_id for call in calls}
    seen: dict[UUID, dict[str, int]] = defaultdict(dict)
    for tool in ObservedTool.objects.filter(agent_id__in=agent_ids):
        seen[tool.agent_id][tool.tool_name] = seen[tool.agent_id].get(tool.tool_name, 0) + tool.calls
    found = []
    for call in calls:
        known = seen[call.known_agent_id]
        total = sum(known.values())
        if total >= BASELINE_CALLS and call.tool_name not in known:
            reason = f"{call.tool_name} was never called in the {total} calls before."
            found.append(Verdict(call.pk, Outcome.ANOMALY, reason, "baseline.new_tool", judge="baseline"))
    return found

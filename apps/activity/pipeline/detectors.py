"""What is unusual for an agent, told from what it did before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from apps.activity.behaviour.rules import rules_for
from apps.activity.behaviour.scoring import Rules
from apps.activity.models import Outcome, ToolCall
from apps.activity.services import Verdict
from apps.agents.models import ObservedTool


def new_tools(calls: Sequence[ToolCall]) -> list[Verdict]:
    """An anomaly for each call of a tool its agent never called, once it has a baseline. One query, two where there is one.

    Told at once, before the scoring job gives its alert. Must run before the calls are added to what the agents
    were seen to use.
    """
    agent_ids = {call.known_agent_id for call in calls}
    seen: dict[UUID, dict[str, int]] = defaultdict(dict)
    for tool in ObservedTool.objects.filter(agent_id__in=agent_ids):
        seen[tool.agent_id][tool.tool_name] = seen[tool.agent_id].get(tool.tool_name, 0) + tool.calls
    strange = [call for call in calls if call.tool_name not in seen[call.known_agent_id]]
    rules = rules_for({call.known_agent_id for call in strange}) if any(seen.values()) and strange else {}
    return [
        verdict
        for call in strange
        if call.known_agent_id in rules
        and (verdict := _verdict(call, sum(seen[call.known_agent_id].values()), rules[call.known_agent_id]))
    ]


def _verdict(call: ToolCall, total: int, rules: Rules) -> Verdict | None:
    if total < rules.least_calls or "new_tool" in rules.off:
        return None
    reason = f"{call.tool_name} was never called in the {total} calls before."
    return Verdict(call.pk, Outcome.ANOMALY, reason, "baseline.new_tool", judge="baseline")

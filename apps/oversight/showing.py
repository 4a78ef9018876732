"""What a person is shown who decides about a call, put together once when the call is asked about and kept with its hash:
what, why now, the run so far, how usual it is, how far it reaches, what happens otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chancery_sdk.policy.question import Question, Verdict

from apps.activity.models import ToolCall
from apps.agents.models import Agent, ObservedTool
from apps.agents.toolnames import tool_named
from apps.kit.ids import first_id_at
from apps.oversight.binding import digest_of_shown
from apps.oversight.holding import Held

MOST_STEPS = 12
LOOK_BACK = timedelta(days=1)


def shown_to_approver(held: Held, asked: Question, verdict: Verdict, at: datetime) -> dict[str, Any]:
    """`seen` and `seen_digest` of an approval. Three queries."""
    tool, agent = held.know(asked.tool), held.bundle.agent
    shown = {
        "agent": agent.name,
        "agent_version": agent.version,
        "tier": agent.tier,
        "tool": tool.name,
        "operation": asked.operation,
        "side_effect": tool.side_effect_of(asked.operation),
        "data_classes": sorted({*tool.data_classes_of(asked.operation), *asked.data_classes}),
        "arguments": dict(asked.arguments),
        "purpose": asked.purpose,
        "on_behalf_of": asked.on_behalf_of,
        "why": [one.reason for one in verdict.findings if one.outcome in ("ask", "deny")],
        "run": _run(held, asked, at),
        "usual": _usual(held, asked),
        "reach": _reach(held),
    }
    return {"seen": shown, "seen_digest": digest_of_shown(shown)}


def _run(held: Held, asked: Question, at: datetime) -> list[dict[str, str]]:
    """The last calls of the conversation before this one, oldest first."""
    if not asked.conversation_id:
        return []
    rows = ToolCall.objects.filter(
        conversation_id=asked.conversation_id, agent_id=held.agent_id, pk__gte=first_id_at(at - LOOK_BACK)
    ).order_by("-pk")[:MOST_STEPS]
    return [
        {
            "tool": str(tool_named(one.tool_name, one.mcp_server)),
            "outcome": one.outcome,
            "at": one.started_at.isoformat(),
        }
        for one in reversed(rows)
    ]


def _usual(held: Held, asked: Question) -> dict[str, int]:
    """How often the agent called this tool so far, and any tool."""
    rows = ObservedTool.objects.filter(agent_id=held.agent_id).values_list("tool_name", "mcp_server", "calls")
    counts = {str(tool_named(name, server)): calls for name, server, calls in rows}
    return {"this_tool": counts.get(asked.tool, 0), "all_tools": sum(counts.values())}


def _reach(held: Held) -> dict[str, Any]:
    agent = (
        Agent.objects.filter(pk=held.agent_id)
        .values("blast_radius", "users_served", "business_service")
        .first()
    )
    return {key: value for key, value in (agent or {}).items() if value}

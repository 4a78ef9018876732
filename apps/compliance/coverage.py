"""Why an instance holds no certification although its definition may: for the page of a blueprint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.agents.definitions import differing_fields
from apps.agents.fields import FIELDS
from apps.agents.models import Agent, ObservedTool
from apps.agents.risk import needs_certification
from apps.agents.toolnames import tool_named
from apps.compliance.models import BlueprintCertification, Certification

MOST_NAMED = 3


@dataclass(frozen=True)
class Uncovered:
    """An instance without a certification in force, and why in a sentence."""

    agent: Agent
    why: str


def uncovered_lines(
    agents: Sequence[Agent], given: Iterable[BlueprintCertification], now: datetime
) -> list[Uncovered]:
    """Each of these instances with the reason, by the newest certification of its definition; two queries at most."""
    active = [one for one in given if one.is_active_at(now)]
    if not active:
        return [Uncovered(agent, "No certification of the definition is in force.") for agent in agents]
    newest = max(active, key=lambda one: one.certified_at)
    others, ended = _other_tools(agents, newest), _ended(agents)
    return [
        Uncovered(one, _why(one, newest, others.get(one.pk, []), ended.get(one.pk, ""))) for one in agents
    ]


def _why(agent: Agent, given: BlueprintCertification, others: Sequence[str], ended: str) -> str:
    differs = [FIELDS[name].label.lower() for name in differing_fields(agent, given.certified)]
    if differs:
        return f"It differs from what was certified: {', '.join(differs)}."
    if agent.tier and agent.tier > given.tier:
        return f"It is tier {agent.tier}; tier {given.tier} was certified."
    if needs_certification(agent.tier) and given.certified_by_id in (agent.owner_id, agent.deputy_id):
        return f"{given.certified_by}, who certified the definition, owns or deputises it."
    if others:
        more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        return f"It uses what was not certified: {', '.join(others[:MOST_NAMED])}{more}."
    return (
        ended
        or "It was not covered when the definition was certified. Certify it by itself, or the definition again."
    )


def _other_tools(agents: Iterable[Agent], given: BlueprintCertification) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    seen = ObservedTool.objects.filter(agent__in=[one.pk for one in agents]).order_by(
        "tool_name", "mcp_server"
    )
    for pk, name, server in seen.values_list("agent_id", "tool_name", "mcp_server"):
        tool = str(tool_named(name, server))
        if tool not in given.baseline.get("tools", ()):
            found.setdefault(pk, []).append(tool)
    return found


def _ended(agents: Iterable[Agent]) -> dict[UUID, str]:
    """How the last certification of each ended, where one did."""
    rows = Certification.objects.filter(agent__in=[one.pk for one in agents]).exclude(ended_at=None)
    return dict(rows.order_by("ended_at").values_list("agent_id", "ended_reason"))

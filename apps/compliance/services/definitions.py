"""Findings about tools whose definition changed: one for each agent that uses the tool, closed when a person has judged."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from apps.agents.models import Agent
from apps.compliance.models import Finding, Severity
from apps.compliance.services.findings import FindingDraft, close_findings, raise_findings
from apps.identity.models import Principal
from apps.oversight.models import ToolDefinition

MOST_AGENTS = 500


def raise_changed(definition: ToolDefinition) -> None:
    """Open one for each agent that was granted the tool, may call it by policy, or was seen to."""
    tool, upstream = definition.tool, definition.upstream
    why = ", ".join(definition.reasons) or "it was replaced before"
    drafts = [
        FindingDraft(
            agent=agent,
            kind=Finding.Kind.DEFINITION,
            key=f"{Finding.Kind.DEFINITION}:{definition.pk}:{definition.changed_at.isoformat()}",
            severity=Severity.HIGH,
            title=f"{upstream.name} offers {tool.name} otherwise than before",
            detail=f"Different or hidden: {why}. The tool is held back until somebody has reviewed it under MCP servers.",
            evidence={"definition": str(definition.pk), "tool": str(tool), "digest": definition.digest},
        )
        for agent in _users_of(definition)
    ]
    raise_findings(drafts)


@transaction.atomic
def close_judged(definition: ToolDefinition, *, actor: Principal) -> int:
    """Close what was raised of this definition; returns how many."""
    held = Finding.objects.select_for_update().filter(
        kind=Finding.Kind.DEFINITION,
        status=Finding.Status.OPEN,
        evidence__definition=str(definition.pk),
    )
    words = (
        f"{actor.name} {definition.get_state_display().lower()} the definition: {definition.review_reason}"
    )
    return close_findings(list(held.order_by("pk")), words)


def _users_of(definition: ToolDefinition) -> list[Agent]:
    tool = definition.tool
    granted = Q(grants__tool=tool, grants__revoked_at=None)
    seen = Q(observed_tools__tool_name=tool.name, observed_tools__mcp_server=tool.server)
    allowed = Q(tool_policy__allowed_tools__contains=[str(tool)])
    rows = Agent.objects.on_record().filter(granted | seen | allowed).distinct().order_by("pk")
    return list(rows[:MOST_AGENTS])

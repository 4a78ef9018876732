"""Leave to use a tool: given for a reason, within limits, for a time, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent, BlueprintGrant, Tool, ToolGrant
from apps.agents.services.registry import lock_agent
from apps.agents.services.risk import refresh_risk
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput

REPLACED = "Replaced by another grant."


@dataclass(frozen=True)
class GrantRequest:
    """What is to be allowed. No operations named: all of the tool's. `constraints` is plain JSON."""

    tool: Tool
    reason: str
    operations: list[str] = field(default_factory=list)
    constraints: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None


@transaction.atomic
def grant_tool(agent: Agent, request: GrantRequest, *, actor: Principal) -> ToolGrant:
    """Allow the agent a tool; a grant that stands is replaced and kept as history."""
    agent = lock_agent(agent)
    grant = give_grant(agent, request, actor=actor)
    refresh_risk([agent], actor=actor)
    return grant


def give_grant(agent: Agent, request: GrantRequest, *, actor: Principal) -> ToolGrant:
    """As above for a locked agent: a step of an act that reads the facts again when all its steps are done."""
    require_for(actor, Permission.POLICY_EDIT, agent)
    problems = grant_problems(request)
    if problems:
        raise InvalidInput("The tool was not granted.", fields=problems)
    standing = ToolGrant.objects.filter(agent=agent, tool=request.tool, revoked_at=None).first()
    if standing:
        _end(standing, actor, REPLACED)
    grant = ToolGrant.objects.create(
        agent=agent,
        tool=request.tool,
        operations=sorted(set(request.operations)),
        constraints=dict(request.constraints),
        reason=request.reason.strip(),
        expires_at=request.expires_at,
        granted_by=actor,
    )
    record_act(
        "agents.grant.given",
        actor=actor,
        target=("agent", agent.pk),
        reason=grant.reason,
        detail=told_of_grant(grant),
    )
    return grant


def told_of_grant(grant: ToolGrant | BlueprintGrant) -> dict[str, Any]:
    """What the ledger keeps of a grant."""
    return {
        "tool": str(grant.tool),
        "operations": grant.operations,
        "constraints": {key: str(value) for key, value in grant.constraints.items()},
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
    }


@transaction.atomic
def revoke_grant(grant: ToolGrant, *, actor: Principal, reason: str) -> ToolGrant:
    """Take a grant back. Raises Conflict when it was taken back already."""
    agent = lock_agent(grant.agent, off_record_too=True)
    require_for(actor, Permission.POLICY_EDIT, agent)
    grant = ToolGrant.objects.select_for_update(of=("self",)).select_related("tool").get(pk=grant.pk)
    if grant.revoked_at:
        raise Conflict("This grant was taken back already.", code="agents.grant.revoked_already")
    if not reason.strip():
        raise InvalidInput("The grant stands.", fields={"reason": "Say why it is taken back"})
    _end(grant, actor, reason.strip())
    _record_end(grant, actor, reason.strip())
    refresh_risk([agent], actor=actor)
    return grant


def end_grants(agent: Agent, *, actor: Principal, reason: str) -> int:
    """Take back everything a locked agent was granted; returns how much. A step of the act that calls it, which checked
    who may."""
    rows = ToolGrant.objects.select_for_update(of=("self",)).select_related("tool")
    standing = list(rows.filter(agent=agent, revoked_at=None).order_by("pk"))
    for grant in standing:
        _end(grant, actor, reason)
        _record_end(grant, actor, reason)
    if standing:
        refresh_risk([agent], actor=actor)
    return len(standing)


def _record_end(grant: ToolGrant, actor: Principal, reason: str) -> None:
    target = ("agent", grant.agent_id)
    detail = {"tool": str(grant.tool)}
    record_act("agents.grant.revoked", actor=actor, target=target, reason=reason, detail=detail)


def _end(grant: ToolGrant, actor: Principal, reason: str) -> None:
    grant.revoked_at, grant.revoked_by, grant.revoke_reason = timezone.now(), actor, reason
    grant.save(update_fields=["revoked_at", "revoked_by", "revoke_reason"])


def grant_problems(request: GrantRequest) -> dict[str, str]:
    """What keeps it from being granted, by field."""
    problems = {}
    if not request.reason.strip():
        problems["reason"] = "Say why the agent needs the tool"
    if request.expires_at and request.expires_at <= timezone.now():
        problems["expires_at"] = "Choose a time to come"
    known = set(request.tool.operations.values_list("name", flat=True))
    unknown = sorted(set(request.operations) - known)
    if unknown:
        problems["operations"] = f"The tool has no operation {', '.join(unknown)}"
    return problems

"""Consent in advance: visible, capped, with an end, reviewed, taken back at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chancery_sdk.policy.values import as_decimal
from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.agents.toolnames import tool_named
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, require_reason
from apps.oversight.models import StandingApproval

MOST_CALLS = 10_000
LONGEST = timedelta(days=90)


@dataclass(frozen=True)
class Consent:
    """What is allowed in advance. `limits` {path: {"most": number} or {"among": [values]}}."""

    tool: str
    most_calls: int
    until: datetime
    reason: str
    operation: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def give_standing_approval(agent: Agent, consent: Consent, *, actor: Principal) -> StandingApproval:
    """Approve such calls of this agent up to a number and a day. Only a person may."""
    require_for(actor, Permission.APPROVALS_DECIDE, agent)
    if actor.kind != Principal.Kind.HUMAN:
        raise NotPermitted("Only a person consents.", code="approval.people_only")
    require_reason(consent.reason, "Say why such calls need no look")
    _check(consent)
    given = StandingApproval.objects.create(
        agent=agent,
        tool_name=str(tool_named(consent.tool)),
        operation=consent.operation,
        limits=dict(consent.limits),
        most_calls=consent.most_calls,
        until=consent.until,
        reason=consent.reason.strip(),
        given_by=actor,
    )
    _record("given", given, actor, given.reason)
    return given


@transaction.atomic
def revoke_standing_approval(given: StandingApproval, *, actor: Principal, reason: str) -> StandingApproval:
    """From now on such calls wait for a person again."""
    given = StandingApproval.objects.select_for_update(of=("self",)).select_related("agent").get(pk=given.pk)
    require_for(actor, Permission.APPROVALS_DECIDE, given.agent)
    require_reason(reason, "Say why it is taken back")
    if given.revoked_at is not None:
        raise Conflict("It was taken back already.", code="standing.revoked")
    given.revoked_at, given.revoked_by, given.revoke_reason = timezone.now(), actor, reason.strip()
    given.save(update_fields=["revoked_at", "revoked_by", "revoke_reason"])
    _record("revoked", given, actor, reason)
    return given


@transaction.atomic
def review_standing_approval(given: StandingApproval, *, actor: Principal, reason: str) -> StandingApproval:
    """Somebody looked at what it was used for and leaves it."""
    given = StandingApproval.objects.select_for_update(of=("self",)).select_related("agent").get(pk=given.pk)
    require_for(actor, Permission.APPROVALS_DECIDE, given.agent)
    require_reason(reason, "Say what you looked at")
    given.reviewed_at, given.reviewed_by = timezone.now(), actor
    given.save(update_fields=["reviewed_at", "reviewed_by"])
    _record("reviewed", given, actor, reason)
    return given


def _check(consent: Consent) -> None:
    fields = {}
    if not consent.tool.strip():
        fields["tool"] = "Name the tool, server/tool for one of an MCP server"
    if not 1 <= consent.most_calls <= MOST_CALLS:
        fields["most_calls"] = f"1 to {MOST_CALLS}"
    if not timezone.now() < consent.until <= timezone.now() + LONGEST:
        fields["until"] = f"In the future, at most {LONGEST.days} days away"
    for path, limit in consent.limits.items():
        if not _is_limit(limit):
            fields[f"limits.{path}"] = 'Either {"most": number} or {"among": [values]}'
    if fields:
        raise InvalidInput("Nothing was approved.", fields=fields)


def _is_limit(limit: Any) -> bool:
    if not isinstance(limit, Mapping) or len(limit) != 1:
        return False
    if "most" in limit:
        return as_decimal(limit["most"]) is not None
    return isinstance(limit.get("among"), list) and bool(limit["among"])


def _record(what: str, given: StandingApproval, actor: Principal, reason: str) -> None:
    record_act(
        f"oversight.standing_approval.{what}",
        actor=actor,
        target=("agent", given.agent_id),
        reason=reason.strip(),
        detail={
            "standing": given.pk, "tool": given.tool_name, "operation": given.operation, "limits": str(given.limits),
            "most_calls": given.most_calls, "used": given.used, "until": given.until,
        },
    )  # fmt: skip

"""Raising and resolving findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.compliance.models import Certification, Finding
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_act, record_acts, system_principal
from apps.kit.errors import Conflict, InvalidInput


@dataclass(frozen=True)
class FindingDraft:
    """A finding before it is known whether it stands already; `key` decides that, per agent."""

    agent: Agent
    kind: str
    key: str
    severity: str
    title: str
    detail: str
    certification: Certification | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def raise_finding(draft: FindingDraft) -> Finding | None:
    """Open the finding; None when one with this key was raised before, open or resolved."""
    finding, created = Finding.objects.get_or_create(
        agent=draft.agent,
        key=draft.key[:400],
        defaults={
            "certification": draft.certification,
            "kind": draft.kind,
            "severity": draft.severity,
            "title": draft.title[:300],
            "detail": draft.detail,
            "evidence": dict(draft.evidence),
            "opened_at": timezone.now(),
        },
    )
    if not created:
        return None
    record_act(
        "compliance.finding.opened",
        actor=system_principal(),
        target=("agent", draft.agent.pk),
        detail=_told(finding),
    )
    return finding


@transaction.atomic
def raise_findings(drafts: Sequence[FindingDraft]) -> None:
    """As above for findings of agents their caller has locked, each of a key of its own: three queries."""
    keys = [draft.key[:400] for draft in drafts]
    known = set(Finding.objects.filter(key__in=keys).values_list("agent_id", "key"))
    now = timezone.now()
    opened = [
        Finding(
            agent=draft.agent, key=draft.key[:400], certification=draft.certification, kind=draft.kind, severity=draft.severity,
            title=draft.title[:300], detail=draft.detail, evidence=dict(draft.evidence), opened_at=now,
        )
        for draft in drafts
        if (draft.agent.pk, draft.key[:400]) not in known
    ]  # fmt: skip
    Finding.objects.bulk_create(opened)
    actor = system_principal()
    record_acts(
        [
            Act("compliance.finding.opened", actor, ("agent", one.agent_id), detail=_told(one))
            for one in opened
        ]
    )


def _told(finding: Finding) -> dict[str, Any]:
    return {"finding": finding.pk, "kind": finding.kind, "severity": finding.severity, "title": finding.title}


@transaction.atomic
def resolve_finding(finding: Finding, *, actor: Principal, resolution: str) -> Finding:
    """Close a finding, saying what was done or why it is accepted."""
    finding = Finding.objects.select_for_update(of=("self",)).select_related("agent").get(pk=finding.pk)
    require_for(actor, Permission.FINDINGS_RESOLVE, finding.agent)
    if not resolution.strip():
        raise InvalidInput(
            "The finding stays open.", fields={"resolution": "Say what was done, or why it is accepted"}
        )
    if finding.status == Finding.Status.RESOLVED:
        raise Conflict("This finding is resolved already.", code="compliance.finding.resolved_already")
    finding.status, finding.resolved_at = Finding.Status.RESOLVED, timezone.now()
    finding.resolved_by, finding.resolution = actor, resolution.strip()
    finding.save(update_fields=["status", "resolved_at", "resolved_by", "resolution"])
    record_act(
        "compliance.finding.resolved",
        actor=actor,
        target=("agent", finding.agent_id),
        reason=finding.resolution,
        detail={"finding": finding.pk, "kind": finding.kind},
    )
    return finding


def close_findings(findings: Sequence[Finding], resolution: str) -> int:
    """Close locked findings whose cause is gone, by itself. A step of a transaction; three queries for any number."""
    now, actor = timezone.now(), system_principal()
    for finding in findings:
        finding.status, finding.resolved_at = Finding.Status.RESOLVED, now
        finding.resolved_by, finding.resolution = actor, resolution
    Finding.objects.bulk_update(findings, ["status", "resolved_at", "resolved_by", "resolution"])
    record_acts(
        [
            Act(
                "compliance.finding.resolved",
                actor,
                ("agent", finding.agent_id),
                resolution,
                {"finding": finding.pk, "kind": finding.kind},
            )
            for finding in findings
        ]
    )
    return len(findings)

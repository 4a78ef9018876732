"""Findings about outcomes that got worse: raised when the sequential test tells so, closed when they recovered."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.activity.outcomes.measures import Shift
from apps.activity.outcomes.sequential import MEAN_RUNS
from apps.agents.models import Agent
from apps.compliance.models import Finding, Severity
from apps.compliance.services.findings import FindingDraft, close_findings, raise_finding
from apps.kit.ui.formats import number

GRAVE_SHARE = 0.10


def raise_fall(agent: Agent, shift: Shift) -> Finding | None:
    """Open a finding; None where this change was told before."""
    measure = shift.measure
    sentence = shift.sentence(timezone.localdate())
    return raise_finding(
        FindingDraft(
            agent=agent,
            kind=Finding.Kind.OUTCOME,
            key=f"{Finding.Kind.OUTCOME}:{measure.key}:{shift.since.isoformat()}",
            severity=_severity(shift),
            title=f"{sentence[0].upper()}{sentence[1:]}",
            detail=f"Told after {number(shift.runs)} runs at the new level. Where nothing changes, the test tells a change once in "
            f"{number(MEAN_RUNS)} runs on average or less often.",
            evidence={
                "measure": measure.key,
                "before": shift.before,
                "after": shift.after,
                "since": shift.since.isoformat(),
                "runs": shift.runs,
            },
        )
    )


@transaction.atomic
def close_recovered(agent: Agent, shift: Shift) -> int:
    """Close what was raised of this measure; returns how many."""
    held = Finding.objects.select_for_update().filter(
        agent=agent,
        kind=Finding.Kind.OUTCOME,
        status=Finding.Status.OPEN,
        evidence__measure=shift.measure.key,
    )
    return close_findings(list(held.order_by("pk")), f"It recovered: {shift.sentence(timezone.localdate())}.")


def _severity(shift: Shift) -> str:
    change = abs(shift.after - shift.before)
    is_grave = change >= (shift.before / 2 if shift.measure.is_amount else GRAVE_SHARE)
    return Severity.HIGH if is_grave else Severity.MEDIUM

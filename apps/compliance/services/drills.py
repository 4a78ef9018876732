"""Stops that were not tried in time, as findings; closed by the drill that passes."""

from __future__ import annotations

from django.db import transaction

from apps.agents.models import Agent
from apps.compliance.models import Finding, Severity
from apps.compliance.services.findings import FindingDraft, close_findings, raise_findings
from apps.oversight.drilling import DrillDue, overdue_drills

KIND = Finding.Kind.DRILL_OVERDUE
GRAVE = 3


@transaction.atomic
def check_drills() -> int:
    """Raise a finding for every agent in production whose stop was not tried in time; returns how many are overdue."""
    overdue = overdue_drills()
    raise_findings([_draft(one) for one in overdue])
    return len(overdue)


def close_drilled(agent: Agent) -> int:
    """The stop was tried and every point answered: what was overdue is not any longer. A step of the drill's end."""
    rows = Finding.objects.select_for_update(of=("self",)).filter(agent=agent, kind=KIND)
    return close_findings(
        list(rows.filter(status=Finding.Status.OPEN)),
        "A drill passed: every enforcement point answered in time.",
    )


def _draft(due: DrillDue) -> FindingDraft:
    agent, tier = due.agent, due.agent.tier or 1
    last = f"It was last tried on {due.last_at:%-d %B %Y}." if due.last_at else "It was never tried."
    return FindingDraft(
        agent=agent,
        kind=KIND,
        key=f"{KIND}:{due.due_at:%Y-%m-%d}",
        severity=Severity.HIGH if tier > GRAVE - 1 else Severity.MEDIUM,
        title=f"The stop of {agent.name} was not tried in time",
        detail=f"{last} An agent of tier {tier} needs a drill every {due.every_days} days (EU AI Act, Article 14(4)(e)).",
        evidence={
            "due_at": due.due_at.isoformat(),
            "last_at": due.last_at.isoformat() if due.last_at else None,
        },
    )

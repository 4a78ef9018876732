"""Drift: what certified agents do now, against what they did when they were certified."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from apps.agents.models import Agent, ObservedModel, ObservedTool
from apps.compliance.models import Certification
from apps.compliance.rules import Drift, drift_from
from apps.compliance.services.findings import FindingDraft, raise_finding


@dataclass(frozen=True)
class DriftRun:
    """How many certified agents were compared, and how many new findings came of it."""

    agents: int
    findings: int


def detect_drift(agent: Agent | None = None) -> DriftRun:
    """Compare every certified agent (or one) with its newest active certification; raise what is new.

    Three queries per agent; each agent is its own transaction.
    """
    active = Certification.objects.filter(status=Certification.Status.ACTIVE).select_related("agent")
    if agent is not None:
        active = active.filter(agent=agent)
    newest = active.order_by("agent_id", "-certified_at").distinct("agent_id")
    compared = raised = 0
    for certification in newest.iterator(chunk_size=500):
        compared += 1
        raised += _compare(certification)
    return DriftRun(compared, raised)


@transaction.atomic
def _compare(certification: Certification) -> int:
    since = {"agent_id": certification.agent_id, "last_seen__gt": certification.certified_at}
    tools = dict(ObservedTool.objects.filter(**since).values_list("tool_name", "calls"))
    models = dict(ObservedModel.objects.filter(**since).values_list("model", "calls"))
    found = drift_from(certification.baseline, tools, models)
    return sum(raise_finding(_draft(certification, drift)) is not None for drift in found)


def _draft(certification: Certification, drift: Drift) -> FindingDraft:
    return FindingDraft(
        agent=certification.agent,
        certification=certification,
        kind=drift.kind,
        key=f"{drift.kind}:{certification.pk}:{drift.subject}",
        severity=drift.severity,
        title=drift.title,
        detail=drift.detail,
        evidence={"subject": drift.subject, "baseline": certification.baseline},
    )

"""Drift: what certified agents do now, against what they did when they were certified."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from apps.agents.models import Agent, ObservedModel, ObservedTool
from apps.agents.toolnames import tool_named
from apps.compliance.models import Certification, Finding
from apps.compliance.rules import Drift, drift_from
from apps.compliance.services.findings import FindingDraft, raise_finding
from apps.kit.errors import DomainError

logger = logging.getLogger(__name__)
AT_ONCE = 500
Uses = dict[UUID, dict[str, int]]


@dataclass(frozen=True)
class DriftRun:
    """How many certified agents were compared, how many new findings came of it, how many could not be compared."""

    agents: int
    findings: int
    failed: int = 0


def detect_drift(agent: Agent | None = None) -> DriftRun:
    """Compare every certified agent (or one) with its newest active certification; raise what is new.

    Four queries for 500 agents and a few for each new finding. A finding that cannot be raised is logged
    and does not keep the others from being raised.
    """
    active = Certification.objects.filter(status=Certification.Status.ACTIVE).select_related("agent")
    if agent is not None:
        active = active.filter(agent=agent)
    newest = list(active.order_by("agent_id", "-certified_at").distinct("agent_id"))
    raised = failed = 0
    for start in range(0, len(newest), AT_ONCE):
        for draft in _new_drift(newest[start : start + AT_ONCE]):
            outcome = _raise(draft)
            raised, failed = raised + (outcome is True), failed + (outcome is None)
    return DriftRun(len(newest), raised, failed)


def _new_drift(certifications: Sequence[Certification]) -> list[FindingDraft]:
    """Departures nobody was told of yet."""
    ids = [certification.agent_id for certification in certifications]
    tools, models = _tools_of(ids), _models_of(ids)
    drafts = [
        _draft(held, drift)
        for held in certifications
        for drift in drift_from(held.baseline, tools[held.agent_id], models[held.agent_id])
    ]
    keys = [draft.key for draft in drafts]
    known = set(Finding.objects.filter(agent__in=ids, key__in=keys).values_list("key", flat=True))
    return [draft for draft in drafts if draft.key not in known]


def _tools_of(ids: Iterable[UUID]) -> Uses:
    """Calls by tool, whenever they were: the baseline holds everything seen before it, whatever a clock said."""
    seen = ObservedTool.objects.filter(agent__in=ids).values_list(
        "agent_id", "tool_name", "mcp_server", "calls"
    )
    return _added((agent_id, str(tool_named(name, server)), calls) for agent_id, name, server, calls in seen)


def _models_of(ids: Iterable[UUID]) -> Uses:
    seen: QuerySet[ObservedModel, tuple[UUID, str, int]]
    seen = ObservedModel.objects.filter(agent__in=ids).values_list("agent_id", "model", "calls")
    return _added(seen)


def _added(rows: Iterable[tuple[UUID, str, int]]) -> Uses:
    uses: Uses = defaultdict(lambda: defaultdict(int))
    for agent_id, name, calls in rows:
        uses[agent_id][name] += calls
    return uses


def _raise(draft: FindingDraft) -> bool | None:
    """True when it is new, None when it failed."""
    try:
        with transaction.atomic():
            return raise_finding(draft) is not None
    except (DatabaseError, DomainError):
        logger.exception("the finding %s of %s was not raised", draft.key, draft.agent.pk)
        return None


def _draft(certification: Certification, drift: Drift) -> FindingDraft:
    return FindingDraft(
        agent=certification.agent,
        certification=certification,
        kind=drift.kind,
        key=f"{drift.kind}:{certification.pk}:{drift.subject}"[:400],
        severity=drift.severity,
        title=drift.title,
        detail=drift.detail,
        evidence={"subject": drift.subject, "baseline": certification.baseline},
    )

"""Starting the jobs of compliance by hand: allowed to few, and in the ledger as whoever started them."""

from __future__ import annotations

from django.db import transaction

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.compliance.services.certifications import expire_certifications
from apps.compliance.services.drift import DriftRun, detect_drift
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act


def run_drift_detection(agent: Agent | None = None, *, actor: Principal) -> DriftRun:
    """Compare one agent, or every certified one, with what was certified. What it finds is its own transaction each."""
    if agent is None:
        require(actor, Permission.JOBS_RUN)
    else:
        require_for(actor, Permission.JOBS_RUN, agent)
    _record("compliance.drift.run", actor, agent)
    return detect_drift(agent)


def run_expiry(*, actor: Principal) -> int:
    """End the certifications whose time is over; returns how many."""
    require(actor, Permission.JOBS_RUN)
    _record("compliance.expiry.run", actor, None)
    return expire_certifications()


@transaction.atomic
def _record(action: str, actor: Principal, agent: Agent | None) -> None:
    target = ("agent", agent.pk) if agent else ("fleet", "all")
    record_act(action, actor=actor, target=target)

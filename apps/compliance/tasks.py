"""Compliance by the clock."""

from celery import shared_task

from apps.compliance.services.certifications import expire_certifications
from apps.compliance.services.drift import detect_drift
from apps.compliance.services.drills import check_drills


@shared_task(name="compliance.expire_certifications")
def expire() -> int:
    """Daily: end certifications whose time is over; find agents in production whose stop was not tried in time."""
    check_drills()
    return expire_certifications()


@shared_task(name="compliance.detect_drift")
def drift() -> dict[str, int]:
    """Every 15 minutes: compare certified agents with their baselines."""
    run = detect_drift()
    return {"agents": run.agents, "findings": run.findings}

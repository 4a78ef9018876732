"""What a change of the record means for certifications."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.dispatch import receiver

from apps.agents import risk
from apps.agents.models import Agent
from apps.agents.signals import agent_changed, coverage_asked
from apps.compliance.queries import uncovered
from apps.compliance.services.certifications import follow_tier


@receiver(agent_changed, dispatch_uid="compliance.follow_tier")
def follow_risk(sender: type[Agent], agent: Agent, fields: set[str], **_: Any) -> None:
    """A certification counts for the tier it was given for and those below it."""
    if fields & {*risk.FIELDS, "ai_act_class", "tier"}:
        follow_tier(agent)


@receiver(coverage_asked, dispatch_uid="compliance.lacking_coverage")
def lacking_coverage(sender: type[Agent], tiers: dict[UUID, int], **_: Any) -> set[UUID]:
    """Those of these agents that hold no certification for the tier they would have."""
    return uncovered(tiers)

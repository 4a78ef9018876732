"""What a change of the record means for certifications."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from apps.agents import risk
from apps.agents.models import Agent
from apps.agents.signals import agent_changed
from apps.compliance.services.certifications import follow_tier


@receiver(agent_changed, dispatch_uid="compliance.follow_tier")
def follow_risk(sender: type[Agent], agent: Agent, fields: set[str], **_: Any) -> None:
    """A certification counts for the tier it was given for and those below it."""
    if fields & set(risk.FIELDS):
        follow_tier(agent)

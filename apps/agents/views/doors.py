"""The way into one agent's pages."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404

from apps.agents.models import Agent
from apps.identity.pages import PageRequest


def visible_agent(request: PageRequest, agent_id: UUID) -> Agent:
    """The agent through its door: 404 for whoever may not know of it."""
    return get_object_or_404(Agent.objects.visible_to(request.actor).with_people(), pk=agent_id)

"""What every endpoint below /agents/{agent_id} begins with: the agent, through its door."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.request import Request

from apps.agents.models import Agent
from apps.identity.api.actor import actor_of


def agent_for(request: Request, agent_id: UUID) -> Agent:
    """The agent, when the asker may know of it; 404 otherwise."""
    return get_object_or_404(Agent.objects.visible_to(actor_of(request)).with_people(), pk=agent_id)

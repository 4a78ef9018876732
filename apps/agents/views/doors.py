"""The way into one agent's pages, and into one blueprint's."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404

from apps.agents.models import Agent, Blueprint
from apps.identity.pages import PageRequest
from apps.kit.ids import id_or_none


def visible_agent(request: PageRequest, agent_id: UUID) -> Agent:
    """The agent through its door: 404 for whoever may not know of it."""
    return get_object_or_404(Agent.objects.visible_to(request.actor).with_people(), pk=agent_id)


def visible_blueprint(request: PageRequest, blueprint_id: UUID) -> Blueprint:
    """The blueprint through its door: 404 for whoever may not know of it."""
    rows = Blueprint.objects.visible_to(request.actor).select_related("team")
    return get_object_or_404(rows, pk=blueprint_id)


def uuids_in(texts: list[str]) -> list[UUID]:
    """Ids among what a form sent, at most a thousand; what is none is left out."""
    return [found for text in texts[:1000] if (found := id_or_none(text))]

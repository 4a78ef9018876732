"""What is known of one agent, in the forms that other tools read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.agents.agent_card import agent_card
from apps.agents.api.scoped import agent_for
from apps.agents.bill import MEDIA_TYPE, bill_of_materials
from apps.identity.api.actor import actor_of
from apps.identity.roles import Permission


class BillView(APIView):
    """The agent's bill of materials: CycloneDX 1.6 with model cards."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses={(200, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.OBJECT)})
    def get(self, request: Request, agent_id: UUID) -> HttpResponse:
        agent = agent_for(request, agent_id)
        return _file(bill_of_materials(agent, actor=actor_of(request)), MEDIA_TYPE, f"{agent.slug}.cdx.json")


class CardView(APIView):
    """The A2A card other agents read before they call this one; 409 while it has no endpoint on record."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses={(200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT)})
    def get(self, request: Request, agent_id: UUID) -> HttpResponse:
        agent = agent_for(request, agent_id)
        card = orjson.dumps(agent_card(agent), option=orjson.OPT_INDENT_2)
        return _file(card, "application/json", f"{agent.slug}.agent-card.json")


def _file(content: bytes, media_type: str, name: str) -> HttpResponse:
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, media_type, headers=headers)

"""The published shape of declarations, and a person's answer to the leave one asks for."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from apps.agents.declarations import schema
from apps.agents.services.declared_things import grant_declared
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission


@require_safe
@cache_control(public=True, max_age=3600)
def published_schema(request: HttpRequest) -> HttpResponse:
    """The JSON Schema of a `chancery.yaml`, for editors and pipelines: open to everybody, it tells nothing of here."""
    address = settings.PUBLIC_URL.rstrip("/") + reverse("agents:declaration-schema")
    response = JsonResponse(schema(address), json_dumps_params={"indent": 1})
    response["Content-Type"] = "application/schema+json"
    response["Access-Control-Allow-Origin"] = "*"  # editors in a browser read it too
    return response


@require_POST
@page(Permission.POLICY_EDIT)
def grant_asked(request: PageRequest, agent_id: UUID, at: int) -> HttpResponse:
    """Give the leave that the declaration asks for."""
    grant = grant_declared(visible_agent(request, agent_id), at, actor=request.actor)
    messages.success(request, f"It may use {grant.tool} now.")
    return redirect("agents:detail", agent_id)

"""Pages of connectors: which registers are told of agents, and what became of each."""

from __future__ import annotations

from uuid import UUID

import orjson
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.connector_forms import ConnectorForm
from apps.agents.models import Connector, PushedItem
from apps.agents.queries.outward import connectors_visible_to
from apps.agents.services.connectors import (
    create_connector,
    edit_connector,
    preview_push,
    remove_connector,
    request_push,
)
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem

State = PushedItem.State


@require_safe
@page(Permission.OUTGOING_VIEW)
def connectors(request: PageRequest) -> HttpResponse:
    """Every connector the actor may see, and what Backstage reads."""
    counts = {
        "taken": Count("items", filter=Q(items__state=State.TAKEN)),
        "refused": Count("items", filter=Q(items__state=State.REFUSED)),
    }
    shown = page_of(request, connectors_visible_to(request.actor).annotate(**counts), ("name", "id"))
    context = {
        "page": shown,
        "connectors": shown.rows,
        "may_manage": access_of(request.actor).allows_somewhere(Permission.OUTGOING_MANAGE),
    }
    return render(request, "agents/connectors.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.OUTGOING_MANAGE)
@never_cache
def connector_form(request: PageRequest, connector_id: UUID | None = None) -> HttpResponse:
    known = _visible(request, connector_id) if connector_id else None
    form = ConnectorForm(request.POST or None, initial=ConnectorForm.initial_of(known) if known else {})
    if request.method == "POST" and form.is_valid():
        try:
            if known is None:
                saved = create_connector(form.draft(), actor=request.actor)
            else:
                saved = edit_connector(known, form.draft(), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"The connector {saved.name} is saved.")
            return redirect("agents:connector", saved.pk)
    context = {"form": form, "connector": known}
    return render(request, "agents/connector_form.html", context, status=422 if form.errors else 200)


@require_safe
@page(Permission.OUTGOING_VIEW)
def connector(request: PageRequest, connector_id: UUID) -> HttpResponse:
    """One connector, with the result of each agent, what was refused first."""
    one = _visible(request, connector_id)
    only = request.GET.get("show", "")
    items = one.items.filter(state=only) if only in State.values else one.items
    shown = page_of(request, items.select_related("agent"), ("-pushed_at", "id"), size=50)
    counts = dict.fromkeys(State.values, 0) | dict(
        one.items.order_by().values_list("state").annotate(count=Count("*"))
    )
    context = {
        "connector": one,
        "page": shown,
        "items": shown.rows,
        "shown": only,
        "counts": counts,
        "may_manage": access_of(request.actor).allows(Permission.OUTGOING_MANAGE, one.team_id),
    }
    return render(request, "agents/connector.html", context)


@require_safe
@page(Permission.OUTGOING_VIEW)
def connector_preview(request: PageRequest, connector_id: UUID) -> HttpResponse:
    """What a push would say, before it is sent."""
    one = _visible(request, connector_id)
    preview = preview_push(one, actor=request.actor)
    context = {
        "connector": one,
        "preview": preview,
        "body": orjson.dumps(preview.body, option=orjson.OPT_INDENT_2).decode(),
        "may_manage": access_of(request.actor).allows(Permission.OUTGOING_MANAGE, one.team_id),
    }
    return render(request, "agents/connector_preview.html", context)


@require_POST
@page(Permission.OUTGOING_MANAGE)
def connector_push(request: PageRequest, connector_id: UUID) -> HttpResponse:
    one = request_push(_visible(request, connector_id), actor=request.actor)
    messages.success(request, "Every agent is compared and what differs is sent, within a minute.")
    return redirect("agents:connector", one.pk)


@require_POST
@page(Permission.OUTGOING_MANAGE)
def connector_remove(request: PageRequest, connector_id: UUID) -> HttpResponse:
    one = _visible(request, connector_id)
    remove_connector(one, reason=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, f"The connector {one.name} is removed.")
    return redirect("agents:connectors")


def _visible(request: PageRequest, connector_id: UUID) -> Connector:
    return get_object_or_404(connectors_visible_to(request.actor), pk=connector_id)

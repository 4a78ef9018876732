"""Pages of MCP servers: which stand behind the gateway, their tools, what is held back and why."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, NotFound
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.differences import parts_of
from apps.oversight.models import McpUpstream, ToolDefinition
from apps.oversight.services.definitions import approve_definition, refuse_definition
from apps.oversight.services.upstreams import (
    create_upstream,
    disable_upstream,
    edit_upstream,
    enable_upstream,
    remove_upstream,
)
from apps.oversight.upstream_forms import UpstreamForm

HELD = Q(definitions__state__in=ToolDefinition.IN_THE_WAY)
JUDGES = {"approve": approve_definition, "refuse": refuse_definition}


@require_safe
@page(Permission.AGENTS_VIEW)
def upstreams(request: PageRequest) -> HttpResponse:
    """Every server the actor may see, those with something to review marked."""
    rows = McpUpstream.objects.visible_to(request.actor).select_related("team")
    counted = rows.annotate(
        tools=Count("definitions__tool", distinct=True),
        held=Count("definitions__tool", filter=HELD, distinct=True),
    )
    shown = page_of(request, counted, ("name", "id"))
    context = {
        "page": shown,
        "upstreams": shown.rows,
        "may_manage": access_of(request.actor).allows_somewhere(Permission.OUTGOING_MANAGE),
    }
    return render(request, "oversight/upstreams.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def upstream(request: PageRequest, upstream_id: UUID) -> HttpResponse:
    """One server: its tools as they are in force, what is held back, how it is reached."""
    return _shown(request, _visible(request, upstream_id))


@require_http_methods(["GET", "POST"])
@page(Permission.OUTGOING_MANAGE)
@never_cache
def upstream_form(request: PageRequest, upstream_id: UUID | None = None) -> HttpResponse:
    """Put a server behind the gateway, or change one."""
    known = _visible(request, upstream_id) if upstream_id else None
    form = UpstreamForm(request.POST or None, initial=UpstreamForm.initial_of(known) if known else {})
    if known:
        form.fields["slug"].required = False
        form.fields["slug"].disabled = True
    if request.method == "POST" and form.is_valid():
        try:
            saved = _saved(request, known, form)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(
                request, f"The MCP server {saved.name} is saved. The gateway knows within a second."
            )
            return redirect("oversight:upstream", saved.pk)
    context = {"form": form, "upstream": known}
    return render(request, "oversight/upstream_form.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.OUTGOING_MANAGE)
def upstream_act(request: PageRequest, upstream_id: UUID, verb: str) -> HttpResponse:
    """Switch a server on or off, or remove it."""
    known, reason = _visible(request, upstream_id), request.POST.get("reason", "")
    if verb == "enable":
        enable_upstream(known, actor=request.actor)
        messages.success(request, f"Calls to {known.name} are carried again.")
    elif verb == "disable":
        disable_upstream(known, reason=reason, actor=request.actor)
        messages.success(request, f"Nothing is carried to {known.name} any longer.")
    elif verb == "remove":
        remove_upstream(known, reason=reason, actor=request.actor)
        messages.success(request, f"The MCP server {known.name} is removed.")
        return redirect("oversight:upstreams")
    else:
        raise NotFound("There is nothing here.")
    return redirect("oversight:upstream", known.pk)


@require_safe
@page(Permission.AGENTS_VIEW)
def definition(request: PageRequest, upstream_id: UUID, definition_id: UUID) -> HttpResponse:
    """One definition beside the one in force, with what nobody sees made visible."""
    known = _visible(request, upstream_id)
    held = get_object_or_404(known.definitions.select_related("tool", "reviewed_by"), pk=definition_id)
    in_force = known.definitions.filter(tool=held.tool_id, state__in=ToolDefinition.IN_FORCE).first()
    before = in_force.definition if in_force and in_force.pk != held.pk else None
    context = {
        "upstream": known,
        "definition": held,
        "in_force": in_force,
        "parts": parts_of(before, held.definition),
        "waits": held.state in ToolDefinition.IN_THE_WAY,
        "may_judge": access_of(request.actor).allows(Permission.POLICY_EDIT, known.team_id),
    }
    return render(request, "oversight/definition.html", context)


@require_POST
@page(Permission.POLICY_EDIT)
def definition_judge(request: PageRequest, upstream_id: UUID, definition_id: UUID, verb: str) -> HttpResponse:
    """Approve or refuse what is held back."""
    known = _visible(request, upstream_id)
    held = get_object_or_404(known.definitions.select_related("tool"), pk=definition_id)
    if verb not in JUDGES:
        raise NotFound("There is nothing here.")
    JUDGES[verb](held, actor=request.actor, reason=request.POST.get("reason", ""))
    done = "is offered as it is now" if verb == "approve" else "stays held back"
    messages.success(request, f"{held.tool.name} {done}.")
    return redirect("oversight:upstream", known.pk)


def _visible(request: PageRequest, upstream_id: UUID) -> McpUpstream:
    rows = McpUpstream.objects.visible_to(request.actor).select_related("team", "created_by")
    return get_object_or_404(rows, pk=upstream_id)


def _saved(request: PageRequest, known: McpUpstream | None, form: UpstreamForm) -> McpUpstream:
    if known is None:
        return create_upstream(form.draft(), actor=request.actor)
    version = form.cleaned_data["version"]
    return edit_upstream(known, form.draft(), actor=request.actor, version=version)


def _shown(request: PageRequest, known: McpUpstream) -> HttpResponse:
    rows = list(known.definitions.select_related("tool", "reviewed_by").exclude(state="changed"))
    context = {
        "upstream": known,
        "waiting": [row for row in rows if row.state in ToolDefinition.IN_THE_WAY],
        "in_force": [row for row in rows if row.state in ToolDefinition.IN_FORCE],
        "held_names": {row.tool_id for row in rows if row.state in ToolDefinition.IN_THE_WAY},
        "address": f"{settings.GATEWAY_URL.rstrip('/')}/mcp/{known.slug}",
        "may_manage": access_of(request.actor).allows(Permission.OUTGOING_MANAGE, known.team_id),
        "may_judge": access_of(request.actor).allows(Permission.POLICY_EDIT, known.team_id),
    }
    return render(request, "oversight/upstream.html", context)

"""Leave to use tools: what an agent, or every instance of a blueprint, was given, by whom, why, until when."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.access import may, require_for
from apps.agents.grant_forms import GrantForm, ToolForm, initial_of
from apps.agents.models import BlueprintGrant, Tool, ToolGrant
from apps.agents.services.blueprint_grants import grant_to_blueprint, revoke_from_blueprint
from apps.agents.services.grants import grant_tool, revoke_grant
from apps.agents.views.blueprints import act_result
from apps.agents.views.doors import visible_agent, visible_blueprint
from apps.identity.access import access_of, require
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, NotFound
from apps.kit.ui.problems_in_forms import show_problem

PAST = 100


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_grants(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """What an agent may use by grant; what ended is folded."""
    agent = visible_agent(request, agent_id)
    rows = agent.grants.select_related("tool", "granted_by", "revoked_by", "through__blueprint")
    grants = list(rows.order_by("tool__name", "-granted_at")[:500])
    context = {
        "agent": agent,
        "standing": [grant for grant in grants if grant.is_active],
        "past": [grant for grant in grants if not grant.is_active][:PAST],
        "may_grant": may(request.actor, Permission.POLICY_EDIT, agent),
    }
    return render(request, "agents/agent_grants.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def agent_grant_give(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Grant an agent a tool, or change what was granted: the tool first (`?tool=`), then its operations and limits."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.POLICY_EDIT, agent)
    tool = _tool(request)
    standing = ToolGrant.objects.filter(agent=agent, tool=tool, revoked_at=None).first() if tool else None
    form = GrantForm(request.POST or None, tool=tool, initial=initial_of(standing)) if tool else None
    if form and request.method == "POST" and form.is_valid():
        try:
            grant_tool(agent, form.request(), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{agent.name} may use {tool}.")
            return redirect("agents:grants", agent.pk)
    context = {
        "agent": agent,
        "tool": tool,
        "form": form,
        "standing": standing,
        "tools": _tools(request, tool),
    }
    refused = form is not None and bool(form.errors)
    return render(request, "agents/agent_grant_form.html", context, status=422 if refused else 200)


@require_POST
@page(Permission.POLICY_EDIT)
def agent_grant_revoke(request: PageRequest, agent_id: UUID, grant_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    grant = get_object_or_404(ToolGrant.objects.visible_to(request.actor), pk=grant_id, agent=agent)
    try:
        revoke_grant(grant, actor=request.actor, reason=request.POST.get("reason", ""))
    except DomainError as error:
        messages.error(request, " ".join([error.message, *error.fields.values()]))
    else:
        messages.success(request, f"{agent.name} may no longer use {grant.tool}.")
    return redirect("agents:grants", agent.pk)


@require_safe
@page(Permission.AGENTS_VIEW)
def blueprint_grants(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """What every instance may use."""
    found = visible_blueprint(request, blueprint_id)
    grants = list(
        found.grants.select_related("tool", "granted_by", "revoked_by").order_by("tool__name", "-granted_at")[
            :500
        ]
    )
    context = {
        "blueprint": found,
        "standing": [grant for grant in grants if grant.is_active],
        "past": [grant for grant in grants if not grant.is_active][:PAST],
        "may_grant": access_of(request.actor).allows(Permission.POLICY_EDIT, found.team_id),
    }
    return render(request, "agents/blueprint_grants.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def blueprint_grant_give(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """Grant every instance a tool, those to come included."""
    found = visible_blueprint(request, blueprint_id)
    require(request.actor, Permission.POLICY_EDIT, found.team_id)
    tool = _tool(request)
    standing = found.grants.filter(tool=tool, revoked_at=None).first() if tool else None
    form = GrantForm(request.POST or None, tool=tool, initial=initial_of(standing)) if tool else None
    if form and request.method == "POST" and form.is_valid():
        try:
            act = grant_to_blueprint(found, form.request(), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            return act_result(request, found, f"{tool} is granted", act.results)
    context = {
        "blueprint": found,
        "tool": tool,
        "form": form,
        "standing": standing,
        "tools": _tools(request, tool),
    }
    refused = form is not None and bool(form.errors)
    return render(request, "agents/blueprint_grant_form.html", context, status=422 if refused else 200)


@require_POST
@page(Permission.POLICY_EDIT)
def blueprint_grant_revoke(request: PageRequest, blueprint_id: UUID, grant_id: UUID) -> HttpResponse:
    found = visible_blueprint(request, blueprint_id)
    grant = get_object_or_404(BlueprintGrant.objects.visible_to(request.actor), pk=grant_id, blueprint=found)
    try:
        act = revoke_from_blueprint(grant, actor=request.actor, reason=request.POST.get("reason", ""))
    except DomainError as error:
        messages.error(request, " ".join([error.message, *error.fields.values()]))
        return redirect("agents:blueprint-grants", found.pk)
    return act_result(request, found, f"{grant.tool} is no longer granted", act.results)


def _tool(request: PageRequest) -> Tool | None:
    asked = request.GET.get("tool", "")
    if not asked:
        return None
    try:
        return Tool.objects.visible_to(request.actor).prefetch_related("operations").get(pk=UUID(asked))
    except (ValueError, Tool.DoesNotExist) as error:
        raise NotFound("There is no such tool.") from error


def _tools(request: PageRequest, tool: Tool | None) -> ToolForm | None:
    return None if tool else ToolForm(actor=request.actor)

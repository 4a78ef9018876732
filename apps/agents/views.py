"""Pages of the registry."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.agents import queries, risk
from apps.agents.access import may, require_for
from apps.agents.filters import AgentFilter
from apps.agents.forms import DraftForm, EditForm, initial_of, levels_in
from apps.agents.models import Agent
from apps.agents.search import search_agents
from apps.agents.services.registry import create_draft, edit_agent
from apps.identity.pages import PageRequest, page
from apps.identity.queries import timeline_of
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem

SORTS = {
    "tier": ("tier_rank", "name", "id"),
    "-tier": ("-tier_rank", "name", "id"),
    "name": ("name", "id"),
    "-name": ("-name", "id"),
    "seen": ("seen", "id"),
    "-seen": ("-seen", "id"),
}


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_list(request: PageRequest) -> HttpResponse:
    """Every agent the actor may see; with `?q=`, those that fit it best by meaning."""
    text = request.GET.get("q", "").strip()
    visible = Agent.objects.visible_to(request.actor)
    narrowed = AgentFilter(request.GET.copy() if not text else _without_q(request), visible.with_people())
    context = {
        "filter": narrowed,
        "facets": queries.facets(visible),
        "chips": queries.chips(narrowed),
        "total": narrowed.qs.count(),
        "text": text,
    }
    if text:
        found = search_agents(text, actor=request.actor, limit=50, among=narrowed.qs)
        context |= {"agents": [(hit.agent, hit) for hit in found.hits], "found_by": found.by}
    else:
        shown = page_of(request, _ranked(narrowed.qs), _order(request))
        context |= {"agents": [(agent, None) for agent in shown.rows], "page": shown}
    return render(request, "agents/agent_list.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_detail(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """An agent's record."""
    agent = visible_agent(request, agent_id)
    context = {
        "agent": agent,
        "aliases": agent.aliases.select_related("source"),
        "models": agent.observed_models.all()[:6],
        "entries": timeline_of("agent", agent.pk)[:6],
        "may_edit": may(request.actor, Permission.AGENTS_CURATE, agent),
    }
    return render(request, "agents/agent_detail.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_history(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Everything the ledger holds about an agent."""
    agent = visible_agent(request, agent_id)
    shown = page_of(request, timeline_of("agent", agent.pk), ("-id",))
    return render(
        request, "agents/agent_history.html", {"agent": agent, "page": shown, "entries": shown.rows}
    )


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def agent_edit(request: PageRequest, agent_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.AGENTS_CURATE, agent)
    form = EditForm(request.POST or None, initial=initial_of(agent), actor=request.actor)
    if request.method == "POST" and form.is_valid():
        changes = dict(form.cleaned_data)
        try:
            edit_agent(agent, changes, version=changes.pop("version"), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"The record of {agent.name} is saved.")
            return redirect("agents:detail", agent.pk)
    context = {"agent": agent, "form": form, "assessment": risk.assess(levels_in(form.data or form.initial))}
    return render(request, "agents/agent_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def agent_draft(request: PageRequest) -> HttpResponse:
    form = DraftForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            agent = create_draft(**form.cleaned_data, actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{agent.name} is on record as a draft.")
            return redirect("agents:detail", agent.pk)
    return render(request, "agents/agent_draft.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["POST"])
@page(Permission.AGENTS_CURATE)
def risk_preview(request: PageRequest) -> HttpResponse:
    """The tier that the four levels chosen so far would give."""
    return render(request, "agents/_risk_preview.html", {"assessment": risk.assess(levels_in(request.POST))})


@require_safe
@page(Permission.AGENTS_VIEW)
def palette(request: PageRequest) -> HttpResponse:
    """Agents by name or number for the palette, at most eight."""
    narrowed = AgentFilter({"q": request.GET.get("q", "")}, Agent.objects.visible_to(request.actor))
    return render(request, "agents/_palette.html", {"agents": narrowed.qs.order_by("name")[:8]})


def visible_agent(request: PageRequest, agent_id: UUID) -> Agent:
    """The agent through its door: 404 for whoever may not know of it."""
    return get_object_or_404(Agent.objects.visible_to(request.actor).with_people(), pk=agent_id)


def _ranked(agents: QuerySet[Agent]) -> QuerySet[Agent]:
    seen = Coalesce("last_seen", F("created_at"))
    return agents.order_by().annotate(tier_rank=Coalesce("tier", Value(0)), seen=seen)


def _order(request: PageRequest) -> tuple[str, ...]:
    return SORTS.get(request.GET.get("sort", ""), SORTS["-tier"])


def _without_q(request: PageRequest) -> QueryDict:
    data = request.GET.copy()
    data.pop("q", None)
    return data

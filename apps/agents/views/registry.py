"""The list of agents, one agent's record, its history, and what is discovered."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.agents.access import may, require_for
from apps.agents.columns import DEFAULT, FOUND, Column, chosen, known_columns, ordering_of, sortable
from apps.agents.filters import AgentFilter
from apps.agents.forms import DraftForm, EditForm
from apps.agents.models import Agent, Bookmark
from apps.agents.quality import completeness_of, missing_fields
from apps.agents.queries.declared import declared_of
from apps.agents.queries.facets import facets
from apps.agents.queries.lists import chips, view_links
from apps.agents.queries.record import record_parts, told_contradictions
from apps.agents.queries.risk import kept_risk_record, tier_preview
from apps.agents.search import agents_like, search_agents
from apps.agents.services.indexing import progress
from apps.agents.services.registry import create_draft, edit_agent
from apps.agents.services.withdrawing import withdraw_draft
from apps.agents.views.doors import visible_agent
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.queries import timeline_of
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem

RECENT = 12
EXPORTS = (("csv", "CSV"), ("xlsx", "Excel"), ("json", "JSON"))
PAGE = 50


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_list(request: PageRequest) -> HttpResponse:
    """Every agent the actor may see; with `?q=`, those that fit it best by meaning."""
    text = request.GET.get("q", "").strip()
    asked = _without_q(request.GET) if text else request.GET
    visible = Agent.objects.visible_to(request.actor).on_record()
    narrowed = AgentFilter(asked, visible.with_people(), actor=request.actor)
    groups, total = facets(visible, asked, actor=request.actor)
    known = known_columns()
    columns = _columns(request, known, FOUND if text else DEFAULT)
    views = view_links(request.actor, request.GET, reverse("agents:list"))
    context = {
        "facets": groups,
        "total": total,
        "chips": chips(asked),
        "columns": columns,
        "all_columns": [(column, column in columns) for column in known.values()],
        "views": views,
        "own_views": [view for view in views if view.view_id],
        "plain": not any(
            request.GET.getlist(key) for key in request.GET if key not in ("sort", "columns", "cursor")
        ),
        "text": text,
        "may_curate": access_of(request.actor).allows_somewhere(Permission.AGENTS_CURATE),
        "query": request.GET.urlencode(),
        "export_kinds": EXPORTS,
    }
    context |= _searched(request, text, narrowed) if text else _paged(request, narrowed, columns)
    return render(
        request, "agents/agent_list.html", context, status=400 if "search_problem" in context else 200
    )


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_detail(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """An agent's record; one that was merged leads to the record it became part of."""
    agent = visible_agent(request, agent_id)
    if agent.merged_into_id and "stay" not in request.GET:
        messages.info(request, f"{agent.name} was merged into this record.")
        return redirect("agents:detail", agent.merged_into_id)
    _remember(request, agent)
    declared = declared_of(agent)
    settled_above = {one.claim for one in declared.differences} if declared else set()
    context = {
        "agent": agent,
        "aliases": agent.aliases.select_related("source"),
        "models": agent.observed_models.all()[:6],
        "entries": timeline_of("agent", agent.pk)[:6],
        "may_edit": may(request.actor, Permission.AGENTS_CURATE, agent) and not agent.withdrawn_at,
        "is_bookmarked": Bookmark.objects.filter(owner=request.actor, agent=agent).exists(),
        "completeness": completeness_of(agent),
        "missing": missing_fields(agent),
        "merges": agent.merges.filter(undone_at=None).select_related("merged", "actor"),
        "parts": record_parts(agent),
        "record": kept_risk_record(agent, actor=request.actor),
        "declared": declared,
        "may_grant": may(request.actor, Permission.POLICY_EDIT, agent),
        "contradictions": [
            one
            for one in told_contradictions(agent, actor=request.actor)
            if one.claim.pk not in settled_above
        ],
    }
    return render(request, "agents/agent_detail.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def alike(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Agents whose purpose is nearest to this one's: likely duplicates."""
    agent = visible_agent(request, agent_id)
    hits = agents_like(agent, actor=request.actor)
    siblings = agent.blueprint_id  # instances of one blueprint are alike on purpose
    context = {
        "agent": agent,
        "hits": [hit for hit in hits if siblings is None or hit.agent.blueprint_id != siblings],
        "may_edit": may(request.actor, Permission.AGENTS_CURATE, agent),
    }
    return render(request, "agents/_alike.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def agent_edit(request: PageRequest, agent_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.AGENTS_CURATE, agent)
    form = EditForm(request.POST or None, agent=agent, actor=request.actor)
    if request.method == "POST" and form.is_valid():
        try:
            edit_agent(agent, form.changes(), version=form.cleaned_data["version"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"The record of {agent.name} is saved.")
            return redirect("agents:detail", agent.pk)
    context = {
        "agent": agent,
        "form": form,
        "assessment": tier_preview(form.data or form.initial, agent),
        "risk": kept_risk_record(agent, actor=request.actor),
    }
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
def agent_withdraw(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Take a draft off the register."""
    agent = visible_agent(request, agent_id)
    try:
        withdraw_draft(agent, actor=request.actor, reason=request.POST.get("reason", ""))
    except DomainError as error:
        if error.status == 403:
            raise
        messages.error(request, " ".join([error.message, *error.fields.values()]))
        return redirect("agents:detail", agent.pk)
    messages.success(request, f"{agent.name} is withdrawn.")
    return redirect("agents:list")


@require_http_methods(["POST"])
@page(Permission.AGENTS_CURATE)
def risk_preview(request: PageRequest) -> HttpResponse:
    """The tier that the levels and the EU AI Act class chosen so far would give by the policy in force."""
    return render(request, "agents/_risk_preview.html", {"assessment": tier_preview(request.POST)})


@require_safe
@page(Permission.AGENTS_VIEW)
def palette(request: PageRequest) -> HttpResponse:
    """Agents by name or number for the palette, at most eight; those opened last where nothing is typed."""
    text = request.GET.get("q", "").strip()
    visible = Agent.objects.visible_to(request.actor).on_record()
    if not text:
        found = visible.in_bulk(recent_ids(request))
        return render(request, "agents/_palette.html", {"agents": [*found.values()][:8]})
    narrowed = AgentFilter({"q": text}, visible, actor=request.actor)
    return render(request, "agents/_palette.html", {"agents": narrowed.qs.order_by("name")[:8]})


def recent_ids(request: PageRequest) -> list[str]:
    """The agents this browser opened last, latest first."""
    return list(request.session.get("recent_agents", []))


def _remember(request: PageRequest, agent: Agent) -> None:
    """Written only when it changes: a session is a row in the database."""
    before = recent_ids(request)
    after = [str(agent.pk), *(pk for pk in before if pk != str(agent.pk))][:RECENT]
    if after != before:
        request.session["recent_agents"] = after


def _searched(request: PageRequest, text: str, narrowed: AgentFilter) -> dict[str, object]:
    try:
        found = search_agents(text, actor=request.actor, limit=PAGE, among=narrowed.qs)
    except InvalidInput as error:
        return {"rows": [], "total": 0, "search_problem": error.fields.get("q", error.message)}
    rows = [(hit.agent, hit) for hit in found.hits]
    preparing = progress() if found.by == "words" else None
    return {
        "rows": rows, "found_by": found.by, "total": len(rows), "asked": found.asked, "preparing": preparing,
    }  # fmt: skip


def _paged(request: PageRequest, narrowed: AgentFilter, columns: list[Column]) -> dict[str, object]:
    sort = request.GET.get("sort", "")
    rows = sortable(narrowed.qs, sort, columns)
    shown = page_of(request, rows, ordering_of(sort), size=PAGE)
    return {
        "rows": [(agent, None) for agent in shown.rows],
        "page": shown,
    }


def _columns(request: PageRequest, known: dict[str, Column], otherwise: tuple[str, ...]) -> list[Column]:
    """`?column=` once for each (as the form without script sends them), or `?columns=` with commas."""
    asked = request.GET.getlist("column") or list(filter(None, request.GET.get("columns", "").split(",")))
    return chosen(asked or otherwise, known)


def _without_q(asked: QueryDict) -> QueryDict:
    data = asked.copy()
    data.pop("q", None)
    return data

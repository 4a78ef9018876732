"""Changing many agents, one field of one agent, merging, and what somebody keeps at hand."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.access import require_for
from apps.agents.fields import EDITABLE, FIELDS, spec_of
from apps.agents.filters import AgentFilter
from apps.agents.forms import BulkForm, OneFieldForm, initial_of
from apps.agents.models import Agent, AgentMerge, Claim, CurationItem, CurationJob
from apps.agents.queries.record import compared, names_in
from apps.agents.services.claims import settle
from apps.agents.services.jobs import cancel_job, may_undo, start_job, undo_job
from apps.agents.services.merging import may_undo_merge, merge_agents, undo_merge
from apps.agents.services.registry import edit_agent
from apps.agents.services.shelf import remove_view, save_view, set_bookmark
from apps.agents.services.writing import plan_bulk_edit, words_before_and_after
from apps.agents.views.doors import uuids_in, visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, NotFound
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem


@require_POST
@page(Permission.AGENTS_CURATE)
def bulk_edit(request: PageRequest) -> HttpResponse:
    """What to change of the chosen agents; posted again with `plan`, the preview of it."""
    chosen = chosen_agents(request)
    total = chosen.order_by().count()
    planning = "plan" in request.POST
    form = BulkForm(request.POST if planning else None, actor=request.actor)
    if planning and form.is_valid():
        try:
            job = plan_bulk_edit(
                chosen, form.operations(), actor=request.actor, reason=form.cleaned_data["reason"]
            )
        except DomainError as error:
            show_problem(form, error)
        else:
            return redirect("agents:job", job.pk)
    context = {
        "form": form,
        "total": total,
        "names": chosen.order_by("name").values_list("name", flat=True)[:5],
        "picked": request.POST.getlist("pick"),
        "all": request.POST.get("all", ""),
        "query": request.POST.get("query", ""),
    }
    return render(request, "agents/bulk_edit.html", context, status=422 if form.errors or not total else 200)


@require_safe
@page(Permission.AGENTS_CURATE)
def jobs(request: PageRequest) -> HttpResponse:
    """Bulk edits and imports of whoever asks, newest first."""
    mine = CurationJob.objects.visible_to(request.actor).select_related("undone_by")
    shown = page_of(request, mine, ("-created_at", "id"), size=25)
    return render(request, "agents/jobs.html", {"page": shown, "jobs": shown.rows})


@require_safe
@page(Permission.AGENTS_CURATE)
def job(request: PageRequest, job_id: UUID) -> HttpResponse:
    """A job: its preview before it starts, how far it is, what became of each agent."""
    found = _own_job(request, job_id)
    only = request.GET.get("state", "")
    items = found.items.select_related("agent")
    if only in CurationItem.State.values:
        items = items.filter(state=only)
    shown = page_of(request, items, ("position",), size=50)
    names, counts = names_in(shown.rows), _counts(found)
    context = {
        "job": found,
        "page": shown,
        "lines": [(item, words_before_and_after(item, names)) for item in shown.rows],
        "counts": counts,
        "waiting": next((count for state, _, count in counts if state == CurationItem.State.WAITING), 0),
        "all_shown": only not in CurationItem.State.values,
        "listed": only,
        "may_undo": may_undo(found),
    }
    template = "agents/_job_progress.html" if request.headers.get("HX-Request") else "agents/job.html"
    return render(request, template, context)


@require_POST
@page(Permission.AGENTS_CURATE)
def job_act(request: PageRequest, job_id: UUID, verb: str) -> HttpResponse:
    """Start, cancel or undo a job."""
    found = _own_job(request, job_id)
    acts = {"start": start_job, "cancel": cancel_job, "undo": undo_job}
    if verb not in acts:
        raise NotFound("A job can be started, cancelled or undone.")
    try:
        after = acts[verb](found, actor=request.actor)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("agents:job", found.pk)
    return redirect("agents:job", after.pk)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def one_field(request: PageRequest, agent_id: UUID, name: str) -> HttpResponse:
    """One field of the record, edited where it stands; as a page of its own without script."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.AGENTS_CURATE, agent)
    if name not in EDITABLE or name == "custom":
        raise NotFound("There is no such field.")
    form = OneFieldForm(request.POST or None, name=name, initial=initial_of(agent), actor=request.actor)
    if request.method == "POST" and form.is_valid():
        try:
            changes = {name: form.cleaned_data[name]}
            agent = edit_agent(agent, changes, version=form.cleaned_data["version"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            if not request.headers.get("HX-Request"):
                return redirect("agents:detail", agent.pk)
            return render(request, "agents/_one_value.html", {"agent": agent, "spec": FIELDS[name]})
    template = "agents/_one_field.html" if request.headers.get("HX-Request") else "agents/one_field.html"
    context = {"agent": agent, "form": form, "spec": FIELDS[name]}
    # htmx swaps only good answers in, and a form that says what to correct is one.
    refused = bool(form.errors) and not request.headers.get("HX-Request")
    return render(request, template, context, status=422 if refused else 200)


@require_safe
@page(Permission.AGENTS_VIEW)
def field_value(request: PageRequest, agent_id: UUID, name: str) -> HttpResponse:
    """One field as the record shows it: what leaving its form leads back to."""
    agent = visible_agent(request, agent_id)
    if name not in EDITABLE or name == "custom":
        raise NotFound("There is no such field.")
    return render(request, "agents/_one_value.html", {"agent": agent, "spec": FIELDS[name]})


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def merge(request: PageRequest) -> HttpResponse:
    """Choose which of two records is kept, then merge the other into it."""
    ids = request.POST.getlist("pick") or request.GET.getlist("pick")
    curated = Agent.objects.visible_to(request.actor, Permission.AGENTS_CURATE).on_record().with_people()
    pair = list(curated.filter(pk__in=uuids_in(ids)).order_by("created_at", "pk")[:2])
    if len(pair) < 2:
        messages.error(request, "Choose two agents that you may edit.")
        return redirect("agents:list")
    problem = None
    if "kept" in request.POST:
        kept = next((agent for agent in pair if str(agent.pk) == request.POST["kept"]), pair[0])
        merged = next(agent for agent in pair if agent != kept)
        try:
            merge_agents(kept, merged, actor=request.actor, reason=request.POST.get("reason", ""))
        except DomainError as error:
            problem = error
        else:
            messages.success(
                request, f"{merged.name} is part of {kept.name} now. It can be undone for a day."
            )
            return redirect("agents:detail", kept.pk)
    context = {"pair": pair, "rows": compared(pair), "problem": problem}
    return render(request, "agents/merge.html", context, status=422 if problem else 200)


@require_POST
@page(Permission.AGENTS_CURATE)
def merge_undo(request: PageRequest, agent_id: UUID, merge_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    found = get_object_or_404(AgentMerge, pk=merge_id, kept=agent)
    if not may_undo_merge(found):
        messages.error(request, "A merge can be undone for a day.")
        return redirect("agents:detail", agent.pk)
    undo_merge(found, actor=request.actor)
    messages.success(request, f"{found.merged.name} stands by itself again.")
    return redirect("agents:detail", found.merged_id)


@require_POST
@page(Permission.AGENTS_CURATE)
def settle_claim(request: PageRequest, agent_id: UUID, claim_id: int) -> HttpResponse:
    """End a contradiction: `take` what the source says, or keep what is shown."""
    agent = visible_agent(request, agent_id)
    claim = get_object_or_404(Claim.objects.visible_to(request.actor), pk=claim_id, agent=agent)
    settle(claim, take=bool(request.POST.get("take")), actor=request.actor)
    messages.success(request, f"{spec_of(claim.field).label} is settled.")
    return redirect("agents:detail", agent.pk)


@require_POST
@page(Permission.AGENTS_VIEW)
def view_save(request: PageRequest) -> HttpResponse:
    """Keep the list as it is filtered under a name."""
    query = request.POST.get("query", "")
    try:
        view = save_view(
            request.POST.get("name", ""), query, is_shared="shared" in request.POST, actor=request.actor
        )
    except DomainError as error:
        messages.error(request, " ".join(error.fields.values()))
    else:
        messages.success(request, f"The view {view.name} is saved.")
    return _to_list(query)


@require_POST
@page(Permission.AGENTS_VIEW)
def view_remove(request: PageRequest, view_id: UUID) -> HttpResponse:
    remove_view(view_id, actor=request.actor)
    messages.success(request, "The view is removed.")
    return redirect("agents:list")


@require_POST
@page(Permission.AGENTS_VIEW)
def bookmark(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Keep the agent at hand, or not any longer (`kept` empty)."""
    agent = visible_agent(request, agent_id)
    kept = set_bookmark(agent, kept=bool(request.POST.get("kept")), actor=request.actor)
    if request.headers.get("HX-Request"):
        return render(request, "agents/_bookmark.html", {"agent": agent, "is_bookmarked": kept})
    return redirect("agents:detail", agent.pk)


def chosen_agents(request: PageRequest) -> QuerySet[Agent]:
    """What a posted selection means: the ticked agents, or with `all` every one that the list's `query` leaves."""
    visible = Agent.objects.visible_to(request.actor).on_record()
    if request.POST.get("all"):
        return AgentFilter(QueryDict(request.POST.get("query", "")), visible, actor=request.actor).qs
    return visible.filter(pk__in=uuids_in(request.POST.getlist("pick")))


def _own_job(request: PageRequest, job_id: UUID) -> CurationJob:
    return get_object_or_404(
        CurationJob.objects.visible_to(request.actor).select_related("undone_by", "undoes"), pk=job_id
    )


def _counts(found: CurationJob) -> list[tuple[str, str, int]]:
    counts = [(state, found.items.filter(state=state).count()) for state in CurationItem.State]
    return [(state.value, str(state.label), count) for state, count in counts if count]


def _to_list(query: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('agents:list')}?{QueryDict(query).urlencode()}")

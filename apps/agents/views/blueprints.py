"""Blueprints: the list, one with its instances and where they differ, defining, making instances."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.blueprint_forms import AttachForm, BlueprintForm, InstancesForm, initial_of
from apps.agents.definitions import InstanceResult
from apps.agents.models import Agent, Blueprint, BlueprintGrant
from apps.agents.pasting import agents_in, instances_in
from apps.agents.queries.blueprints import (
    counted_blueprints,
    definition_words,
    differing_instances,
    instance_lines,
    instances_of,
)
from apps.agents.queries.risk import tier_preview
from apps.agents.services.blueprints import create_blueprint, edit_blueprint, remove_blueprint
from apps.agents.services.instances import (
    NewInstance,
    attach_agents,
    detach_agents,
    make_instances,
    take_definition,
)
from apps.agents.services.risk import standing_policy
from apps.agents.views.doors import uuids_in, visible_blueprint
from apps.identity.access import access_of, require
from apps.identity.pages import PageRequest, page
from apps.identity.queries import timeline_of
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem

PAGE = 50


@require_safe
@page(Permission.AGENTS_VIEW)
def blueprints(request: PageRequest) -> HttpResponse:
    """Blueprints by name with how many instances each has."""
    rows = counted_blueprints(request.actor)
    shown = page_of(request, rows, ("name", "id"), size=PAGE)
    context = {
        "page": shown,
        "blueprints": shown.rows,
        "total": Blueprint.objects.visible_to(request.actor).count(),
        "may_curate": access_of(request.actor).allows_somewhere(Permission.AGENTS_CURATE),
    }
    return render(request, "agents/blueprint_list.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def blueprint(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """One definition, its instances, and exactly where each differs."""
    found = visible_blueprint(request, blueprint_id)
    instances, differ = (
        instances_of(found, actor=request.actor),
        differing_instances(found, actor=request.actor),
    )
    only = "differing" if request.GET.get("show") == "differing" else "all"
    shown = page_of(request, differ if only == "differing" else instances, ("name", "id"), size=PAGE)
    context = {
        "blueprint": found,
        "page": shown,
        "lines": instance_lines(found, shown.rows),
        "shown": only,
        "total": instances.order_by().count(),
        "differ": differ.order_by().count(),
        "definition": definition_words(found),
        "assessment": found.assessed_by(standing_policy().parsed),
        "grants": _standing(found),
        "entries": timeline_of("blueprint", found.pk)[:6],
        "may_edit": access_of(request.actor).allows(Permission.AGENTS_CURATE, found.team_id),
        "may_curate": access_of(request.actor).allows_somewhere(Permission.AGENTS_CURATE),
    }
    return render(request, "agents/blueprint_detail.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def blueprint_edit(request: PageRequest, blueprint_id: UUID | None = None) -> HttpResponse:
    """Define an agent once, or change the definition for every instance."""
    found = visible_blueprint(request, blueprint_id) if blueprint_id else None
    initial = initial_of(found) if found else None
    form = BlueprintForm(request.POST or None, initial=initial, actor=request.actor)
    if request.method == "POST" and form.is_valid():
        try:
            return _saved(request, found, form)
        except DomainError as error:
            show_problem(form, error)
    context = {"blueprint": found, "form": form, "assessment": tier_preview(form.data or form.initial)}
    return render(request, "agents/blueprint_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def blueprint_instances(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """Make instances from a pasted list or table; the same list again makes none twice."""
    found = visible_blueprint(request, blueprint_id)
    require(request.actor, Permission.AGENTS_CURATE, found.team_id)
    form = InstancesForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            results = _made(request, found, form)
        except DomainError as error:
            show_problem(form, error)
        else:
            refused = any(one.is_refused for one in results)
            again = InstancesForm(initial=form.cleaned_data) if refused else None
            return act_result(request, found, "Instances made", results, again=again)
    context = {"blueprint": found, "form": form, "attach": AttachForm()}
    return render(request, "agents/blueprint_instances.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.AGENTS_CURATE)
def blueprint_attach(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """Make agents on record instances."""
    found = visible_blueprint(request, blueprint_id)
    require(request.actor, Permission.AGENTS_CURATE, found.team_id)
    form = AttachForm(request.POST)
    if form.is_valid():
        visible = Agent.objects.visible_to(request.actor).on_record()
        agents, missed = agents_in(form.cleaned_data["agents"], visible)
        try:
            ids = [agent.pk for agent in agents]
            reason = form.cleaned_data["reason"]
            done = attach_agents(found, ids, actor=request.actor, reason=reason).results if ids else []
        except DomainError as error:
            show_problem(form, error)
        else:
            return act_result(request, found, "Agents attached", [*missed, *done])
    context = {"blueprint": found, "form": InstancesForm(), "attach": form}
    return render(request, "agents/blueprint_instances.html", context, status=422)


@require_POST
@page(Permission.AGENTS_CURATE)
def blueprint_detach(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """Let the chosen instances go their own way; asks for the reason first."""
    found = visible_blueprint(request, blueprint_id)
    chosen = _chosen(request, found)
    reason = request.POST.get("reason", "").strip()
    if not reason or not chosen:
        names = instances_of(found, actor=request.actor).filter(pk__in=chosen).order_by("name")
        context = {"blueprint": found, "agents": names, "asked": "reason" in request.POST}
        return render(
            request, "agents/blueprint_detach.html", context, status=422 if context["asked"] else 200
        )
    results = detach_agents(found, chosen, actor=request.actor, reason=reason).results
    return act_result(request, found, "Instances detached", results)


@require_POST
@page(Permission.AGENTS_CURATE)
def blueprint_take(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """Take the blueprint's value: on one field of one instance, or on every field the chosen ones differ in."""
    found = visible_blueprint(request, blueprint_id)
    chosen, fields = _chosen(request, found), request.POST.getlist("field") or list(found.defaults)
    try:
        results = take_definition(found, chosen, fields, actor=request.actor).results if chosen else []
    except DomainError as error:
        messages.error(request, " ".join([error.message, *error.fields.values()]))
        return redirect("agents:blueprint", found.pk)
    if len(results) == 1 and not results[0].is_refused:
        messages.success(request, f"{results[0].name} follows the definition again.")
        return redirect("agents:blueprint", found.pk)
    return act_result(request, found, "The blueprint's values", results)


@require_POST
@page(Permission.AGENTS_CURATE)
def blueprint_remove(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    found = visible_blueprint(request, blueprint_id)
    try:
        remove_blueprint(found, actor=request.actor, reason=request.POST.get("reason", ""))
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("agents:blueprint", found.pk)
    messages.success(request, f"{found.name} is removed.")
    return redirect("agents:blueprints")


def act_result(
    request: PageRequest,
    blueprint: Blueprint,
    title: str,
    results: list[InstanceResult],
    again: InstancesForm | None = None,
) -> HttpResponse:
    """What an act on a blueprint came to, instance by instance, what was refused or came short first."""
    order = {"refused": 0, "kept": 1, "made": 2, "done": 3, "unchanged": 4}
    short = sum(one.status in ("made", "done") and bool(one.message) for one in results)
    context = {
        "blueprint": blueprint,
        "title": title,
        "results": sorted(results, key=lambda one: (order[one.status], not one.message, one.name)),
        "short": short,
        "done": sum(one.status in ("made", "done") for one in results),
        "kept": sum(one.status in ("kept", "unchanged") for one in results),
        "refused": sum(one.is_refused for one in results),
        "again": again,
    }
    return render(request, "agents/blueprint_results.html", context)


def _saved(request: PageRequest, found: Blueprint | None, form: BlueprintForm) -> HttpResponse:
    if found is None:
        made = create_blueprint(form.definition(), actor=request.actor)
        messages.success(request, f"{made.name} is defined. Now make its instances.")
        return redirect("agents:blueprint", made.pk)
    act = edit_blueprint(found, form.definition(), version=form.cleaned_data["version"], actor=request.actor)
    if any(one.is_refused for one in act.results):
        return act_result(request, act.blueprint, "The definition is changed", act.results)
    messages.success(request, f"The definition of {act.blueprint.name} is saved.")
    return redirect("agents:blueprint", found.pk)


def _made(request: PageRequest, found: Blueprint, form: InstancesForm) -> list[InstanceResult]:
    """In the order of the lines."""
    read = instances_in(form.cleaned_data["instances"])
    wanted = [one for one in read if isinstance(one, NewInstance)]
    reason = form.cleaned_data["reason"]
    made = make_instances(found, wanted, actor=request.actor, reason=reason).results if wanted else []
    return [*made, *(one for one in read if isinstance(one, InstanceResult))]


def _chosen(request: PageRequest, found: Blueprint) -> list[UUID]:
    """The ticked instances, or with `all` every one that the page lists."""
    if not request.POST.get("all"):
        return uuids_in(request.POST.getlist("pick"))
    rows = instances_of(found, actor=request.actor)
    if "show=differing" in request.POST.get("query", ""):
        rows = differing_instances(found, actor=request.actor)
    return list(rows.values_list("pk", flat=True))


def _standing(found: Blueprint) -> list[BlueprintGrant]:
    grants = found.grants.filter(revoked_at=None).select_related("tool", "granted_by")
    return [grant for grant in grants if grant.is_active]

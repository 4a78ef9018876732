"""Pages of oversight for a blueprint: the tools its instances may call, stopping them, letting them act again."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from apps.agents.models import Blueprint
from apps.agents.views.blueprints import act_result
from apps.agents.views.doors import visible_blueprint
from apps.identity.access import access_of, require
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.forms import BlueprintPolicyForm
from apps.oversight.models import BlueprintPolicy
from apps.oversight.queries import blueprint_figures, tools_seen_by_instances
from apps.oversight.services.blueprints import reset_blueprint, set_blueprint_policy, stop_blueprint


@require_safe
@page(Permission.AGENTS_VIEW)
def blueprint_tools(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """The policy of every instance, who has one of its own, how many are stopped."""
    found = visible_blueprint(request, blueprint_id)
    return render(request, "oversight/blueprint_tools.html", _context(request, found))


@require_safe
@page(Permission.AGENTS_VIEW)
def blueprint_panel(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """The same in a few lines, for the blueprint's page."""
    found = visible_blueprint(request, blueprint_id)
    context = {
        "blueprint": found,
        "policy": _policy(found),
        "figures": blueprint_figures(found, actor=request.actor),
    }
    return render(request, "oversight/_blueprint_panel.html", context)


@require_POST
@page(Permission.POLICY_EDIT)
def blueprint_policy(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    """Allow every instance exactly the tools chosen, or with `drop` limit them no longer."""
    found = visible_blueprint(request, blueprint_id)
    require(request.actor, Permission.POLICY_EDIT, found.team_id)
    form = _form(request, found)
    if form.is_valid():
        chosen = form.cleaned_data
        tools = None if "drop" in request.POST else form.allowed_tools()
        try:
            act = set_blueprint_policy(
                found, tools, reason=chosen["reason"], version=chosen["version"], over_own=chosen["over_own"], actor=request.actor
            )  # fmt: skip
        except DomainError as error:
            show_problem(form, error)
        else:
            title = "The policy is dropped" if tools is None else "The policy is set"
            return act_result(request, found, title, act.results)
    return render(
        request, "oversight/blueprint_tools.html", _context(request, found) | {"form": form}, status=422
    )


@require_POST
@page(Permission.BREAKER_TRIP)
def blueprint_stop(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    found = visible_blueprint(request, blueprint_id)
    return _after(request, found, stop_blueprint, "Stopped", ("reason",))


@require_POST
@page(Permission.BREAKER_RESET)
def blueprint_reset(request: PageRequest, blueprint_id: UUID) -> HttpResponse:
    found = visible_blueprint(request, blueprint_id)
    return _after(request, found, reset_blueprint, "Let act again", ("reason", "corrective_action"))


def _after(
    request: PageRequest, found: Blueprint, act: object, title: str, said: tuple[str, ...]
) -> HttpResponse:
    words = {name: request.POST.get(name, "") for name in said}
    try:
        done = act(found, **words, actor=request.actor)  # type: ignore[operator]
    except DomainError as error:
        context = _context(request, found) | {"refusal": error}
        return render(request, "oversight/blueprint_tools.html", context, status=error.status)
    return act_result(request, found, title, done.results)


def _context(request: PageRequest, found: Blueprint) -> dict[str, object]:
    access = access_of(request.actor)
    return {
        "blueprint": found,
        "policy": _policy(found),
        "figures": blueprint_figures(found, actor=request.actor),
        "form": _form(request, found, bound=False),
        "may_edit": access.allows(Permission.POLICY_EDIT, found.team_id),
        "may_trip": access.allows_somewhere(Permission.BREAKER_TRIP),
        "may_reset": access.allows_somewhere(Permission.BREAKER_RESET),
    }


def _policy(found: Blueprint) -> BlueprintPolicy | None:
    rows = BlueprintPolicy.objects.filter(blueprint=found).exclude(allowed_tools=None)
    return rows.select_related("updated_by").first()


def _form(request: PageRequest, found: Blueprint, *, bound: bool = True) -> BlueprintPolicyForm:
    policy = BlueprintPolicy.objects.filter(blueprint=found).first()
    seen = tools_seen_by_instances(found, actor=request.actor)
    allowed = seen if policy is None or policy.allowed_tools is None else policy.allowed_tools
    initial = {
        "seen": [name for name in allowed if name in seen],
        "others": "\n".join(name for name in allowed if name not in seen),
        "version": policy.version if policy else 0,
    }
    return BlueprintPolicyForm(request.POST if bound else None, seen=seen, initial=initial)

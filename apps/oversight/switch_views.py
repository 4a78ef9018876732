"""Pages of kill switches."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.identity.access import access_of, require_somewhere
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.containment import containment_of
from apps.oversight.forms import SwitchForm
from apps.oversight.models import EnforcementPoint, KillSwitch
from apps.oversight.services.kill_switches import SwitchRequest, pull_kill_switch, release_kill_switch


@require_http_methods(["GET", "POST"])
@page(Permission.DECISIONS_VIEW)
def kill_switches(request: PageRequest) -> HttpResponse:
    """What is stopped beyond one agent, and the form that stops more."""
    if request.method == "POST":
        require_somewhere(request.actor, Permission.SWITCHES_PULL)
    form = SwitchForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        said = form.cleaned_data
        try:
            switch = pull_kill_switch(
                SwitchRequest(said["scope"], said["target"], said["team"]), reason=said["reason"], actor=request.actor
            )  # fmt: skip
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"Stopped: {switch.words}.")
            return redirect("oversight:kill-switch", switch.pk)
    rows = KillSwitch.objects.visible_to(request.actor).select_related("team", "pulled_by", "released_by")
    access = access_of(request.actor)
    context = {
        "form": form,
        "standing": rows.standing(),
        "released": rows.exclude(released_at=None)[:50],
        "may_pull": access.allows_somewhere(Permission.SWITCHES_PULL),
    }
    return render(request, "oversight/kill_switches.html", context, status=422 if form.errors else 200)


@require_safe
@page(Permission.DECISIONS_VIEW)
def kill_switch(request: PageRequest, switch_id: UUID) -> HttpResponse:
    """One kill switch: why, and who has answered."""
    switch = _switch(request, switch_id)
    order = switch.orders.filter(kind="stop").first()
    context = {
        "switch": switch,
        "containment": containment_of(order) if order is not None else None,
        "may_release": access_of(request.actor).allows(Permission.BREAKER_RESET, switch.team_id),
    }
    return render(request, "oversight/kill_switch.html", context)


@require_POST
@page(Permission.BREAKER_RESET)
def kill_switch_release(request: PageRequest, switch_id: UUID) -> HttpResponse:
    switch = _switch(request, switch_id)
    words = {name: request.POST.get(name, "") for name in ("reason", "corrective_action")}
    release_kill_switch(switch, **words, actor=request.actor)
    messages.success(request, f"Released: {switch.words}.")
    return redirect("oversight:kill-switches")


@require_safe
@page(Permission.DECISIONS_VIEW)
def points(request: PageRequest) -> HttpResponse:
    """Who enforces: every point, and whether it is heard of."""
    rows = EnforcementPoint.objects.select_related("principal__team").order_by("-last_seen_at")
    access = access_of(request.actor)
    if not access.allows(Permission.DECISIONS_VIEW):
        rows = rows.filter(principal__team__in=access.teams_with(Permission.DECISIONS_VIEW))
    return render(request, "oversight/points.html", {"points": rows[:300]})


def _switch(request: PageRequest, switch_id: UUID) -> KillSwitch:
    rows = KillSwitch.objects.visible_to(request.actor).select_related("team", "pulled_by", "released_by")
    return get_object_or_404(rows, pk=switch_id)

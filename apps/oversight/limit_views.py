"""Pages of when breakers trip by themselves, and of drills."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.models import Agent
from apps.agents.views.doors import visible_agent
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.drilling import dues_of
from apps.oversight.excesses import limits_for
from apps.oversight.forms import LimitForm
from apps.oversight.limits import CAUSES, Limit, limits_of
from apps.oversight.models import BreakerRule, BreakerTrip, Drill
from apps.oversight.services.drills import start_drill
from apps.oversight.services.limits import TIERS, LimitRequest, Whose, drop_limit, set_limit

MOST = 200


@require_safe
@page(Permission.AGENTS_VIEW)
def limits(request: PageRequest) -> HttpResponse:
    """What trips a breaker, cause by cause and tier by tier; agents with limits of their own."""
    rules = list(BreakerRule.objects.filter(agent=None).select_related("updated_by"))
    by_tier = {tier: limits_of(tier, rules) for tier in TIERS}
    rows = [
        (BreakerTrip.Cause(cause).label, cause, [(tier, by_tier[tier][cause]) for tier in TIERS])
        for cause in CAUSES
    ]
    own = BreakerRule.objects.filter(agent__in=Agent.objects.visible_to(request.actor))
    context = {
        "rows": rows,
        "rules": rules,
        "own": own.select_related("agent", "updated_by")[:MOST],
        "may_edit": access_of(request.actor).allows(Permission.POLICY_EDIT),
    }
    return render(request, "oversight/limits.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def limit_of_fleet(request: PageRequest, cause: str) -> HttpResponse:
    return _edit(request, Whose(), cause)


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def limit_of_tier(request: PageRequest, tier: int, cause: str) -> HttpResponse:
    return _edit(request, Whose(tier=tier), cause)


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def limit_of_agent(request: PageRequest, agent_id: UUID, cause: str) -> HttpResponse:
    return _edit(request, Whose(agent=visible_agent(request, agent_id)), cause)


@require_safe
@page(Permission.AGENTS_VIEW)
def drills(request: PageRequest) -> HttpResponse:
    """Whose stop was tried when, whose is overdue, and what came of the last drills."""
    agents = Agent.objects.visible_to(request.actor).on_record()
    rows = Drill.objects.visible_to(request.actor).select_related("agent", "started_by")
    dues = dues_of(list(agents.filter(state__in=["production", "deprecated"], tier__isnull=False)[:2000]))
    context = {
        "overdue": [one for one in dues if one.is_overdue][:MOST],
        "next": [one for one in dues if not one.is_overdue][:20],
        "drills": rows[:50],
        "agents": len(dues),
    }
    return render(request, "oversight/drills.html", context)


@require_POST
@page(Permission.DRILLS_START)
def drill_start(request: PageRequest, agent_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    start_drill(agent, reason=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, f"A drill of {agent.name} goes on. Nothing is stopped.")
    return redirect("oversight:agent-tools", agent.pk)


def _edit(request: PageRequest, whose: Whose, cause: str) -> HttpResponse:
    _require_known(whose, cause)
    held = BreakerRule.objects.filter(agent=whose.agent, tier=whose.tier, cause=cause).first()
    sent = request.POST if request.method == "POST" else None
    form = LimitForm(sent, initial=_initial(_standing(whose, cause), held))
    form.fields["threshold"].help_text = "US dollars." if cause == "spend" else ""
    if request.method == "POST" and form.is_valid():
        try:
            _keep(request, whose, cause, form)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"The limit of {whose.words} is set.")
            return (
                redirect("oversight:agent-tools", whose.agent.pk)
                if whose.agent
                else redirect("oversight:limits")
            )
    label = BreakerTrip.Cause(cause).label
    context = {
        "form": form,
        "whose": whose,
        "agent": whose.agent,
        "cause": cause,
        "label": label,
        "held": held,
    }
    template = "oversight/limit_form_agent.html" if whose.agent else "oversight/limit_form.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _keep(request: PageRequest, whose: Whose, cause: str, form: LimitForm) -> None:
    said = form.cleaned_data
    if "drop" in request.POST:
        drop_limit(whose, cause, reason=said["reason"], actor=request.actor)
        return
    window_s = round(said["window_minutes"] * 60)
    asked = LimitRequest(cause, said["is_on"], said["threshold"], window_s, said["share_percent"])
    set_limit(whose, asked, reason=said["reason"], version=said["version"], actor=request.actor)


def _require_known(whose: Whose, cause: str) -> None:
    if cause not in CAUSES or (whose.tier is not None and whose.tier not in TIERS):
        raise Http404


def _standing(whose: Whose, cause: str) -> Limit:
    if whose.agent is not None:
        return limits_for(whose.agent)[cause]
    return limits_of(whose.tier, list(BreakerRule.objects.filter(agent=None)))[cause]


def _initial(limit: Limit, held: BreakerRule | None) -> dict[str, object]:
    return {
        "is_on": limit.is_on,
        "threshold": limit.threshold,
        "window_minutes": limit.window.total_seconds() / 60,
        "share_percent": limit.share_percent,
        "version": held.version if held else 0,
    }

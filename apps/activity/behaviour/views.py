"""Pages of behaviour: what is usual for an agent, its alerts, its detectors; the fleet's alerts and detectors."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.activity.behaviour import pictures, queries
from apps.activity.behaviour.detectors import BY_NAME
from apps.activity.behaviour.filters import AlertFilter
from apps.activity.behaviour.forms import RateForm, SnoozeForm, SwitchForm
from apps.activity.behaviour.profile import Profile
from apps.activity.behaviour.services import Choice, call_fine, confirm_alert, set_detector, snooze_alert
from apps.activity.behaviour.wording import usual_in_words
from apps.activity.effects.queries import calls_of_alert
from apps.activity.models import Alert, Baseline
from apps.agents.access import may
from apps.agents.models import Agent
from apps.agents.views.doors import visible_agent
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput
from apps.kit.ui.paging import page_of


@require_safe
@page(Permission.ACTIVITY_VIEW)
def agent_behaviour(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """What is usual for one agent in words and pictures, what was not, and which detectors look."""
    agent = visible_agent(request, agent_id)
    rolling = queries.newest_baseline(agent, Baseline.Kind.ROLLING)
    certified = queries.newest_baseline(agent, Baseline.Kind.CERTIFIED)
    rules, _ = queries.settings_of(agent)
    context = {
        "agent": agent,
        "rolling": rolling,
        "certified": certified,
        "rules": rules,
        "missing": max(0, rules.least_calls - (rolling.calls if rolling else 0)),
        "alerts": _titled(queries.alerts_of(agent, actor=request.actor)),
        "may_answer": may(request.actor, Permission.ALERTS_ANSWER, agent),
        **_pictures(rolling, certified),
        **_detectors(request, agent),
    }
    return render(request, "activity/behaviour.html", context)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def alerts(request: PageRequest) -> HttpResponse:
    """The fleet's alerts; those that wait for an answer unless the address says otherwise."""
    rows = Alert.objects.visible_to(request.actor).select_related("agent", "answered_by")
    rows = rows if request.GET else rows.waiting()
    narrowed = AlertFilter(request.GET, rows).qs
    shown = page_of(request, narrowed, ("-last_at", "-id"))
    context = {
        "page": shown,
        "alerts": _titled(shown.rows),
        "facets": queries.alert_facets(request.actor),
        "total": narrowed.count(),
        "filtered": bool(request.GET),
    }
    return render(request, "activity/alerts.html", context)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def alert_detail(request: PageRequest, alert_id: UUID) -> HttpResponse:
    """One alert: its cause, its calls, what was answered."""
    alert = _visible_alert(request, alert_id)
    context = {
        "alert": _titled([alert])[0],
        "agent": alert.agent,
        "scores": queries.scored_calls(alert, actor=request.actor),
        "read_back": calls_of_alert(alert, actor=request.actor),
        "words": BY_NAME[alert.detector].words,
        "still_told": BY_NAME[alert.detector].still_told,
        "may_answer": may(request.actor, Permission.ALERTS_ANSWER, alert.agent),
    }
    return render(request, "activity/alert_detail.html", context)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def detectors(request: PageRequest) -> HttpResponse:
    """The detectors for the whole fleet."""
    rules, _ = queries.settings_of(None)
    return render(request, "activity/detectors.html", {"rules": rules, **_detectors(request, None)})


@require_POST
@page(Permission.ALERTS_ANSWER)
def alert_fine(request: PageRequest, alert_id: UUID) -> HttpResponse:
    alert = call_fine(
        _visible_alert(request, alert_id), reason=request.POST.get("reason", ""), actor=request.actor
    )
    messages.success(
        request, "The baseline has learnt it." if alert.baseline_id else "The alert is answered."
    )
    return redirect("activity:alert", alert.pk)


@require_POST
@page(Permission.ALERTS_ANSWER)
def alert_confirm(request: PageRequest, alert_id: UUID) -> HttpResponse:
    alert = confirm_alert(
        _visible_alert(request, alert_id), reason=request.POST.get("reason", ""), actor=request.actor
    )
    messages.success(request, "The alert is confirmed.")
    return redirect("activity:alert", alert.pk)


@require_POST
@page(Permission.ALERTS_ANSWER)
def alert_snooze(request: PageRequest, alert_id: UUID) -> HttpResponse:
    alert, form = _visible_alert(request, alert_id), SnoozeForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("The alert was not put off.", fields={"days": "Choose for how long"})
    until = timezone.now() + form.length()
    snooze_alert(alert, until, reason=form.cleaned_data["reason"], actor=request.actor)
    messages.success(request, f"The alert is put off until {until:%-d %B}.")
    return redirect("activity:alert", alert.pk)


@require_POST
@page(Permission.POLICY_EDIT)
def detector_set(request: PageRequest) -> HttpResponse:
    """Switch a detector, or set the alarm rate, for the fleet."""
    return _set(request, None, redirect("activity:detectors"))


@require_POST
@page(Permission.POLICY_EDIT)
def agent_detector_set(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """The same for one agent."""
    agent = visible_agent(request, agent_id)
    return _set(request, agent, redirect("activity:behaviour", agent.pk))


def _set(request: PageRequest, agent: Agent | None, after: HttpResponseRedirect) -> HttpResponse:
    set_detector(agent, _choice(request), actor=request.actor)
    messages.success(request, "The choice is kept. It holds from the next call.")
    return after


def _choice(request: PageRequest) -> Choice:
    if "detector" in request.POST:
        switch = SwitchForm(request.POST)
        if not switch.is_valid():
            raise InvalidInput("The detector was not set.", fields={"state": "Choose on or off"})
        return Choice(switch.cleaned_data["detector"], is_on=switch.chosen())
    rate = RateForm(request.POST)
    if not rate.is_valid():
        raise InvalidInput("The rate was not set.", fields={"per_thousand": "Enter a number from 0 to 100"})
    return Choice(rate=rate.rate())


def _visible_alert(request: PageRequest, alert_id: UUID) -> Alert:
    visible = Alert.objects.visible_to(request.actor).select_related("agent", "answered_by")
    return get_object_or_404(visible, pk=alert_id)


def _titled(rows: Iterable[Alert]) -> list[Alert]:
    """The alerts with their detector's title, for templates."""
    told = list(rows)
    for alert in told:
        alert.title = BY_NAME[alert.detector].title  # type: ignore[attr-defined]
    return told


def _pictures(rolling: Baseline | None, certified: Baseline | None) -> dict[str, object]:
    if rolling is None:
        return {"usual": []}
    profile = Profile.from_json(rolling.profile)
    frozen = Profile.from_json(certified.profile) if certified else None
    return {
        "usual": usual_in_words(profile),
        "tools": pictures.tools_picture(profile, frozen),
        "hours": pictures.hours_picture(profile),
        "sequences": pictures.sequences_picture(profile),
        "latency": pictures.latency_picture(profile),
        "arguments": pictures.arguments_picture(profile),
    }


def _detectors(request: PageRequest, agent: Agent | None) -> dict[str, object]:
    own = queries.chosen_rate(agent)
    access = access_of(request.actor)
    return {
        "rows": queries.detector_rows(agent, actor=request.actor),
        "rate_form": RateForm(
            initial={"per_thousand": None if own is None else f"{own * 1000:g}"},
            otherwise="as the fleet has it" if agent else "one",
        ),
        "may_set": may(request.actor, Permission.POLICY_EDIT, agent)
        if agent
        else access.allows(Permission.POLICY_EDIT),
    }

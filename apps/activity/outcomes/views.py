"""Pages of outcomes: is this agent doing its job, and which agents do it worse than they did."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.activity.models import ExternalEvent, OutcomeRules
from apps.activity.outcomes import queries
from apps.activity.outcomes.forms import EventForm, RulesForm
from apps.activity.outcomes.measures import measure_named
from apps.activity.outcomes.picture import happenings, labels_of, marks_of, panels_of
from apps.activity.outcomes.sequential import LEAST_BEFORE, MEAN_RUNS
from apps.activity.outcomes.services import note_external_event, set_outcome_rules
from apps.agents.access import may, require_for
from apps.agents.models import Agent
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.multiples import small_multiples
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem


@require_safe
@page(Permission.ACTIVITY_VIEW)
def agent_outcomes(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Is it doing its job? The test's word, the picture, versions and segments."""
    return _shown(request, visible_agent(request, agent_id))


@require_POST
@page(Permission.AGENTS_CURATE)
def note_event(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Mark something that happened outside."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.AGENTS_CURATE, agent)
    form = EventForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            note_external_event(
                agent, given["label"], given["on"], actor=request.actor, reason=given["reason"]
            )
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{given['label']} is marked.")
            return redirect("activity:agent-outcomes", agent.pk)
    return _shown(request, agent, event_form=form, status=422)


@require_POST
@page(Permission.AGENTS_CURATE)
def set_rules(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Say what may be derived."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.AGENTS_CURATE, agent)
    form = RulesForm(request.POST, agent=agent, rules=_rules(agent))
    if form.is_valid():
        try:
            set_outcome_rules(agent, **form.cleaned_data, actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, "Its runs are read this way from now on.")
            return redirect("activity:agent-outcomes", agent.pk)
    return _shown(request, agent, rules_form=form, status=422)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def outcomes(request: PageRequest) -> HttpResponse:
    """The fleet: agents by what fell."""
    narrowed = queries.narrowed_watches(request.GET, actor=request.actor)
    only_fallen = request.GET.getlist("status") in ([], [queries.FALLEN])
    shown = page_of(request, narrowed, ("-fell_at", "-id") if only_fallen else ("-id",))
    context = {
        "page": shown,
        "rows": [queries.line_of(watch) for watch in shown.rows],
        "facets": queries.watch_facets(request.actor),
        "total": narrowed.count(),
        "filtered": bool(request.GET),
        "reported": 0 if shown.rows else queries.reported_runs(request.actor),
        "most_reported": queries.MOST_COUNTED,
        "mean_runs": MEAN_RUNS,
    }
    return render(request, "activity/outcomes.html", context)


def _shown(
    request: PageRequest,
    agent: Agent,
    *,
    event_form: EventForm | None = None,
    rules_form: RulesForm | None = None,
    status: int = 200,
) -> HttpResponse:
    rules = _rules(agent)
    context = _picture(agent) | {
        "agent": agent,
        "rules": rules,
        "mean_runs": MEAN_RUNS,
        "may_curate": may(request.actor, Permission.AGENTS_CURATE, agent),
        "event_form": event_form or EventForm(),
        "rules_form": rules_form or RulesForm(agent=agent, rules=rules),
    }
    return render(request, "activity/agent_outcomes.html", context, status=status)


def _picture(agent: Agent) -> dict[str, Any]:
    summary, days = queries.summary_of(agent), queries.days_of(agent)
    events = list(
        ExternalEvent.objects.filter(agent=agent, on__gte=days.starts[0]).select_related("noted_by")
    )
    versions = list(agent.versions.order_by("first_seen")[:200])
    found = happenings(days, versions, events, summary.watches)
    panels = panels_of(days, summary.watches)
    fallen = [(watch, measure_named(watch.measure)) for watch in summary.watches if watch.is_fallen]
    return {
        "summary": summary,
        "read_until": queries.read_until(),
        "is_weighed": any(watch.runs for watch in summary.watches) or summary.total.runs < LEAST_BEFORE,
        "picture": small_multiples("Outcomes over time", labels_of(days), panels, marks_of(days, found)),
        "happenings": found,
        "fallen": [
            (watch, measure, measure.words(watch.usual), measure.words(watch.level))
            for watch, measure in fallen
        ],
        "steady": [
            (watch, measure_named(watch.measure), measure_named(watch.measure).words(watch.level))
            for watch in summary.watches
            if not watch.is_fallen
        ],
    }


def _rules(agent: Agent) -> OutcomeRules | None:
    return OutcomeRules.objects.filter(agent=agent).first()

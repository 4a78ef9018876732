"""Pages about stops: which stand, one of them with its evidence and its containment, and what is done about it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.activity.models import Alert, ToolCall
from apps.agents.access import may
from apps.agents.models import Agent
from apps.agents.views.doors import uuids_in, visible_agent
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.containment import containment_of, spawned_by, trips_to_review
from apps.oversight.forms import StopForm
from apps.oversight.models import BreakerTrip, KillSwitch
from apps.oversight.services.breaker import may_review, review_trip, take_along, trip_breaker
from apps.oversight.services.resets import calls_on_trial, confirm_reset, decline_reset, reset_breaker

MOST = 100
PEOPLE = ("agent", "tripped_by", "reset_by", "reset_requested_by", "reviewed_by", "taken_along_by__agent")


@require_safe
@page(Permission.AGENTS_VIEW)
def stops(request: PageRequest) -> HttpResponse:
    """What is stopped now, what is on trial, what waits for somebody."""
    rows = BreakerTrip.objects.visible_to(request.actor).select_related(*PEOPLE)
    switches = KillSwitch.objects.visible_to(request.actor).standing().select_related("team", "pulled_by")
    context = {
        "stopped": rows.filter(reset_at=None)[:MOST],
        "on_trial": rows.filter(trial_until__isnull=False, trial_ended_at=None).exclude(reset_at=None)[:MOST],
        "to_review": trips_to_review(request.actor)[:MOST],
        "ended": rows.exclude(reset_at=None).filter(Q(trial_until=None) | Q(trial_ended_at__isnull=False))[
            :20
        ],
        "switches": switches if _sees_switches(request) else (),
        "may_pull": access_of(request.actor).allows_somewhere(Permission.SWITCHES_PULL),
    }
    return render(request, "oversight/stops.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_stop(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """The stop that stands, or the last one; where there never was one, the breaker itself."""
    agent = visible_agent(request, agent_id)
    trip = agent.breaker_trips.order_by("-tripped_at").first()
    return redirect("oversight:trip", trip.pk) if trip else redirect("oversight:agent-tools", agent.pk)


@require_safe
@page(Permission.AGENTS_VIEW)
def trip_detail(request: PageRequest, trip_id: UUID) -> HttpResponse:
    """One stop: its cause with the evidence, whether it is contained, what became of it."""
    return render(request, "oversight/trip_detail.html", _detail(request, _trip(request, trip_id)))


@require_safe
@page(Permission.AGENTS_VIEW)
def trip_containment(request: PageRequest, trip_id: UUID) -> HttpResponse:
    """Who has answered so far, for the page of the stop, which asks every second until all have."""
    context = _containment(_trip(request, trip_id))
    return render(request, "oversight/_containment.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.BREAKER_TRIP)
def breaker_trip(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Stop an agent: a form of its own where there is no script, else what its dialog sends."""
    agent = visible_agent(request, agent_id)
    form = StopForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            trip = trip_breaker(agent, reason=form.cleaned_data["reason"], actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{agent.name} is stopped.")
            return redirect("oversight:trip", trip.pk)
    context = {"agent": agent, "form": form}
    return render(request, "oversight/stop_form.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.BREAKER_RESET)
def breaker_reset(request: PageRequest, agent_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    words = {name: request.POST.get(name, "") for name in ("reason", "corrective_action")}
    trip = reset_breaker(agent, **words, actor=request.actor)
    waits = "Another administrator has to confirm the reset."
    messages.success(request, waits if trip.reset_at is None else f"{agent.name} may act again, on trial.")
    return redirect("oversight:trip", trip.pk)


@require_POST
@page(Permission.BREAKER_RESET)
def breaker_confirm(request: PageRequest, agent_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    trip = confirm_reset(agent, actor=request.actor)
    messages.success(request, f"{agent.name} may act again, on trial.")
    return redirect("oversight:trip", trip.pk)


@require_POST
@page(Permission.BREAKER_RESET)
def breaker_decline(request: PageRequest, agent_id: UUID) -> HttpResponse:
    agent = visible_agent(request, agent_id)
    trip = decline_reset(agent, reason=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, f"{agent.name} stays stopped.")
    return redirect("oversight:trip", trip.pk)


@require_POST
@page(Permission.BREAKER_REVIEW)
def trip_review(request: PageRequest, trip_id: UUID) -> HttpResponse:
    trip = _trip(request, trip_id)
    review_trip(trip, review=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, "The stop is reviewed.")
    return redirect("oversight:trip", trip.pk)


@require_POST
@page(Permission.BREAKER_TRIP)
def trip_along(request: PageRequest, trip_id: UUID) -> HttpResponse:
    trip = _trip(request, trip_id)
    chosen = Agent.objects.visible_to(request.actor).filter(pk__in=uuids_in(request.POST.getlist("agents")))
    ids = list(chosen.order_by().values_list("pk", flat=True))
    trips = take_along(trip, ids, reason=request.POST.get("reason", ""), actor=request.actor)
    messages.success(request, f"{len(trips)} agent{'' if len(trips) == 1 else 's'} stopped as well.")
    return redirect("oversight:trip", trip.pk)


def _trip(request: PageRequest, trip_id: UUID) -> BreakerTrip:
    rows = BreakerTrip.objects.visible_to(request.actor)
    return get_object_or_404(rows.select_related(*PEOPLE, "agent__team"), pk=trip_id)


def _detail(request: PageRequest, trip: BreakerTrip) -> dict[str, object]:
    agent, actor = trip.agent, request.actor
    calls = ToolCall.objects.visible_to(actor).among(trip.call_ids).order_by("-started_at")
    alerts = Alert.objects.visible_to(actor).filter(pk__in=trip.evidence.get("alerts", []))
    may_reset = may(actor, Permission.BREAKER_RESET, agent)
    asked_by_me = trip.reset_requested_by_id == actor.pk
    stands = trip.reset_at is None
    return _containment(trip) | {
        "agent": agent,
        "calls": calls[:30] if trip.call_ids else (),
        "alerts": alerts[:30] if "alerts" in trip.evidence else (),
        "spawned": spawned_by(agent, actor=actor) if stands else (),
        "taken": trip.taken_along.select_related("agent"),
        "may_review": may_review(trip, actor=actor),
        "may_reset": may_reset and stands and not trip.is_reset_requested,
        "may_confirm": may_reset and trip.is_reset_requested and not asked_by_me,
        "may_decline": may_reset and trip.is_reset_requested,
        "made_on_trial": calls_on_trial(trip) if trip.is_on_trial else 0,
    }


def _containment(trip: BreakerTrip) -> dict[str, object]:
    order = trip.orders.filter(kind="stop").first()
    found = containment_of(order) if order is not None else None
    waits = found is not None and not found.is_contained and trip.reset_at is None
    return {"trip": trip, "containment": found, "waits": waits}


def _sees_switches(request: PageRequest) -> bool:
    return access_of(request.actor).allows_somewhere(Permission.DECISIONS_VIEW)

"""Pages of activity: the live feed, one agent's calls, one call."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.activity import queries
from apps.activity.effects.queries import effect_of
from apps.activity.feed import short
from apps.activity.filters import CallFilter
from apps.activity.models import Effect, Outcome, ToolCall
from apps.activity.rollups.queries import activity_of, calls_per_day
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.ids import first_id_at
from apps.kit.ui.paging import page_of
from apps.kit.ui.trends import trend_chart

FEED_ROWS, FEED_DAYS = 100, 7


@require_safe
@page(Permission.ACTIVITY_VIEW)
def feed(request: PageRequest) -> HttpResponse:
    """The live feed: the last calls, then whatever comes, over a WebSocket."""
    position = queries.last_position()  # before the calls: what comes in between, the socket brings
    since = first_id_at(timezone.now() - timedelta(days=FEED_DAYS))
    known = ToolCall.objects.visible_to(request.actor).filter(position__lte=position, pk__gte=since)
    narrowed = CallFilter(request.GET, known.select_related("agent"))
    calls = list(narrowed.qs.order_by("-position")[:FEED_ROWS])
    for call in calls:
        call.short_arguments = short(call.arguments)
    context = {
        "calls": calls,
        "position": position,
        "agents": queries.agents_to_choose(request.GET.get("agent", ""), actor=request.actor),
        "chosen_agent": request.GET.get("agent", ""),
        "chosen_outcomes": request.GET.getlist("outcome"),
        "pulse": queries.pulse(request.actor),
        "outcomes": Outcome.choices,
        "effects": Effect.choices,
        "chosen_effect": request.GET.get("effect", ""),
    }
    return render(request, "activity/feed.html", context)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def agent_calls(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """What one agent did: its days in pictures and figures from the sums by the hour, its calls newest first."""
    agent = visible_agent(request, agent_id)
    calls = ToolCall.objects.visible_to(request.actor).filter(agent=agent)
    narrowed = CallFilter(request.GET, calls)
    shown = page_of(request, narrowed.qs, ("-id",))
    activity = activity_of(agent, actor=request.actor)
    context = {
        "agent": agent,
        "page": shown,
        "calls": shown.rows,
        "activity": activity,
        "slowness": trend_chart(activity.slowness, "95th percentile of a day, ms", "ms"),
        "facets": activity.facets(),
        "filtered": bool(request.GET),
    }
    return render(request, "activity/agent_calls.html", context)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def agent_panel(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """What an agent did, in a picture, for its record page."""
    agent = visible_agent(request, agent_id)
    calls = ToolCall.objects.visible_to(request.actor).filter(agent=agent).order_by("-id")[:6]
    context = {"agent": agent, "series": calls_per_day(agent, days=14), "calls": calls}
    return render(request, "activity/_agent_panel.html", context)


@require_safe
@page(Permission.ACTIVITY_VIEW)
def call_detail(request: PageRequest, call_id: UUID) -> HttpResponse:
    """One call: what was asked, what came back, how it was judged, what else happened in its conversation."""
    visible = ToolCall.objects.visible_to(request.actor).select_related("agent")
    call = get_object_or_404(visible, pk=call_id)
    context = {
        "call": call,
        "found": effect_of(call, actor=request.actor),
        "siblings": queries.conversation_of(call, actor=request.actor),
    }
    return render(request, "activity/call_detail.html", context)

"""The home page: what needs whoever looks, drawn from every app below."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.activity.queries import pulse
from apps.agents.models import Agent, AgentQuerySet, BreakerState, State
from apps.agents.queries import fleet_matrix
from apps.compliance.models import Finding
from apps.compliance.queries import expiry_strip
from apps.identity.models import Principal
from apps.identity.pages import PageRequest, page

MOST_NEEDS = 10
DUE = timedelta(days=30)


@dataclass(frozen=True)
class Need:
    """One thing that waits for a person: `mark` names a template mark, `verb` what to do about it."""

    mark: str
    agent: Agent
    sentence: str
    at: datetime | None
    verb: str
    href: str


@require_safe
@page()
def home(request: PageRequest) -> HttpResponse:
    """What needs you, how the fleet stands, what runs out."""
    agents = Agent.objects.visible_to(request.actor)
    context = {
        "needs": needs_of(request.actor),
        "matrix": fleet_matrix(agents, reverse("agents:list")),
        "strip": expiry_strip(request.actor),
        "pulse": pulse(request.actor),
        "any_agents": agents.exists(),
        "today": timezone.now(),
    }
    return render(request, "config/home.html", context)


def needs_of(actor: Principal) -> list[Need]:
    """The most urgent things first: stops, findings, certifications running out, newcomers. Four queries."""
    agents = Agent.objects.visible_to(actor)
    found = [*_stops(agents), *_findings(actor), *_expiring(agents), *_newcomers(agents)]
    return found[:MOST_NEEDS]


def _stops(agents: AgentQuerySet) -> list[Need]:
    stopped = agents.filter(breaker_state=BreakerState.TRIPPED).order_by("-breaker_tripped_at")[:MOST_NEEDS]
    return [
        Need(
            "blocked", a, f"is stopped. {a.breaker_reason}", a.breaker_tripped_at, "Review the stop",
            reverse("oversight:agent-tools", args=[a.pk]),
        )
        for a in stopped
    ]  # fmt: skip


def _findings(actor: Principal) -> list[Need]:
    rows = Finding.objects.visible_to(actor).filter(status="open").select_related("agent")[:MOST_NEEDS]
    return [
        Need(
            "finding",
            f.agent,
            f"has a finding: {f.title}",
            f.opened_at,
            "Open",
            reverse("compliance:finding", args=[f.pk]),
        )
        for f in rows
    ]


def _expiring(agents: AgentQuerySet) -> list[Need]:
    now = timezone.now()
    due = agents.filter(certified_until__range=(now, now + DUE)).order_by("certified_until")[:MOST_NEEDS]
    return [
        Need(
            "expires", a, f"is certified until {a.certified_until:%-d %B}", None, "Certify",
            reverse("compliance:agent-certification", args=[a.pk]),
        )
        for a in due
    ]  # fmt: skip


def _newcomers(agents: AgentQuerySet) -> list[Need]:
    new = agents.filter(state=State.DISCOVERED).order_by("-created_at")[:MOST_NEEDS]
    return [
        Need(
            "discovered",
            a,
            "was noticed; nobody answers for it",
            a.first_seen,
            "Adopt",
            reverse("lifecycle:adopt", args=[a.pk]),
        )
        for a in new
    ]

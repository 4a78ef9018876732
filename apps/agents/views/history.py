"""What was: one record's history, and the whole register as it stood on a day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_POST, require_safe

from apps.agents.access import may, require_for
from apps.agents.models import Agent
from apps.agents.queries.history import agents_at, as_past, versions_of
from apps.agents.queries.record import GROUPS
from apps.agents.services.history import restore_field, revision_at
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.queries import timeline_of
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of

VERSIONS = 20


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_history(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """What the ledger holds about an agent, its versions, and with `?at=` the record as it stood that day."""
    agent = visible_agent(request, agent_id)
    shown = page_of(request, timeline_of("agent", agent.pk), ("-id",))
    moment = asked_moment(request)
    revision = revision_at(agent, moment) if moment else None
    context = {
        "agent": agent,
        "page": shown,
        "entries": shown.rows,
        "versions": versions_of(list(agent.revisions.all()[: VERSIONS + 1]))[:VERSIONS],
        "may_edit": may(request.actor, Permission.AGENTS_CURATE, agent),
        "at": request.GET.get("at", ""),
        "moment": moment,
        "past": _told(revision),
    }
    return render(request, "agents/agent_history.html", context)


@require_POST
@page(Permission.AGENTS_CURATE)
def restore(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Give a field back the value it had in a version."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.AGENTS_CURATE, agent)
    version = request.POST.get("version", "")
    try:
        restore_field(
            agent,
            request.POST.get("field", ""),
            int(version) if version.isdecimal() and len(version) < 10 else 0,
            reason=request.POST.get("reason", ""),
            actor=request.actor,
        )
    except DomainError as error:
        messages.error(request, " ".join([error.message, *error.fields.values()]))
    else:
        messages.success(request, "The former value is back.")
    return redirect("agents:history", agent.pk)


@require_safe
@page(Permission.AGENTS_VIEW)
def register_at(request: PageRequest) -> HttpResponse:
    """The register as it stood at the end of a day, the riskiest first."""
    moment = asked_moment(request) or timezone.now()
    visible = Agent.objects.visible_to(request.actor)
    rows = agents_at(visible, moment)
    shown = page_of(request, rows, ("-tier_rank", "name", "id"))
    context = {
        "page": shown,
        "agents": as_past(shown.rows),
        "total": rows.order_by().count(),
        "moment": moment,
        "at": request.GET.get("at", timezone.localdate().isoformat()),
        "today": timezone.localdate().isoformat(),
    }
    return render(request, "agents/register_at.html", context)


def asked_moment(request: PageRequest) -> datetime | None:
    """The end of the day that `?at=` names, in the server's zone; None when it names none."""
    try:
        day = parse_date(request.GET.get("at", ""))
    except ValueError:
        return None
    if day is None:
        return None
    if not date(1970, 1, 1) <= day <= date(9000, 1, 1):
        return None
    return timezone.make_aware(datetime.combine(day, time.min)) + timedelta(days=1)


def _told(revision: object) -> list[tuple[str, list[tuple[str, str]]]]:
    if revision is None:
        return []
    (past,) = as_past([revision])  # type: ignore[list-item]
    groups = (("The record", ("name", "purpose")), *GROUPS)
    return [(title, [(name, past.words(name)) for name in names]) for title, names in groups]

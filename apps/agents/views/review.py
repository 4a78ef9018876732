"""How true the record is: queues of faults, confirmations, campaigns that ask owners."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.filters import AgentFilter
from apps.agents.forms import CampaignForm
from apps.agents.models import Agent, Campaign
from apps.agents.queries.review import average_completeness, burn_down, mail_figures, quality_queues
from apps.agents.services.mailing import send_again
from apps.agents.services.review import begin_campaign, close_campaign, confirm_agent, progress_of
from apps.agents.views.doors import visible_agent
from apps.identity.access import access_of
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.paging import page_of
from apps.kit.ui.problems_in_forms import show_problem


@require_safe
@page(Permission.AGENTS_VIEW)
def quality(request: PageRequest) -> HttpResponse:
    """What keeps the record from being trusted, as queues, and how they shrink."""
    visible = Agent.objects.visible_to(request.actor).on_record()
    context = {
        "queues": quality_queues(visible),
        "burn_down": burn_down(),
        "total": visible.count(),
        "average": average_completeness(visible),
        "sees_all": access_of(request.actor).allows(Permission.AGENTS_VIEW),
    }
    return render(request, "agents/quality.html", context)


@require_POST
@page(Permission.AGENTS_CURATE)
def confirm(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Say that the record is true as it stands."""
    agent = confirm_agent(visible_agent(request, agent_id), actor=request.actor)
    messages.success(request, f"The record of {agent.name} is confirmed.")
    back = request.POST.get("campaign", "")
    return redirect("agents:campaign", UUID(back)) if back else redirect("agents:detail", agent.pk)


@require_safe
@page(Permission.AGENTS_VIEW)
def campaigns(request: PageRequest) -> HttpResponse:
    """Campaigns the actor has part in, newest first."""
    shown = page_of(request, Campaign.objects.visible_to(request.actor), ("-created_at", "id"), size=25)
    progress = progress_of(shown.rows)
    context = {
        "page": shown,
        "campaigns": [(campaign, progress.get(campaign.pk)) for campaign in shown.rows],
        "may_begin": access_of(request.actor).allows(Permission.AGENTS_CURATE),
    }
    return render(request, "agents/campaigns.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def campaign_begin(request: PageRequest) -> HttpResponse:
    """Ask the owners of all agents that a filter leaves."""
    query = request.POST.get("query", request.GET.urlencode())
    visible = Agent.objects.visible_to(request.actor).on_record()
    asked = AgentFilter(QueryDict(query), visible, actor=request.actor).qs
    form = CampaignForm(request.POST if "title" in request.POST else None)
    if form.is_bound and form.is_valid():
        try:
            campaign = begin_campaign(agents=asked, query=query, actor=request.actor, **form.cleaned_data)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{campaign.items.count()} agents are to be confirmed.")
            return redirect("agents:campaign", campaign.pk)
    context = {"form": form, "total": asked.order_by().count(), "query": query}
    return render(request, "agents/campaign_begin.html", context, status=422 if form.errors else 200)


@require_safe
@page(Permission.AGENTS_VIEW)
def campaign(request: PageRequest, campaign_id: UUID) -> HttpResponse:
    """How far a campaign is and what waits, the actor's own first."""
    found = get_object_or_404(Campaign.objects.visible_to(request.actor), pk=campaign_id)
    only = request.GET.get("show", "waiting")
    items = found.items.visible_to(request.actor).select_related("agent", "asked", "confirmed_by")
    items = items.filter(confirmed_at=None) if only == "waiting" else items
    shown = page_of(request, items, ("id",), size=50)
    context = {
        "campaign": found,
        "page": shown,
        "items": shown.rows,
        "shown": only,
        "progress": progress_of([found]).get(found.pk),
        "may_close": access_of(request.actor).allows(Permission.AGENTS_CURATE),
        "mail": mail_figures(found),
    }
    return render(request, "agents/campaign.html", context)


@require_POST
@page(Permission.AGENTS_CURATE)
def campaign_mail(request: PageRequest, campaign_id: UUID, mail_id: UUID) -> HttpResponse:
    """Send a mail that failed again."""
    found = get_object_or_404(Campaign.objects.visible_to(request.actor), pk=campaign_id)
    mail = get_object_or_404(found.mails, pk=mail_id)
    try:
        send_again(mail, actor=request.actor)
    except DomainError as error:
        if error.status == 403:
            raise
        messages.error(request, error.message)
    else:
        messages.success(request, f"The mail to {mail.person} is sent again.")
    return redirect("agents:campaign", found.pk)


@require_POST
@page(Permission.AGENTS_CURATE)
def campaign_close(request: PageRequest, campaign_id: UUID) -> HttpResponse:
    found = get_object_or_404(Campaign.objects.visible_to(request.actor), pk=campaign_id)
    close_campaign(found, actor=request.actor, reason=request.POST.get("reason", ""))
    messages.success(request, f"{found.title} is closed.")
    return redirect("agents:campaign", found.pk)

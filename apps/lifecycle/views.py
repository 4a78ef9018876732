"""Pages on which agents change state: adoption and moves."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.access import require_for
from apps.agents.forms import RecordForm, initial_of
from apps.agents.models import Agent, State
from apps.agents.queries.risk import risk_record, tier_preview
from apps.agents.services.registry import Adoption
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.problems_in_forms import show_problem
from apps.lifecycle.machine import MOVES, gates_of
from apps.lifecycle.services.moves import adopt, move_agent, prospects


@require_http_methods(["GET", "POST"])
@page(Permission.AGENTS_CURATE)
def adopt_page(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Give a discovered agent its owner, deputy, purpose and risk."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.AGENTS_CURATE, agent)
    form = RecordForm(request.POST or None, initial=initial_of(agent), actor=request.actor)
    if request.method == "POST" and form.is_valid():
        stated = dict(form.cleaned_data)
        try:
            adopt(agent, version=stated.pop("version"), adoption=Adoption(**stated), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{form.cleaned_data['name']} is in the register.")
            return redirect("agents:detail", agent.pk)
    context = {
        "agent": agent,
        "form": form,
        "assessment": tier_preview(form.data or form.initial, agent),
        "risk": risk_record(agent, actor=request.actor),
        "tools": agent.observed_tools.all()[:12],
    }
    return render(request, "lifecycle/adopt.html", context, status=422 if form.errors else 200)


@require_safe
@page(Permission.AGENTS_VIEW)
def moves_page(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Where the agent stands, where it may go, and what each move asks for."""
    agent = visible_agent(request, agent_id)
    return render(request, "lifecycle/moves.html", _moves(request, agent))


@require_POST
@page(Permission.LIFECYCLE_MOVE)
def make_move(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Make the posted `move`, with its `reason`; a refusal is told on the page that asked."""
    agent = visible_agent(request, agent_id)
    try:
        moved = move_agent(
            agent, request.POST.get("move", ""), reason=request.POST.get("reason", ""), actor=request.actor
        )
    except DomainError as error:
        return render(
            request, "lifecycle/moves.html", _moves(request, agent) | {"refusal": error}, status=error.status
        )
    messages.success(request, f"{agent.name} is now in {State(moved.state).label.lower()}.")
    return redirect("lifecycle:agent-moves", agent.pk)


def _moves(request: PageRequest, agent: Agent) -> dict[str, object]:
    return {
        "agent": agent,
        "prospects": prospects(agent, actor=request.actor),
        "table": [(move, gates_of(move)) for move in MOVES],
        "states": State,
    }

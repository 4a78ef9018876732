"""Pages of oversight: what an agent may call, and its breaker."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.agents.access import may, require_for
from apps.agents.models import Agent
from apps.agents.toolnames import tool_named
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.drilling import due_of
from apps.oversight.excesses import limits_for
from apps.oversight.forms import ToolPolicyForm
from apps.oversight.models import BreakerTrip, ToolPolicy
from apps.oversight.queries import tool_rows
from apps.oversight.services.policies import set_tool_policy


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_tools(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """What an agent may call and does call, its breaker, the decisions it was given."""
    agent = visible_agent(request, agent_id)
    return render(request, "oversight/agent_tools.html", _tools(request, agent))


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_panel(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """The tools of an agent, for its record page."""
    agent = visible_agent(request, agent_id)
    return render(request, "oversight/_agent_panel.html", {"agent": agent, "rows": tool_rows(agent)[:8]})


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def policy_edit(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Choose the tools an agent may call; those seen and not yet judged are offered to tick."""
    agent = visible_agent(request, agent_id)
    require_for(request.actor, Permission.POLICY_EDIT, agent)
    form = _policy_form(request, agent)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            set_tool_policy(
                agent,
                form.allowed_tools(),
                reason=chosen["reason"],
                version=chosen["version"],
                actor=request.actor,
            )
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"The tool policy of {agent.name} is set.")
            return redirect("oversight:agent-tools", agent.pk)
    return render(
        request,
        "oversight/policy_form.html",
        {"agent": agent, "form": form},
        status=422 if form.errors else 200,
    )


def _tools(request: PageRequest, agent: Agent) -> dict[str, object]:
    return {
        "agent": agent,
        "rows": tool_rows(agent),
        "policy": ToolPolicy.objects.limiting().select_related("updated_by").filter(agent=agent).first(),
        "trips": agent.breaker_trips.select_related("tripped_by", "reset_by", "reset_requested_by")[:6],
        "decisions": agent.decisions.select_related("asked_by")[:12],
        "limits": [(BreakerTrip.Cause(cause).label, one) for cause, one in limits_for(agent).items()],
        "drill": agent.drills.select_related("started_by").first(),
        "drill_due": due_of(agent),
        "may_edit": may(request.actor, Permission.POLICY_EDIT, agent),
        "may_drill": may(request.actor, Permission.DRILLS_START, agent),
    }


def _policy_form(request: PageRequest, agent: Agent) -> ToolPolicyForm:
    policy = ToolPolicy.objects.filter(agent=agent).first()
    observed = agent.observed_tools.values_list("tool_name", "mcp_server")
    seen = sorted({str(tool_named(name, server)) for name, server in observed})
    allowed = seen if policy is None or policy.allowed_tools is None else policy.allowed_tools
    initial = {
        "seen": [name for name in allowed if name in seen],
        "others": "\n".join(name for name in allowed if name not in seen),
        "version": policy.version if policy else 0,
    }
    return ToolPolicyForm(request.POST or None, seen=seen, initial=initial)

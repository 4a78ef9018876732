"""What an agent was made of: its versions with what changed in words, and two beside each other."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.agents.models import Agent, AgentVersion
from apps.agents.queries.versions import compared_versions
from apps.agents.views.doors import visible_agent
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.ui.paging import page_of


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_versions(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Versions, newest first; `?a=` and `?b=` name two by number to compare."""
    agent = visible_agent(request, agent_id)
    shown = page_of(request, agent.versions.select_related("stated_by"), ("-number",), size=25)
    before, after = sorted((_number(request.GET.get("a")), _number(request.GET.get("b"))))
    pair = _pair(agent, before, after)
    context = {
        "agent": agent,
        "page": shown,
        "versions": shown.rows,
        "pair": pair,
        "comparison": compared_versions(*pair) if pair else None,
        "asked": "a" in request.GET or "b" in request.GET,
        "a": before or (shown.rows[1].number if len(shown.rows) > 1 else 0),
        "b": after or (shown.rows[0].number if shown.rows else 0),
    }
    return render(request, "agents/agent_versions.html", context)


def _pair(agent: Agent, before: int, after: int) -> tuple[AgentVersion, AgentVersion] | None:
    found = {one.number: one for one in agent.versions.filter(number__in=(before, after))}
    return (found[before], found[after]) if len(found) == 2 else None


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else 0

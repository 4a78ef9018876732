"""Pages of read-backs: what is declared of a tool, trying and changing it, and its part of the tool's page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.activity.effects import queries
from apps.activity.effects.enlisting import LEAVES_SOMETHING
from apps.activity.effects.forms import ReadBackForm, initial_of
from apps.activity.effects.rules import rule_of
from apps.activity.effects.services import declare_read_back, remove_read_back, try_read_back
from apps.activity.effects.words import WHY, rule_in_words
from apps.activity.models import ReadBack
from apps.agents.models import Tool
from apps.identity.access import access_of, require
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput
from apps.kit.ui.problems_in_forms import show_problem


@require_safe
@page(Permission.ACTIVITY_VIEW)
def read_back_panel(request: PageRequest, tool_id: UUID) -> HttpResponse:
    """What is declared of a tool and what it found, for the tool's page."""
    tool = _visible(request, tool_id)
    return render(request, "activity/_read_back_panel.html", _told(request, tool))


@require_http_methods(["GET", "POST"])
@page(Permission.ACTIVITY_VIEW)
def read_back(request: PageRequest, tool_id: UUID) -> HttpResponse:
    """What is declared of a tool; whoever may edit the tool tries and declares it here."""
    tool = _visible(request, tool_id)
    if request.method == "GET":
        return _shown(request, tool)
    require(request.actor, Permission.AGENTS_CURATE)
    form = ReadBackForm(request.POST)
    if not form.is_valid():
        return _shown(request, tool, form=form, status=422)
    try:
        if "try" in request.POST:
            tried = try_read_back(tool, form.draft().rule, actor=request.actor)
            told = {
                "tried": [(one, WHY.get(one.why, "")) for one in tried],
                "tried_words": rule_in_words(form.draft().rule),
            }
            return _shown(request, tool, form=form, more=told)
        given = form.cleaned_data
        declare_read_back(
            tool, form.draft(), reason=given["reason"], after=given["number"], actor=request.actor
        )
    except DomainError as error:
        show_problem(form, form.refuse(error) if isinstance(error, InvalidInput) else error)
        return _shown(request, tool, form=form, status=422)
    messages.success(request, "Calls that are heard of from now on are read back so.")
    return redirect("activity:read-back", tool.pk)


@require_POST
@page(Permission.AGENTS_CURATE)
def read_back_remove(request: PageRequest, tool_id: UUID) -> HttpResponse:
    """No further call is read back."""
    tool = _visible(request, tool_id)
    try:
        remove_read_back(tool, actor=request.actor, reason=request.POST.get("reason", ""))
    except DomainError as error:
        if error.status not in (400, 409):
            raise
        messages.error(request, error.message)
    else:
        messages.success(request, f"Calls of {tool} are no longer read back.")
    return redirect("activity:read-back", tool.pk)


def _visible(request: PageRequest, tool_id: UUID) -> Tool:
    return get_object_or_404(Tool.objects.visible_to(request.actor), pk=tool_id)


def _told(request: PageRequest, tool: Tool) -> dict[str, Any]:
    standing = queries.standing_of(tool, actor=request.actor)
    return {
        "tool": tool,
        "standing": standing,
        "words": rule_in_words(rule_of(standing.rule)) if standing else "",
        "rates": queries.rates_of(tool, actor=request.actor),
        "leaves_something": tool.side_effect in LEAVES_SOMETHING,
        "may_curate": access_of(request.actor).allows(Permission.AGENTS_CURATE),
    }


def _shown(
    request: PageRequest,
    tool: Tool,
    *,
    form: ReadBackForm | None = None,
    more: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    told = _told(request, tool)
    standing: ReadBack | None = told["standing"]
    rule = rule_of(standing.rule) if standing else None
    initial = initial_of(rule, standing.number if standing else 0, tool.server)
    told |= {
        "versions": queries.versions_of(tool, actor=request.actor),
        "form": form or ReadBackForm(initial=initial),
    }
    return render(request, "activity/read_back.html", told | (more or {}), status=status)

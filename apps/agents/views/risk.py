"""The risk of one agent, and the policy that the tiers of all of them follow."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.access import may
from apps.agents.models import RiskPolicy
from apps.agents.queries.risk import risk_record
from apps.agents.queries.risk_preview import Move, Preview, preview_of
from apps.agents.risk.rules import COMBINATIONS, differences, raise_words
from apps.agents.risk_forms import PARTS, RiskPolicyForm, initial_rules, placed, rows_of
from apps.agents.services.risk import standing_policy
from apps.agents.services.risk_answers import reassess_agent, take_fact_level
from apps.agents.services.risk_policies import (
    apply_policy,
    discard_policy,
    draft_policy,
    edit_policy,
    return_to_policy,
)
from apps.agents.views.doors import visible_agent
from apps.identity.access import access_of, require
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput, NotFound
from apps.kit.ui import marks
from apps.kit.ui.charts import Cell, HeatMatrix
from apps.kit.ui.problems_in_forms import show_problem

LISTED = 100


@require_safe
@page(Permission.AGENTS_VIEW)
def agent_risk(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Why this tier: each dimension by answer and by facts, as the record stands now."""
    agent = visible_agent(request, agent_id)
    context = {
        "agent": agent,
        "record": risk_record(agent, actor=request.actor),
        "may_edit": may(request.actor, Permission.AGENTS_CURATE, agent),
    }
    return render(request, "agents/agent_risk.html", context)


@require_POST
@page(Permission.AGENTS_CURATE)
def risk_take(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Answer one dimension as its facts do."""
    agent = visible_agent(request, agent_id)
    dimension = request.POST.get("dimension", "")
    agent = take_fact_level(agent, dimension, actor=request.actor, reason=request.POST.get("reason", ""))
    messages.success(
        request, f"The answer is {getattr(agent, dimension)} now. {agent.name} is tier {agent.tier}."
    )
    return redirect("agents:risk", agent.pk)


@require_POST
@page(Permission.AGENTS_CURATE)
def risk_reassess(request: PageRequest, agent_id: UUID) -> HttpResponse:
    """Let go of what former facts still hold up."""
    agent = visible_agent(request, agent_id)
    agent = reassess_agent(agent, actor=request.actor, reason=request.POST.get("reason", ""))
    messages.success(request, f"{agent.name} is tier {agent.tier} by the facts as they are now.")
    return redirect("agents:risk", agent.pk)


@require_safe
@page(Permission.AGENTS_VIEW)
def policies(request: PageRequest) -> HttpResponse:
    """The policy in force, drafts, and what was in force before."""
    rows = list(_visible(request).select_related("applied_by", "created_by", "based_on"))
    context = {
        "standing": next((one for one in rows if one.state == RiskPolicy.State.APPLIED), None),
        "drafts": [one for one in rows if one.state == RiskPolicy.State.DRAFT],
        "former": [one for one in rows if one.state == RiskPolicy.State.FORMER],
        "may_apply": _may_apply(request),
    }
    return render(request, "agents/risk_policies.html", context)


@require_POST
@page(Permission.RISK_POLICY)
def policy_draft(request: PageRequest) -> HttpResponse:
    """A draft that begins as the policy in force, or as the former one named by `from`."""
    asked = request.POST.get("from", "")
    if asked:
        former = get_object_or_404(_visible(request), number=int(asked) if asked.isdecimal() else 0)
        made = return_to_policy(former, actor=request.actor)
        return redirect("agents:risk-policy-preview", made.pk)
    standing = standing_policy()
    made = draft_policy(standing.name, standing.rules, actor=request.actor, based_on=standing)
    return redirect("agents:risk-policy-edit", made.pk)


@require_safe
@page(Permission.AGENTS_VIEW)
def policy(request: PageRequest, policy_id: UUID) -> HttpResponse:
    """One version in words, what differs from the one in force or before it, and how far its recalculation is."""
    found = get_object_or_404(
        _visible(request).select_related("applied_by", "created_by", "based_on"), pk=policy_id
    )
    rules = found.parsed
    before = _before(found)
    context = {
        "policy": found,
        "rules": rules,
        "combination": COMBINATIONS[rules.combination],
        "raises": [raise_words(one) for one in rules.raises],
        "weights": [*rows_of(rules, "weights"), *rows_of(rules, "thresholds")],
        "parts": [(part, rows_of(rules, part.name)) for part in PARTS],
        "before": before,
        "differences": differences(before.parsed, rules) if before else [],
        "may_apply": _may_apply(request),
    }
    return render(request, "agents/risk_policy.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.RISK_POLICY)
def policy_edit(request: PageRequest, policy_id: UUID) -> HttpResponse:
    require(request.actor, Permission.RISK_POLICY)
    found = get_object_or_404(_visible(request), pk=policy_id, state=RiskPolicy.State.DRAFT)
    first = {"name": found.name, "note": found.note, "version": found.version} | initial_rules(found.parsed)
    form = RiskPolicyForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        changes = {"name": said["name"], "note": said["note"], "rules": form.rules()}
        try:
            edit_policy(found, changes, version=said["version"], actor=request.actor)
        except DomainError as error:
            fields = placed(error.fields, form.fields)
            show_problem(form, InvalidInput(error.message, code=error.code, fields=fields))
        else:
            return redirect("agents:risk-policy-preview", found.pk)
    context = {"policy": found, "form": form}
    return render(request, "agents/risk_policy_form.html", context, status=422 if form.errors else 200)


@require_safe
@page(Permission.RISK_POLICY)
def policy_preview(request: PageRequest, policy_id: UUID) -> HttpResponse:
    """What a draft would do to the fleet; nothing is written. `?move=3-4` lists one cell of the matrix."""
    require(request.actor, Permission.RISK_POLICY)
    found = get_object_or_404(_visible(request), pk=policy_id, state=RiskPolicy.State.DRAFT)
    preview, move = preview_of(found.parsed), request.GET.get("move", "")
    moves = (
        preview.lacking if move == "lacking" else [one for one in preview.moves if move in ("", _move(one))]
    )
    cursor = request.GET.get("cursor", "")
    start = int(cursor) if cursor.isdecimal() and len(cursor) < 9 else 0
    context = {
        "policy": found,
        "preview": preview,
        "matrix": _matrix(preview),
        "move": move,
        "moves": moves[start : start + LISTED],
        "total": len(moves),
        "next": str(start + LISTED) if len(moves) > start + LISTED else None,
        "previous": str(max(start - LISTED, 0)) if start else None,
        "differences": differences(standing_policy().parsed, found.parsed),
    }
    return render(request, "agents/risk_policy_preview.html", context)


@require_POST
@page(Permission.RISK_POLICY)
def policy_act(request: PageRequest, policy_id: UUID, verb: str) -> HttpResponse:
    """Apply or discard a draft."""
    found = get_object_or_404(_visible(request), pk=policy_id)
    if verb not in ("apply", "discard"):
        raise NotFound("There is no such verb.")
    if verb == "discard":
        discard_policy(found, actor=request.actor)
        messages.success(request, f"The draft {found.name} is discarded.")
        return redirect("agents:risk-policies")
    version = request.POST.get("version", "")
    found = apply_policy(
        found, actor=request.actor, reason=request.POST.get("reason", ""),
        version=int(version) if version.isdecimal() else None,
    )  # fmt: skip
    messages.success(request, f"{found} is in force. The fleet is recalculated in the background.")
    return redirect("agents:risk-policy", found.pk)


def _visible(request: PageRequest) -> QuerySet[RiskPolicy]:
    return RiskPolicy.objects.visible_to(request.actor)


def _may_apply(request: PageRequest) -> bool:
    return access_of(request.actor).allows(Permission.RISK_POLICY)


def _before(policy: RiskPolicy) -> RiskPolicy | None:
    """What a version is compared with: for a draft the one in force, otherwise the one before it."""
    if policy.number is None:
        return standing_policy()
    return RiskPolicy.objects.filter(number__lt=policy.number).order_by("-number").first()


def _move(move: Move) -> str:
    return f"{move.before or 'none'}-{move.after}"


def _matrix(preview: Preview) -> HeatMatrix:
    rows = [
        (
            marks.tier(before),
            [
                Cell(count, f"?move={before or 'none'}-{after}#moves" if count and before != after else "")
                for after in (1, 2, 3, 4)
                for count in [preview.counts.get((before, after), 0)]
            ],
        )
        for before in (4, 3, 2, 1, None)
    ]
    return HeatMatrix(
        "Agents by tier now and by the draft", "Tier now", [marks.tier(one) for one in (1, 2, 3, 4)], rows
    )

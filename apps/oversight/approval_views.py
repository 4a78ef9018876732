"""Pages of approvals: the inbox, one call, the answers; consent in advance."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core import signing
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.agents.access import may
from apps.identity.models import Principal
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput
from apps.kit.ids import id_or_none
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.forms import ConsentForm
from apps.oversight.inbox import deciders, earlier_like, groups_of, waiting_for, week_of
from apps.oversight.models import Approval, StandingApproval
from apps.oversight.services.approvals import (
    Answer,
    answer_approval,
    answer_together,
    carry_out,
    hand_over_approval,
    write_note,
)
from apps.oversight.services.standing import (
    give_standing_approval,
    review_standing_approval,
    revoke_standing_approval,
)

SALT = "oversight.approval.shown"
LONGEST_OPEN_S = 86_400


@require_safe
@page(Permission.DECISIONS_VIEW)
def approvals(request: PageRequest) -> HttpResponse:
    """The inbox; beside it, where there is room, the first call."""
    waiting = waiting_for(request.actor)
    chosen = waiting[0] if waiting else None
    return _inbox(request, chosen, waiting, is_list=True)


@require_safe
@page(Permission.DECISIONS_VIEW)
def approval(request: PageRequest, approval_id: UUID) -> HttpResponse:
    """One call: what, why, how usual, what happens otherwise; and the answer."""
    return _inbox(request, _approval(request, approval_id), waiting_for(request.actor))


@require_safe
@page(Permission.DECISIONS_VIEW)
def decided(request: PageRequest) -> HttpResponse:
    """What became of calls that waited."""
    rows = Approval.objects.visible_to(request.actor).exclude(state="pending")
    rows = rows.select_related("agent", "decided_by").order_by("-decided_at")
    return render(request, "oversight/approvals_decided.html", {"approvals": rows[:100], "tab": "decided"})


@require_POST
@page(Permission.APPROVALS_DECIDE)
def approval_answer(request: PageRequest, approval_id: UUID) -> HttpResponse:
    found = _approval(request, approval_id)
    said = request.POST

    def act() -> Approval:
        given = Answer(
            approves=said.get("verdict") == "approve",
            reason=said.get("reason", ""),
            arguments=_arguments(said.get("arguments", ""), found),
            seen_digest=said.get("seen", ""),
            open_s=_open_s(said.get("shown", "")),
        )
        return answer_approval(found, given, actor=request.actor)

    return _after(request, found, act, "Answered. The agent knows it now.")


@require_POST
@page(Permission.APPROVALS_DECIDE)
def approvals_answer(request: PageRequest) -> HttpResponse:
    """The same answer to several alike."""
    ids = [id_or_none(one) for one in request.POST.get("approvals", "").split(",")]
    chosen = list(Approval.objects.visible_to(request.actor).filter(pk__in=[one for one in ids if one]))
    given = Answer(request.POST.get("verdict") == "approve", request.POST.get("reason", ""))
    found = answer_together(chosen, given, actor=request.actor)
    if found.refused:
        first = next(iter(found.refused.values()))
        messages.error(request, f"{len(found.refused)} were not answered: {first.message}")
    if found.answered:
        messages.success(request, f"{len(found.answered)} answered.")
    return redirect("oversight:approvals")


@require_POST
@page(Permission.APPROVALS_DECIDE)
def approval_note(request: PageRequest, approval_id: UUID) -> HttpResponse:
    found = _approval(request, approval_id)
    text = request.POST.get("text", "")
    return _after(request, found, lambda: write_note(found, text, actor=request.actor), "Asked.", stays=True)


@require_POST
@page(Permission.APPROVALS_DECIDE)
def approval_pass_on(request: PageRequest, approval_id: UUID) -> HttpResponse:
    found = _approval(request, approval_id)
    to = get_object_or_404(Principal, pk=id_or_none(request.POST.get("to", "")), kind="human")
    reason = request.POST.get("reason", "")
    return _after(
        request,
        found,
        lambda: hand_over_approval(found, to, actor=request.actor, reason=reason),
        f"Left to {to.name}.",
    )


@require_POST
@page(Permission.APPROVALS_DECIDE)
def approval_done(request: PageRequest, approval_id: UUID) -> HttpResponse:
    found, note = _approval(request, approval_id), request.POST.get("reason", "")
    return _after(request, found, lambda: carry_out(found, actor=request.actor, note=note), "On record.")


@require_safe
@page(Permission.DECISIONS_VIEW)
def standing(request: PageRequest) -> HttpResponse:
    """Consent given in advance: what of it is used, and by whom it was given."""
    rows = StandingApproval.objects.visible_to(request.actor).select_related(
        "agent", "given_by", "revoked_by"
    )
    now = timezone.now()
    context = {
        "standing": rows.filter(revoked_at=None, until__gt=now),
        "ended": rows.exclude(revoked_at=None, until__gt=now)[:50],
        "tab": "standing",
    }
    return render(request, "oversight/approvals_standing.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.APPROVALS_DECIDE)
def consent(request: PageRequest, approval_id: UUID) -> HttpResponse:
    """Approve such calls in advance, beginning from one that waits."""
    found = _approval(request, approval_id)
    form = ConsentForm(request.POST if request.method == "POST" else None, approval=found)
    if form.is_valid():
        try:
            give_standing_approval(found.agent, form.consent(), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, "Such calls go through from now on, within these limits.")
            return redirect("oversight:standing")
    context = {"approval": found, "form": form}
    return render(request, "oversight/consent_form.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.APPROVALS_DECIDE)
def standing_revoke(request: PageRequest, standing_id: UUID) -> HttpResponse:
    return _standing(request, standing_id, revoke_standing_approval, "Taken back.")


@require_POST
@page(Permission.APPROVALS_DECIDE)
def standing_review(request: PageRequest, standing_id: UUID) -> HttpResponse:
    return _standing(request, standing_id, review_standing_approval, "Reviewed.")


def _standing(
    request: PageRequest, standing_id: UUID, service: Callable[..., Any], done: str
) -> HttpResponse:
    given = get_object_or_404(StandingApproval.objects.visible_to(request.actor), pk=standing_id)
    service(given, actor=request.actor, reason=request.POST.get("reason", ""))
    messages.success(request, done)
    return redirect("oversight:standing")


def _inbox(
    request: PageRequest,
    chosen: Approval | None,
    waiting: list[Approval],
    refusal: DomainError | None = None,
    *,
    is_list: bool = False,
) -> HttpResponse:
    context: dict[str, Any] = {
        "groups": groups_of(waiting, timezone.now()),
        "waiting": len(waiting),
        "week": week_of(request.actor),
        "approval": chosen,
        "is_list": is_list,
        "refusal": refusal,
        "tab": "waiting",
    }
    if chosen is not None:
        changed = chosen.arguments if chosen.changed_arguments is None else chosen.changed_arguments
        context |= {
            "call": json.dumps(changed, indent=2, ensure_ascii=False),
            "earlier": earlier_like(chosen),
            "others": deciders(chosen, request.actor),
            "votes": chosen.votes.select_related("person"),
            "notes": chosen.notes.select_related("author"),
            "may_answer": may(request.actor, Permission.APPROVALS_DECIDE, chosen.agent)
            and chosen.state == "pending",
            "shown": signing.dumps(timezone.now().timestamp(), salt=SALT),
        }
    status = refusal.status if refusal else 200
    return render(request, "oversight/approvals.html", context, status=status)


def _after(
    request: PageRequest, found: Approval, act: Callable[[], object], done: str, *, stays: bool = False
) -> HttpResponse:
    try:
        act()
    except DomainError as error:
        return _inbox(request, _approval(request, found.pk), waiting_for(request.actor), error)
    messages.success(request, done)
    return redirect("oversight:approval", found.pk) if stays else redirect("oversight:approvals")


def _approval(request: PageRequest, approval_id: UUID) -> Approval:
    rows = Approval.objects.visible_to(request.actor).select_related(
        "agent__owner", "agent__deputy", "requested_by", "decided_by", "assignee"
    )
    return get_object_or_404(rows, pk=approval_id)


def _arguments(text: str, found: Approval) -> dict[str, Any] | None:
    """None where they are as asked for."""
    if not text.strip():
        return None
    try:
        told = json.loads(text)
    except ValueError as error:
        raise InvalidInput("It was not answered.", fields={"arguments": "Write JSON, an object"}) from error
    if not isinstance(told, dict):
        raise InvalidInput("It was not answered.", fields={"arguments": "Write JSON, an object"})
    return None if told == found.arguments else told


def _open_s(shown: str) -> float | None:
    """How long the page was open; the moment is signed, so that nobody looks more careful than they were."""
    try:
        since = float(signing.loads(shown, salt=SALT, max_age=LONGEST_OPEN_S))
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return max(0.0, timezone.now().timestamp() - since)

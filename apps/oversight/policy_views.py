"""Pages of policies: what applies, how it is worded, who approved it, what it makes of saved calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput, NotFound
from apps.kit.ui.problems_in_forms import show_problem
from apps.oversight.cedar.kinds import KINDS
from apps.oversight.examples import tried
from apps.oversight.models import Policy, PolicyExample, PolicyVersion
from apps.oversight.policy_forms import PolicyForm
from apps.oversight.services.policy_versions import (
    create_policy,
    draft_version,
    drop_example,
    propose_version,
    retire_policy,
    review_version,
    roll_back,
    roll_out,
    set_example,
    set_policy_mode,
)

VERBS: dict[str, Callable[[PageRequest, Policy], object]] = {
    "mode": lambda request, policy: set_policy_mode(
        policy, request.POST.get("mode", ""), actor=request.actor, reason=request.POST.get("reason", "")
    ),
    "roll-out": lambda request, policy: roll_out(
        policy, _percent(request.POST.get("percent", "")), actor=request.actor
    ),
    "roll-back": lambda request, policy: roll_back(
        policy, actor=request.actor, reason=request.POST.get("reason", "")
    ),
    "retire": lambda request, policy: retire_policy(
        policy, actor=request.actor, reason=request.POST.get("reason", "")
    ),
    "propose": lambda request, policy: propose_version(
        _newest(policy), actor=request.actor, reason=request.POST.get("reason", "")
    ),
    "review": lambda request, policy: review_version(
        _newest(policy),
        actor=request.actor,
        approves=request.POST.get("verdict") == "approve",
        reason=request.POST.get("reason", ""),
        percent=_percent(request.POST.get("percent", "") or "100"),
    ),
    "example": lambda request, policy: set_example(
        policy,
        request.POST.get("name", ""),
        _question(request.POST.get("question", "")),
        request.POST.get("expected", ""),
        actor=request.actor,
    ),
}


@require_safe
@page(Permission.DECISIONS_VIEW)
def policies(request: PageRequest) -> HttpResponse:
    """Every policy that applies, or is being written."""
    rows = Policy.objects.visible_to(request.actor).select_related("team", "active", "candidate")
    context = {
        "policies": rows.filter(retired_at=None).prefetch_related("versions"),
        "retired": rows.exclude(retired_at=None),
        "may_edit": access_of(request.actor).allows_somewhere(Permission.POLICY_EDIT),
    }
    return render(request, "oversight/policies.html", context)


@require_safe
@page(Permission.DECISIONS_VIEW)
def policy(request: PageRequest, policy_id: UUID) -> HttpResponse:
    return _detail(request, _policy(request, policy_id))


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def policy_new(request: PageRequest) -> HttpResponse:
    """Write a policy: by one of the forms, or in Cedar."""
    form = _form(request, kind=request.GET.get("kind", ""))
    if form is not None and form.is_valid():
        try:
            made = create_policy(form.new_policy(), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, "Drafted. It applies once somebody else has approved it.")
            return redirect("oversight:cedar-policy", made.pk)
    return _written(request, form, None)


@require_http_methods(["GET", "POST"])
@page(Permission.POLICY_EDIT)
def policy_draft(request: PageRequest, policy_id: UUID) -> HttpResponse:
    """Write the next version, beginning from the last."""
    found = _policy(request, policy_id)
    newest = _newest(found)
    form = _form(request, kind=(newest.form or {}).get("kind", "cedar"), of=newest)
    if form is not None and form.is_valid():
        try:
            draft_version(found, form.wording(), actor=request.actor)
        except DomainError as error:
            show_problem(form, error)
        else:
            messages.success(request, "Drafted.")
            return redirect("oversight:cedar-policy", found.pk)
    return _written(request, form, found)


@require_POST
@page(Permission.POLICY_EDIT)
def policy_act(request: PageRequest, policy_id: UUID, verb: str) -> HttpResponse:
    """Mode, roll-out, roll-back, proposing, reviewing, examples, retirement."""
    found = _policy(request, policy_id)
    if verb not in VERBS:
        raise NotFound("There is no such act on a policy.")
    try:
        VERBS[verb](request, found)
    except DomainError as error:
        return _detail(request, _policy(request, policy_id), error)
    messages.success(request, "Done. The ledger has it.")
    return redirect("oversight:cedar-policy", policy_id)


@require_POST
@page(Permission.POLICY_EDIT)
def policy_example_drop(request: PageRequest, policy_id: UUID, example_id: UUID) -> HttpResponse:
    found = _policy(request, policy_id)
    example = get_object_or_404(PolicyExample.objects.select_related("policy"), pk=example_id, policy=found)
    drop_example(example, actor=request.actor)
    return redirect("oversight:cedar-policy", policy_id)


def _detail(request: PageRequest, found: Policy, refusal: DomainError | None = None) -> HttpResponse:
    versions = list(found.versions.select_related("author", "reviewer", "policy"))
    newest = versions[0] if versions else None
    access = access_of(request.actor)
    may_edit = access.allows(Permission.POLICY_EDIT, found.team_id) and found.retired_at is None
    context: dict[str, Any] = {
        "policy": found,
        "versions": versions,
        "newest": newest,
        "kind": KINDS.get((newest.form or {}).get("kind", "")) if newest else None,
        "examples": tried(newest) if newest else [],
        "may_edit": may_edit,
        "may_review": may_edit and newest is not None and _may_review(newest, request.actor),
        "refusal": refusal,
    }
    return render(request, "oversight/policy_detail.html", context, status=refusal.status if refusal else 200)


def _may_review(version: PolicyVersion, actor: Principal) -> bool:
    return version.state == PolicyVersion.State.PROPOSED and version.author_id != actor.pk


def _form(request: PageRequest, *, kind: str, of: PolicyVersion | None = None) -> PolicyForm | None:
    """None while nobody has chosen how to write."""
    if kind != "cedar" and kind not in KINDS:
        return None
    data = request.POST if request.method == "POST" else None
    return PolicyForm(data, kind=kind, of=of, actor=request.actor)


def _written(request: PageRequest, form: PolicyForm | None, found: Policy | None) -> HttpResponse:
    context = {"form": form, "policy": found, "kinds": KINDS.values()}
    status = 422 if form is not None and form.errors else 200
    return render(request, "oversight/policy_write.html", context, status=status)


def _policy(request: PageRequest, policy_id: UUID) -> Policy:
    rows = Policy.objects.visible_to(request.actor).select_related("team", "active", "candidate")
    return get_object_or_404(rows, pk=policy_id)


def _newest(found: Policy) -> PolicyVersion:
    return get_object_or_404(found.versions.select_related("policy")[:1])


def _percent(said: str) -> int:
    if not said.strip().isdecimal():
        raise InvalidInput("It was not rolled out.", fields={"percent": "A whole number from 0 to 100"})
    return int(said)


def _question(said: str) -> dict[str, Any]:
    try:
        told = json.loads(said)
    except ValueError as error:
        raise InvalidInput(
            "The example was not kept.", fields={"question": "Write JSON, an object"}
        ) from error
    if not isinstance(told, dict):
        raise InvalidInput("The example was not kept.", fields={"question": "Write JSON, an object"})
    return told

"""The page of what is recorded, how long it is kept and where it went."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.activity.models import ArchiveFile, ContentPolicy, GoneDay, RetentionRule
from apps.activity.recording.current import current_policy
from apps.activity.recording.forms import DefaultForm, RemoveForm, RetentionForm, RuleForm
from apps.activity.recording.policy import TITLES, Rule
from apps.activity.recording.services import set_content_policy
from apps.activity.retention.services import Kept, set_retention
from apps.identity.access import access_of
from apps.identity.models import Team
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput
from apps.kit.ui.forms import PlainForm

SHOWN = 50


@require_safe
@page(Permission.LEDGER_VIEW)
def recording(request: PageRequest) -> HttpResponse:
    """What of content is recorded, how long everything is kept, what was archived and deleted."""
    policy = current_policy()
    teams = {str(pk): name for pk, name in Team.objects.values_list("pk", "name")}
    context = {
        "policy": policy,
        "default_title": TITLES[policy.default],
        "rules": [_words(rule, teams) for rule in policy.rules],
        "versions": ContentPolicy.objects.select_related("set_by")[:10],
        "default_form": DefaultForm(initial={"mode": policy.default}),
        "rule_form": RuleForm(),
        "kept": _kept(),
        "files": ArchiveFile.objects.filter(replaced_by=None)[:SHOWN],
        "gone": GoneDay.objects.select_related("file").order_by("-gone_at")[:SHOWN],
        "may_set": access_of(request.actor).allows(Permission.RECORDING_MANAGE),
    }
    return render(request, "activity/recording.html", context)


@require_POST
@page(Permission.RECORDING_MANAGE)
def default_set(request: PageRequest) -> HttpResponseRedirect:
    """What is recorded where no rule fits."""
    told = _told(DefaultForm(request.POST))
    policy = current_policy()
    set_content_policy(told["mode"], list(policy.rules), reason=told["reason"], actor=request.actor)
    return _back(request, "The policy holds within seconds.")


@require_POST
@page(Permission.RECORDING_MANAGE)
def rule_add(request: PageRequest) -> HttpResponseRedirect:
    """One more rule, in a new version."""
    form = RuleForm(request.POST)
    told = _told(form)
    policy = current_policy()
    set_content_policy(
        policy.default,
        [*policy.rules, form.rule()],
        reason=told["reason"],
        actor=request.actor,
        after=policy.number,
    )
    return _back(request, "The rule holds within seconds.")


@require_POST
@page(Permission.RECORDING_MANAGE)
def rule_remove(request: PageRequest) -> HttpResponseRedirect:
    """One rule less, in a new version."""
    told = _told(RemoveForm(request.POST))
    policy = current_policy()
    rules = [rule for place, rule in enumerate(policy.rules) if place != told["place"]]
    set_content_policy(
        policy.default, rules, reason=told["reason"], actor=request.actor, after=told["number"]
    )
    return _back(request, "The rule is gone.")


@require_POST
@page(Permission.RECORDING_MANAGE)
def retention_set(request: PageRequest, of: str) -> HttpResponseRedirect:
    """How long one class of records is kept."""
    if of not in RetentionRule.Of.values:
        raise Http404
    told = _told(RetentionForm(request.POST))
    set_retention(Kept(of, told["days"], told["is_archived"]), reason=told["reason"], actor=request.actor)
    return _back(request, "It is kept that long from the next night on.")


def _told(form: PlainForm) -> dict[str, Any]:
    if not form.is_valid():
        raise InvalidInput(
            "Nothing was set.", fields={name: str(errors[0]) for name, errors in form.errors.items()}
        )
    return form.cleaned_data


def _back(request: PageRequest, words: str) -> HttpResponseRedirect:
    messages.success(request, words)
    return redirect("activity:recording")


def _words(rule: Rule, teams: dict[str, str]) -> dict[str, str]:
    return {
        "team": teams.get(rule.team, "A team that is gone") if rule.team else "Any team",
        "tier": f"Tier {rule.tier}" if rule.tier else "Any tier",
        "data": rule.data_class.capitalize() if rule.data_class else "Any data",
        "mode": TITLES[rule.mode],
    }


def _kept() -> list[dict[str, Any]]:
    """One line for each class, whether somebody chose or not."""
    rules = {rule.of: rule for rule in RetentionRule.objects.select_related("updated_by")}
    lines = []
    for of, title in RetentionRule.Of.choices:
        rule = rules.get(of)
        initial = {"days": rule.days if rule else None, "is_archived": rule.is_archived if rule else False}
        form = RetentionForm(initial=initial, prefix=None, auto_id=f"{of}_%s")
        if of == RetentionRule.Of.CONTENT:
            del form.fields["is_archived"]
        lines.append({"of": of, "title": title, "rule": rule, "form": form})
    return lines

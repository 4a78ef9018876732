"""Pulling and releasing kill switches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, require_reason
from apps.oversight.models import KillSwitch
from apps.oversight.models.kill_switches import LONGEST_TARGET
from apps.oversight.services.containment import issue_order
from apps.oversight.standing import STANDING

SCOPES = KillSwitch.Scope


@dataclass(frozen=True)
class SwitchRequest:
    """What is to stop: `team` for scope team, `target` for a tool (server/tool, server/*) or a model."""

    scope: str
    target: str = ""
    team: Team | None = None


@transaction.atomic
def pull_kill_switch(request: SwitchRequest, *, actor: Principal, reason: str) -> KillSwitch:
    """Stop at once, until an administrator releases it. For a team, by who may within it; anything wider, by who may everywhere."""
    _check(request)
    require(actor, Permission.SWITCHES_PULL, request.team.pk if request.team else None)
    require_reason(reason, "Say why it is stopped")
    switch = KillSwitch(
        scope=request.scope, team=request.team, target=request.target.strip(), reason=reason.strip(),
        pulled_at=timezone.now(), pulled_by=actor,
    )  # fmt: skip
    try:
        with transaction.atomic():
            switch.save(force_insert=True)
    except IntegrityError as error:  # somebody pulled the same one meanwhile
        raise Conflict(
            f"A kill switch stops {switch.words} already.", code="oversight.switch.pulled_already"
        ) from error
    _record("pulled", switch, actor, switch.reason, {})
    issue_order("stop", at=switch.pulled_at, reason=switch.reason, switch=switch)
    _forget()
    return switch


@transaction.atomic
def release_kill_switch(
    switch: KillSwitch, *, actor: Principal, reason: str, corrective_action: str
) -> KillSwitch:
    """Let go on what it stopped. Breakers that tripped meanwhile stay tripped."""
    switch = KillSwitch.objects.select_for_update(of=("self",)).select_related("team").get(pk=switch.pk)
    require(actor, Permission.BREAKER_RESET, switch.team_id)
    require_reason(reason, "Say why it may go on")
    require_action(corrective_action)
    if switch.released_at is not None:
        raise Conflict("This kill switch is released already.", code="oversight.switch.released_already")
    switch.released_at, switch.released_by = timezone.now(), actor
    switch.release_reason, switch.corrective_action = reason.strip(), corrective_action.strip()
    switch.save(update_fields=["released_at", "released_by", "release_reason", "corrective_action"])
    _record("released", switch, actor, reason.strip(), {"corrective_action": switch.corrective_action})
    issue_order("resume", at=switch.released_at, reason=switch.release_reason, switch=switch)
    _forget()
    return switch


def require_action(corrective_action: str) -> None:
    """Raise InvalidInput where nobody says what was done so that it does not happen again."""
    if not corrective_action.strip():
        raise InvalidInput(
            "A corrective action is needed.", fields={"corrective_action": "Name what was changed"}
        )


def _check(request: SwitchRequest) -> None:
    fields, target = {}, request.target.strip()
    if request.scope not in SCOPES.values:
        fields["scope"] = (
            f"Choose one of {', '.join(SCOPES.values)}; one agent is stopped by tripping its breaker"
        )
    if (request.scope == SCOPES.TEAM) != (request.team is not None):
        fields["team"] = "Choose the team" if request.team is None else "Only a stop of a team names one"
    if request.scope in (SCOPES.TOOL, SCOPES.MODEL) and not target:
        fields["target"] = f"Name the {request.scope}"
    if request.scope in (SCOPES.FLEET, SCOPES.TEAM) and target:
        fields["target"] = "Only a stop of a tool or a model names one"
    if len(target) > LONGEST_TARGET:
        fields["target"] = f"Use at most {LONGEST_TARGET} characters"
    if fields:
        raise InvalidInput("Nothing was stopped.", fields=fields)


def _forget() -> None:
    """Now, so that this transaction sees it, and after the commit, for somebody may have read the former state meanwhile."""
    STANDING.forget()
    transaction.on_commit(partial(STANDING.forget))


def _record(verb: str, switch: KillSwitch, actor: Principal, reason: str, detail: dict[str, object]) -> None:
    record_act(
        f"oversight.switch.{verb}",
        actor=actor,
        target=("kill_switch", switch.pk),
        reason=reason,
        detail={"scope": switch.scope, "target": switch.target, "words": switch.words, **detail},
    )

"""The risk policy: drafted, applied for a reason, returned to. Applying recalculates every agent in the background.

A step of the recalculation is one transaction over some hundreds of agents, which remembers how far it came: a killed
worker loses nothing, and the minute's look for stalled work goes on with it. Agents written meanwhile are under the new
policy already, because whatever writes a tier asks which policy stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.agents.models import Agent, RiskPolicy
from apps.agents.queries.risk_preview import preview_of
from apps.agents.risk.rules import Rules, differences, problems_of
from apps.agents.services.risk import STEP, hold_policy, move_under, standing_policy
from apps.identity.access import require
from apps.identity.audit import acting
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import Conflict, InvalidInput, StaleWrite, require_reason
from apps.kit.request_id import current_request_id, within_request

TASK = "agents.recalculate_risk"
EDITABLE = ("name", "note", "rules")


@transaction.atomic
def draft_policy(
    name: str,
    rules: Mapping[str, Any],
    *,
    actor: Principal,
    note: str = "",
    based_on: RiskPolicy | None = None,
) -> RiskPolicy:
    """Write a policy down without applying it. Parts that `rules` leaves out are as in `based_on`, the policy in force
    where that is None."""
    require(actor, Permission.RISK_POLICY)
    based_on = based_on or standing_policy()
    policy = RiskPolicy(name=name.strip(), note=note.strip(), based_on=based_on, created_by=actor)
    _set_rules(policy, based_on.rules | dict(rules))
    policy.save()
    record_act(
        "agents.risk_policy.drafted", actor=actor, target=_target(policy), detail={"name": policy.name}
    )
    return policy


@transaction.atomic
def edit_policy(
    policy: RiskPolicy, changes: Mapping[str, Any], *, actor: Principal, version: int | None = None
) -> RiskPolicy:
    """Change a draft: its name, note, or parts of its rules. `version` refuses a stale write."""
    require(actor, Permission.RISK_POLICY)
    policy = _draft(policy, version)
    unknown = sorted(set(changes) - set(EDITABLE))
    if unknown:
        raise InvalidInput("Nothing was written.", fields=dict.fromkeys(unknown, "There is no such field"))
    before = policy.parsed
    policy.name = str(changes.get("name", policy.name)).strip()
    policy.note = str(changes.get("note", policy.note)).strip()
    _set_rules(policy, policy.rules | dict(changes.get("rules", {})))
    policy.version += 1
    policy.save()
    detail = {"name": policy.name, "parts": differences(before, policy.parsed)}
    record_act("agents.risk_policy.edited", actor=actor, target=_target(policy), detail=detail)
    return policy


@transaction.atomic
def discard_policy(policy: RiskPolicy, *, actor: Principal) -> None:
    """Throw a draft away. What was applied once stays for good."""
    require(actor, Permission.RISK_POLICY)
    policy = _draft(policy, None)
    record_act(
        "agents.risk_policy.discarded", actor=actor, target=_target(policy), detail={"name": policy.name}
    )
    policy.delete()


def return_to_policy(policy: RiskPolicy, *, actor: Principal) -> RiskPolicy:
    """A draft with the rules of a former version; applying it is an act of its own, with a number of its own."""
    if policy.number is None:
        raise Conflict("This is a draft; edit it instead.", code="agents.risk_policy.is_draft")
    note = f"Returns to version {policy.number}, {policy.name}."
    return draft_policy(policy.name, policy.rules, actor=actor, note=note, based_on=policy)


@transaction.atomic
def apply_policy(
    policy: RiskPolicy, *, actor: Principal, reason: str, version: int | None = None
) -> RiskPolicy:
    """Put a draft into force and begin to recalculate every agent. `version` is the one whose preview was seen.

    The ledger keeps what differs from the policy before and how many agents move from which tier to which.
    """
    require(actor, Permission.RISK_POLICY)
    require_reason(reason, "Say why the fleet is judged by this from now on")
    before = hold_policy(to_replace=True)
    policy = _draft(policy, version)
    preview = preview_of(policy.parsed)
    RiskPolicy.objects.filter(pk=before.pk).update(state=RiskPolicy.State.FORMER, finished_at=timezone.now())
    highest = RiskPolicy.objects.aggregate(highest=Max("number"))["highest"] or 0
    policy.number, policy.state, policy.reason = highest + 1, RiskPolicy.State.APPLIED, reason.strip()
    policy.applied_by, policy.applied_at, policy.request_id = actor, timezone.now(), current_request_id()
    policy.total, policy.moves, policy.progressed_at = (
        Agent.objects.on_record().count(),
        preview.summary(),
        timezone.now(),
    )
    policy.version += 1
    policy.save()
    detail = {
        "name": policy.name, "number": policy.number, "before": before.number, "agents": policy.total, "moves": policy.moves,
        "parts": differences(before.parsed, policy.parsed), "lacking": len(preview.lacking),
    }  # fmt: skip
    record_act(
        "agents.risk_policy.applied", actor=actor, target=_target(policy), reason=policy.reason, detail=detail
    )
    transaction.on_commit(lambda: enqueue_recalculation(policy.pk))
    return policy


def recalculate(policy_id: UUID, *, step: int = STEP) -> int:
    """Do the steps that are left; returns how many agents were worked on. Two workers share no step."""
    worked = 0
    while done := advance_recalculation(policy_id, step=step):
        worked += done
    return worked


@transaction.atomic
def advance_recalculation(policy_id: UUID, *, step: int = STEP) -> int:
    """One step; 0 when nothing is left, another policy was applied since, or another worker is at it."""
    hold_policy()  # before the row, as applying takes them: the other order waits in a ring
    policy = RiskPolicy.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=policy_id).first()
    if policy is None or not policy.is_recalculating:
        return 0
    rows = Agent.objects.on_record()
    rows = rows.filter(pk__gt=policy.cursor) if policy.cursor else rows
    agents = list(rows.select_for_update(no_key=True).order_by("pk")[:step])
    if not agents:
        policy.finished_at = timezone.now()
        policy.save(update_fields=["finished_at"])
        return 0
    moved = _move_under(agents, policy)
    RiskPolicy.objects.filter(pk=policy.pk).update(
        cursor=agents[-1].pk,
        done=F("done") + len(agents),
        moved=F("moved") + moved,
        progressed_at=timezone.now(),
    )
    return len(agents)


def stalled_recalculation() -> UUID | None:
    """The applied policy whose recalculation is not over and has not moved for a minute; None mostly."""
    policy = RiskPolicy.objects.filter(state=RiskPolicy.State.APPLIED, finished_at=None).first()
    quiet = timezone.now() - timedelta(minutes=1)
    return policy.pk if policy is not None and policy.progressed_at < quiet else None


def enqueue_recalculation(policy_id: UUID) -> None:
    """Wake a worker; where the broker is away, the minute's look for stalled work finds it."""
    try:
        current_app.send_task(TASK, [str(policy_id)], retry=False)
    except OperationalError:
        return


def _move_under(agents: list[Agent], policy: RiskPolicy) -> int:
    """As the act of whoever applied the policy."""
    actor = policy.applied_by or system_principal()
    with within_request(policy.request_id), acting(actor):
        return len(move_under(agents, policy, actor=actor))


def _draft(policy: RiskPolicy, version: int | None) -> RiskPolicy:
    locked = RiskPolicy.objects.select_for_update(of=("self",)).get(pk=policy.pk)
    if locked.state != RiskPolicy.State.DRAFT:
        raise Conflict(f"{locked} was applied; it stays as it is.", code="agents.risk_policy.not_a_draft")
    if version is not None and locked.version != version:
        raise StaleWrite(f"{locked.name} was changed meanwhile; look at its preview again.")
    return locked


def _set_rules(policy: RiskPolicy, rules: Mapping[str, Any]) -> None:
    problems = {} if 0 < len(policy.name) <= 120 else {"name": "Enter a name of at most 120 characters"}
    unknown = sorted(set(rules) - set(Rules().as_json()))
    problems |= dict.fromkeys((f"rules.{name}" for name in unknown), "There is no such part")
    try:
        parsed = Rules.of_json(rules)
        problems |= {f"rules.{name}": words for name, words in problems_of(parsed).items()}
    except (TypeError, ValueError, AttributeError):
        raise InvalidInput(
            "The policy was not written.", fields={"rules": "The rules are not of the form that is read"}
        ) from None
    if problems:
        raise InvalidInput("The policy was not written.", fields=problems)
    policy.rules = parsed.as_json()


def _target(policy: RiskPolicy) -> tuple[str, UUID]:
    return "risk_policy", policy.pk

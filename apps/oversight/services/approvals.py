"""A person's word about calls that wait: approve, deny, change, ask back, hand on, carry out; and what silence comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from chancery_sdk.policy.question import Question
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.agents.access import may, require_for
from apps.identity.access import not_permitted
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import Conflict, DomainError, InvalidInput, NotPermitted, StaleWrite, require_reason
from apps.oversight import holding
from apps.oversight.binding import digest_of
from apps.oversight.models import Approval, ApprovalNote, ApprovalVote
from apps.oversight.signals import approval_changed

MOST_TOGETHER = 200
STATES = Approval.State
Kind = Approval.Kind


@dataclass(frozen=True)
class Answer:
    """`arguments` in place of those asked for, None for as asked. `seen_digest` is that of what the person had before them,
    '' where they answer unseen (over REST); `open_s` how long. `version` refuses an answer to what was changed meanwhile."""

    approves: bool
    reason: str = ""
    arguments: Mapping[str, Any] | None = None
    seen_digest: str = ""
    open_s: float | None = None
    version: int | None = None


@dataclass(frozen=True)
class Together:
    """Answers to many: those that were given, and for each other one why not, by its id."""

    answered: Sequence[Approval] = ()
    refused: Mapping[str, DomainError] = field(default_factory=dict)


@transaction.atomic
def answer_approval(approval: Approval, given: Answer, *, actor: Principal) -> Approval:
    """Say yes or no. The row is locked: of two people who answer at once, the second is told that it was answered.

    Where two have to agree, the first yes leaves it waiting; one no ends it.
    """
    approval = _locked(approval, actor)
    _require_open(approval)
    _require_other(approval, actor)
    _check_answer(approval, given)
    if ApprovalVote.objects.filter(approval=approval, person=actor).exists():
        raise Conflict("You have answered already; another person has to.", code="approval.answered")
    ApprovalVote.objects.create(
        approval=approval,
        person=actor,
        approves=given.approves,
        reason=given.reason.strip(),
        open_s=given.open_s,
    )
    if given.approves and given.arguments is not None and dict(given.arguments) != approval.arguments:
        approval.changed_arguments = dict(given.arguments)
        approval.digest = _digest(approval, given.arguments)
    if given.approves and approval.votes.filter(approves=True).count() < approval.needed:
        _save(approval)
        _record("seconded", approval, actor, given)
        return approval
    return _settle(approval, given, actor)


def answer_together(approvals: Sequence[Approval], given: Answer, *, actor: Principal) -> Together:
    """The same answer to each; each is its own transaction, so that one that was answered meanwhile keeps no other."""
    if len(approvals) > MOST_TOGETHER:
        raise InvalidInput("Nothing was answered.", fields={"approvals": f"At most {MOST_TOGETHER} at once"})
    answered, refused = [], {}
    for one in approvals:
        try:
            answered.append(answer_approval(one, replace(given, seen_digest=one.seen_digest), actor=actor))
        except DomainError as error:
            refused[str(one.pk)] = error
    return Together(answered, refused)


@transaction.atomic
def withdraw_approval(approval: Approval, *, actor: Principal, reason: str = "") -> Approval:
    """The agent needs it no more, or whoever may ask for the agent says so."""
    approval = Approval.objects.select_for_update(of=("self",)).select_related("agent").get(pk=approval.pk)
    require_for(actor, Permission.DECISIONS_ASK, approval.agent)
    if approval.state not in (STATES.PENDING, STATES.APPROVED):
        raise Conflict("It cannot be withdrawn any more.", code=f"approval.{approval.state}")
    return _end(approval, STATES.WITHDRAWN, actor, reason)


@transaction.atomic
def hand_over_approval(approval: Approval, to: Principal, *, actor: Principal, reason: str) -> Approval:
    """Leave it to somebody else who may decide about this agent."""
    approval = _locked(approval, actor)
    _require_open(approval)
    require_reason(reason, "Say why they are better placed")
    if not may(to, Permission.APPROVALS_DECIDE, approval.agent) or _started_it(approval, to):
        raise InvalidInput(
            "It was not handed over.", fields={"to": f"{to.name} may not decide about this call"}
        )
    approval.assignee = to
    _save(approval, "assignee")
    _tell("handed_over", approval, actor, reason, {"to": to.name})
    return approval


@transaction.atomic
def write_note(approval: Approval, text: str, *, actor: Principal) -> ApprovalNote:
    """A question to the agent, or the agent's answer. The call goes on waiting."""
    approval = Approval.objects.select_for_update(of=("self",)).select_related("agent").get(pk=approval.pk)
    if actor.kind == Principal.Kind.HUMAN:
        _require_may(approval, actor)
    else:
        require_for(actor, Permission.DECISIONS_ASK, approval.agent)
    _require_open(approval)
    if not text.strip():
        raise InvalidInput("Nothing was asked.", fields={"text": "Write the question"})
    note = ApprovalNote.objects.create(approval=approval, author=actor, text=text.strip()[:4000])
    _tell("noted", approval, actor, note.text)
    return note


@transaction.atomic
def carry_out(approval: Approval, *, actor: Principal, note: str) -> Approval:
    """A person has done what the agent prepared, and says so."""
    approval = _locked(approval, actor)
    _require_open(approval)
    _require_other(approval, actor)
    if approval.kind != Kind.HUMAN_ONLY:
        raise Conflict(
            "The agent makes this call itself once it is approved.", code="approval.not_for_people"
        )
    require_reason(note, "Say what you did")
    return _end(approval, STATES.DONE, actor, note)


@transaction.atomic
def expire_approvals(now: datetime | None = None) -> int:
    """What nobody answered in time comes to what was chosen for that; returns how many."""
    now = now or timezone.now()
    rows = Approval.objects.open().filter(expires_at__lte=now).select_related("agent").order_by("pk")
    late = list(rows.select_for_update(of=("self",), skip_locked=True)[:500])
    for one in late:
        if one.on_expiry == "allow" and one.kind == Kind.APPROVE:
            one.usable_until = now + timedelta(seconds=settings.APPROVAL_USABLE_S)
            _end(
                one, STATES.APPROVED, system_principal(), "Nobody answered in time; the policy lets it go on."
            )
        else:
            _end(one, STATES.EXPIRED, system_principal(), "Nobody answered in time.")
    return len(late)


def _settle(approval: Approval, given: Answer, actor: Principal) -> Approval:
    now = timezone.now()
    approval.state = STATES.APPROVED if given.approves else STATES.DENIED
    approval.decided_at, approval.decided_by, approval.decision_reason = now, actor, given.reason.strip()
    approval.usable_until = now + timedelta(seconds=settings.APPROVAL_USABLE_S) if given.approves else None
    _save(approval, "state", "decided_at", "decided_by", "decision_reason", "usable_until")
    _record("approved" if given.approves else "denied", approval, actor, given)
    return approval


def _end(approval: Approval, state: str, actor: Principal, reason: str) -> Approval:
    approval.state, approval.decided_at, approval.decided_by = state, timezone.now(), actor
    approval.decision_reason = reason.strip()
    _save(approval, "state", "decided_at", "decided_by", "decision_reason", "usable_until")
    _tell(state, approval, actor, reason)
    return approval


def _save(approval: Approval, *columns: str) -> None:
    approval.version += 1
    approval.save(update_fields=[*columns, "changed_arguments", "digest", "version"])


def _record(what: str, approval: Approval, actor: Principal, given: Answer) -> None:
    open_ms = None if given.open_s is None else int(given.open_s * 1000)
    changed = approval.changed_arguments is not None
    _tell(
        what,
        approval,
        actor,
        given.reason,
        {"seen": given.seen_digest, "open_ms": open_ms, "changed": changed},
    )


def _tell(
    what: str, approval: Approval, actor: Principal, reason: str = "", detail: Mapping[str, Any] | None = None
) -> None:
    told = {
        "agent": approval.agent_id, "tool": approval.tool_name, "digest": approval.digest, "decision": approval.decision_id,
        **(detail or {}),
    }  # fmt: skip
    record_act(
        f"oversight.approval.{what}",
        actor=actor,
        target=("approval", approval.pk),
        reason=reason.strip(),
        detail=told,
    )
    approval_changed.send(sender=Approval, approval=approval, what=what)


def _locked(approval: Approval, actor: Principal) -> Approval:
    rows = Approval.objects.select_for_update(of=("self",)).select_related("agent", "requested_by")
    approval = rows.get(pk=approval.pk)
    _require_may(approval, actor)
    return approval


def _require_may(approval: Approval, actor: Principal) -> None:
    if actor.kind != Principal.Kind.HUMAN or not may(actor, Permission.APPROVALS_DECIDE, approval.agent):
        raise not_permitted(Permission.APPROVALS_DECIDE)


def _require_open(approval: Approval) -> None:
    if approval.state != STATES.PENDING:
        words = STATES(approval.state).label
        raise Conflict(f"It does not wait any more: {words.lower()}.", code="approval.settled")
    if approval.expires_at <= timezone.now():
        raise Conflict("The time to answer is over.", code="approval.expired")


def _require_other(approval: Approval, actor: Principal) -> None:
    if _started_it(approval, actor):
        raise NotPermitted("Nobody decides about what they started themselves.", code="approval.own_request")


def _started_it(approval: Approval, person: Principal) -> bool:
    names = {str(person.pk), person.name.casefold()}
    if email := getattr(getattr(person, "person", None), "email", ""):
        names.add(email.casefold())
    return approval.requested_by_id == person.pk or approval.on_behalf_of.strip().casefold() in names


def _check_answer(approval: Approval, given: Answer) -> None:
    if given.version is not None and given.version != approval.version:
        raise StaleWrite("It was changed meanwhile; look at it again.")
    if given.seen_digest and given.seen_digest != approval.seen_digest:
        raise StaleWrite("What you were shown is not what waits; look at it again.")
    if not given.approves:
        require_reason(given.reason, "Say why, the agent is told")
        return
    if approval.kind == Kind.HUMAN_ONLY:
        raise Conflict("A person carries this out; say what you did.", code="approval.for_people_only")
    if given.arguments is not None and approval.needed > 1:
        raise Conflict(
            "Where two agree, nothing is changed: deny it and say what to ask.", code="approval.four_eyes"
        )


def _digest(approval: Approval, arguments: Mapping[str, Any]) -> str:
    """What the changed call is bound to, as the agent will ask about it."""
    asked = Question(
        tool=approval.tool_name,
        operation=approval.operation,
        arguments=arguments,
        on_behalf_of=approval.on_behalf_of,
    )
    return digest_of(holding.held(approval.agent_id), asked)

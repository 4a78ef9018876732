"""Asking for an erasure, confirming what its preview showed, and cancelling it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.activity.erasure.job import begin_round, expected_rows, told_of
from apps.activity.erasure.patterns import LONGEST, SHORTEST, exact, normal, signs
from apps.activity.erasure.places import LEDGER
from apps.activity.erasure.subject import digest_of, sealed
from apps.activity.models import Erasure
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, require_reason

TASK = "activity.erase"
MOST_IDENTIFIERS, MOST_CONVERSATIONS = 20, 20
LONGEST_CONVERSATION = 255
STATE = Erasure.State


@dataclass(frozen=True)
class Asked:
    """Identifiers of one person, each as people write it, and conversations that are that person's as a whole."""

    identifiers: Sequence[str]
    conversations: Sequence[str] = ()

    def cleaned(self) -> Asked:
        """Each once: of identifiers that are found alike the first."""
        told = [one.strip() for one in self.identifiers if one.strip()]
        alike = {normal(one): one for one in reversed(told)}
        kept = [one for one in told if alike[normal(one)] == one]
        return Asked(
            list(dict.fromkeys(kept)),
            list(dict.fromkeys(one.strip() for one in self.conversations if one.strip())),
        )


@transaction.atomic
def request_erasure(asked: Asked, *, actor: Principal, reason: str) -> Erasure:
    """Begin to look for a person's data everywhere. Nothing changes before somebody confirms what was found."""
    require(actor, Permission.RECORDING_MANAGE)
    require_reason(reason, "Say why it is erased, without naming the person")
    asked, reason = asked.cleaned(), reason.strip()
    _check(asked, reason)
    erasure = Erasure(
        reason=reason,
        asked_by=actor,
        digests=[digest_of(one) for one in asked.identifiers],
        conversations=len(asked.conversations),
        sealed=sealed(asked.identifiers, asked.conversations),
        expected=expected_rows(),
    )
    begin_round(erasure, 0)
    erasure.save(force_insert=True)
    _record("requested", erasure, actor, reason)
    _wake(erasure)
    return erasure


@transaction.atomic
def confirm_erasure(erasure: Erasure, *, actor: Principal) -> Erasure:
    """Remove what the preview showed, and what came since; after a fault go on where it stood. Twice is once."""
    erasure = _own(erasure, actor)
    if erasure.state == STATE.RUNNING:
        return erasure
    if not erasure.may_be_confirmed:
        raise Conflict(
            f"It can be confirmed once it was counted; now: {STATE(erasure.state).label.lower()}.",
            code="activity.erasure.not_ready",
        )
    if erasure.round == 0:
        erasure.expected = erasure.seen
        begin_round(erasure, 1)
        erasure.confirmed_by, erasure.confirmed_at = actor, timezone.now()
    erasure.state, erasure.attempts, erasure.progressed_at = STATE.RUNNING, 0, timezone.now()
    erasure.save()
    _record("confirmed", erasure, actor)
    _wake(erasure)
    return erasure


@transaction.atomic
def cancel_erasure(erasure: Erasure, *, actor: Principal) -> Erasure:
    """End it and forget the identifiers. What was erased already stays erased."""
    erasure = _own(erasure, actor)
    if erasure.is_over:
        raise Conflict("It is over.", code="activity.erasure.over")
    erasure.state, erasure.sealed, erasure.finished_at = STATE.CANCELLED, "", timezone.now()
    erasure.save(update_fields=["state", "sealed", "finished_at"])
    _record("cancelled", erasure, actor)
    return erasure


def _check(asked: Asked, reason: str) -> None:
    problems = dict(_problems(asked))
    if not problems and exact(asked.identifiers).search(reason):
        problems["reason"] = (
            "Leave the person out of it: the reason goes into the ledger, where nothing can be erased"
        )
    if problems:
        raise InvalidInput("Nothing was begun.", fields=problems)


def _problems(asked: Asked) -> Iterator[tuple[str, str]]:
    if not 1 <= len(asked.identifiers) <= MOST_IDENTIFIERS:
        yield "identifiers", f"Enter 1 to {MOST_IDENTIFIERS}"
    elif any(signs(one) < SHORTEST or len(one) > LONGEST for one in asked.identifiers):
        yield (
            "identifiers",
            f"Each needs {SHORTEST} letters or digits at least, and {LONGEST} characters at most",
        )
    if len(asked.conversations) > MOST_CONVERSATIONS:
        yield "conversations", f"Enter at most {MOST_CONVERSATIONS}"
    elif any(len(one) > LONGEST_CONVERSATION for one in asked.conversations):
        yield "conversations", f"Use at most {LONGEST_CONVERSATION} characters for each"


def _own(erasure: Erasure, actor: Principal) -> Erasure:
    """The row, locked: a step of the job that is under way is waited for."""
    require(actor, Permission.RECORDING_MANAGE)
    return Erasure.objects.select_for_update(of=("self",)).get(pk=erasure.pk)


def _record(verb: str, erasure: Erasure, actor: Principal, reason: str = "") -> None:
    detail = told_of(erasure) | {"stays": erasure.found.get(LEDGER, 0)}
    record_act(
        f"activity.erasure.{verb}", actor=actor, target=("erasure", erasure.pk), reason=reason, detail=detail
    )


def _wake(erasure: Erasure) -> None:
    transaction.on_commit(lambda: _enqueue(erasure.pk))


def _enqueue(erasure_id: UUID) -> None:
    """Where the broker is away the clock finds it."""
    try:
        current_app.send_task(TASK, [str(erasure_id)], retry=False)
    except OperationalError:
        return

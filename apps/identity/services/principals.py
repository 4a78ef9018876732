"""Ending what a principal can act with, and giving it back: keys, sessions, its standing itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from apps.identity.models import ApiKey, Person, Principal
from apps.identity.services.ledger import record_act


@transaction.atomic
def close_principal(principal: Principal, *, actor: Principal, reason: str) -> Principal:
    """Deactivate it, revoke its keys and end its sessions. A step of the act that calls it, which checked who may."""
    principal = Principal.objects.select_for_update().get(pk=principal.pk)
    was_active, principal.is_active = principal.is_active, False
    principal.save(update_fields=["is_active"])
    keys = ApiKey.objects.filter(principal=principal, revoked_at=None)
    closed = list(keys.values_list("pk", flat=True))
    keys.update(revoked_at=timezone.now())
    for key in closed:
        record_act("identity.api_key.revoked", actor=actor, target=("api_key", key), reason=reason)
    sessions = end_sessions(principal, actor=actor)
    if was_active:
        record_act(
            "identity.principal.deactivated",
            actor=actor,
            target=("principal", principal.pk),
            reason=reason,
            detail={"keys": len(closed), "sessions": sessions},
        )
    return principal


def end_sessions(principal: Principal, *, actor: Principal) -> int:
    """Sign the person behind it out everywhere, at once; returns of how many sessions.

    Django keeps whose a session is inside the session, so those that still run are read one after the other.
    """
    person = Person.objects.filter(principal=principal).first()
    if person is None:
        return 0
    running = Session.objects.filter(expire_date__gt=timezone.now()).iterator(chunk_size=500)
    theirs = [one.pk for one in running if one.get_decoded().get("_auth_user_id") == str(person.pk)]
    return Session.objects.filter(pk__in=theirs).delete()[0]


def suspend_principals(ids: Collection[UUID], *, at: datetime) -> None:
    """Their keys open nothing but asking and reporting from now on. A step of the act that stops them; one query."""
    Principal.objects.filter(pk__in=ids, suspended_at=None).update(suspended_at=at)


def restore_principals(ids: Collection[UUID]) -> None:
    """The end of a suspension. A step of the act that lets them act again; one query."""
    Principal.objects.filter(pk__in=ids).update(suspended_at=None)

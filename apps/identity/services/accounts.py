"""Accounts over time: closed when somebody leaves, opened again, their passwords reset and changed."""

from __future__ import annotations

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.identity.access import require
from apps.identity.models import Person, Principal, RoleAssignment
from apps.identity.roles import Permission, Role
from apps.identity.services.ledger import record_act
from apps.identity.services.principals import close_principal, end_sessions
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, require_reason


@transaction.atomic
def deactivate_person(principal: Principal, *, actor: Principal, reason: str) -> Principal:
    """Close an account at once: sessions end, keys are revoked. Roles stay, for the record and a return."""
    require(actor, Permission.IDENTITY_MANAGE)
    require_reason(reason, "Say why the account is closed")
    if principal.pk == actor.pk:
        raise Conflict("Somebody else must close your own account.", code="identity.person.self")
    require_another_administrator(principal, actor=actor)
    return close_principal(principal, actor=actor, reason=reason.strip())


@transaction.atomic
def reactivate_person(principal: Principal, *, actor: Principal, reason: str) -> Principal:
    """Open an account again, with the roles it had. Its keys stay revoked."""
    require(actor, Permission.IDENTITY_MANAGE)
    require_reason(reason, "Say why the account is opened again")
    principal = Principal.objects.select_for_update().get(pk=principal.pk)
    if principal.is_active:
        raise Conflict(f"The account of {principal.name} is open.", code="identity.person.active_already")
    principal.is_active = True
    principal.save(update_fields=["is_active"])
    target = ("principal", principal.pk)
    record_act("identity.principal.reactivated", actor=actor, target=target, reason=reason.strip())
    return principal


@transaction.atomic
def reset_password(principal: Principal, *, actor: Principal, reason: str) -> str:
    """A new password, in this answer and nowhere else; it signs in once, to choose another. Sessions end."""
    require(actor, Permission.IDENTITY_MANAGE)
    require_reason(reason, "Say why the password is reset, and how you know who asked")
    person = _locked_person(principal)
    password = secrets.token_urlsafe(15)
    person.set_password(password)
    person.must_change_password = True
    person.save(update_fields=["password", "must_change_password"])
    end_sessions(principal, actor=actor)
    target = ("principal", principal.pk)
    record_act("identity.password.reset", actor=actor, target=target, reason=reason.strip())
    return password


@transaction.atomic
def change_password(principal: Principal, current: str, new: str, *, actor: Principal) -> Person:
    """Somebody's own choice. Every other session of theirs ends; the caller keeps its own."""
    if actor.pk != principal.pk:
        raise NotPermitted("A password is chosen by whose it is; an administrator can reset it.")
    person = _locked_person(principal)
    if not person.check_password(current):
        raise InvalidInput(
            "The password was not changed.", fields={"current": "This is not your password now"}
        )
    _check_new(person, current, new)
    person.set_password(new)
    person.must_change_password = False
    person.save(update_fields=["password", "must_change_password"])
    record_act("identity.password.changed", actor=actor, target=("principal", principal.pk))
    return person


def require_another_administrator(principal: Principal, *, actor: Principal) -> None:
    """Raise Conflict where this is the last active administrator everywhere."""
    administrators = RoleAssignment.objects.select_for_update(of=("self",)).filter(
        role=Role.ADMINISTRATOR, team=None, principal__is_active=True
    )
    if {row.principal_id for row in administrators} == {principal.pk}:
        raise Conflict("Somebody must stay administrator.", code="identity.role.last_administrator")


def _locked_person(principal: Principal) -> Person:
    person = (
        Person.objects.select_for_update(of=("self",)).select_related("principal").get(principal=principal)
    )
    return person


def _check_new(person: Person, current: str, new: str) -> None:
    problems = []
    try:
        validate_password(new, person)
    except ValidationError as error:
        problems = list(error.messages)
    if new == current:
        problems.append("Choose another than the one you have now.")
    if problems:
        raise InvalidInput("The password was not changed.", fields={"new": " ".join(problems)})

"""People, teams and the roles they hold."""

from __future__ import annotations

from django.db import transaction

from apps.identity.access import require
from apps.identity.models import Person, Principal, RoleAssignment, Team
from apps.identity.roles import Permission, Role
from apps.identity.services.accounts import require_another_administrator
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import Conflict, InvalidInput, require_reason


@transaction.atomic
def create_team(name: str, *, actor: Principal, parent: Team | None = None) -> Team:
    require(actor, Permission.IDENTITY_MANAGE)
    if Team.objects.filter(name__iexact=name.strip()).exists():
        raise Conflict(f"There is a team named {name} already.", code="identity.team.exists")
    team = Team.objects.create(name=_team_name(name), parent=parent)
    record_act("identity.team.created", actor=actor, target=("team", team.pk), detail={"name": team.name})
    return team


@transaction.atomic
def edit_team(team: Team, name: str, *, actor: Principal, parent: Team | None = None) -> Team:
    """Rename a team or place it under another; no team stands under itself."""
    require(actor, Permission.IDENTITY_MANAGE)
    team = Team.objects.select_for_update().get(pk=team.pk)
    if Team.objects.filter(name__iexact=name.strip()).exclude(pk=team.pk).exists():
        raise Conflict(f"There is a team named {name} already.", code="identity.team.exists")
    above = parent
    while above is not None:
        if above.pk == team.pk:
            raise InvalidInput(
                "The team stays as it is.", fields={"parent": "Choose a team that is not below it"}
            )
        above = above.parent
    before = {"name": team.name, "parent": team.parent_id}
    team.name, team.parent = _team_name(name), parent
    team.save(update_fields=["name", "parent"])
    after = {"name": team.name, "parent": team.parent_id}
    changes = {
        key: [str(before[key] or ""), str(after[key] or "")] for key in after if after[key] != before[key]
    }
    if changes:
        record_act("identity.team.edited", actor=actor, target=("team", team.pk), detail={"changes": changes})
    return team


@transaction.atomic
def create_person(
    email: str, name: str, *, actor: Principal, password: str | None = None, job_title: str = ""
) -> Person:
    """An account; without a password it can only be used through single sign-on or a reset.

    A password given here is known to somebody else, so it opens nothing but the choice of another.
    """
    require(actor, Permission.IDENTITY_MANAGE)
    if Person.objects.filter(email__iexact=email).exists():
        raise Conflict(f"There is an account for {email} already.", code="identity.person.exists")
    person = Person.objects.create_user(
        email, name, password, job_title=job_title, must_change_password=password is not None
    )
    record_act(
        "identity.person.created",
        actor=actor,
        target=("principal", person.principal_id),
        detail={"email": person.email, "name": name},
    )
    return person


@transaction.atomic
def bootstrap_administrator(email: str, name: str, password: str) -> Person:
    """The first administrator of an installation, made at its console; Chancery itself is the actor."""
    if Person.objects.filter(email__iexact=email).exists():
        raise Conflict(f"There is an account for {email} already.", code="identity.person.exists")
    person = Person.objects.create_superuser(email, name, password)
    record_act(
        "identity.person.created",
        actor=system_principal(),
        target=("principal", person.principal_id),
        reason="Made at the console.",
        detail={"email": person.email, "name": person.name, "role": Role.ADMINISTRATOR.value},
    )
    return person


@transaction.atomic
def assign_role(
    principal: Principal, role: str, *, actor: Principal, team: Team | None = None
) -> RoleAssignment:
    """Give a role for one team, or everywhere when `team` is None. Giving it twice changes nothing."""
    require(actor, Permission.IDENTITY_MANAGE)
    if role not in Role.values:
        raise InvalidInput(
            "There is no such role.", fields={"role": f"Choose one of {', '.join(Role.values)}"}
        )
    assignment, created = RoleAssignment.objects.get_or_create(principal=principal, role=role, team=team)
    if created:
        _mirror_staff(principal)
        record_act(
            "identity.role.assigned",
            actor=actor,
            target=("principal", principal.pk),
            detail={"role": role, "team": team.pk if team else None},
        )
    return assignment


@transaction.atomic
def withdraw_role(assignment: RoleAssignment, *, actor: Principal, reason: str) -> None:
    """Take a role back; the last administrator everywhere cannot lose theirs."""
    require(actor, Permission.IDENTITY_MANAGE)
    require_reason(reason, "Say why the role is taken back")
    principal = assignment.principal
    if assignment.role == Role.ADMINISTRATOR and assignment.team_id is None:
        require_another_administrator(principal, actor=actor)
    record_act(
        "identity.role.withdrawn",
        actor=actor,
        target=("principal", principal.pk),
        reason=reason.strip(),
        detail={"role": assignment.role, "team": assignment.team_id},
    )
    assignment.delete()
    _mirror_staff(principal)


def _team_name(name: str) -> str:
    if not name.strip():
        raise InvalidInput("A team needs a name.", fields={"name": "Enter a name"})
    return name.strip()


def _mirror_staff(principal: Principal) -> None:
    """The administration site opens to administrators only; Django asks the person's own flag for that."""
    administers = principal.roles.filter(role=Role.ADMINISTRATOR, team=None).exists()
    Person.objects.filter(principal=principal).update(is_staff=administers, is_superuser=administers)

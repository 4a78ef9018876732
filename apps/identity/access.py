"""What one principal may do: the sum of its roles, everywhere and team by team."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from apps.identity.models import ApiKey, Principal
from apps.identity.roles import (
    AGENT_PERMISSIONS,
    ROLE_PERMISSIONS,
    SERVICE_PERMISSIONS,
    SERVICE_TEAM_PERMISSIONS,
    Permission,
    permits_scope,
)
from apps.kit.errors import NotPermitted

NOTHING: frozenset[str] = frozenset()
LEFT_TO_THE_SUSPENDED = frozenset({Permission.DECISIONS_ASK, Permission.INGEST})  # to be denied, and to tell
BUILT_IN = {Principal.Kind.AGENT.value: AGENT_PERMISSIONS, Principal.Kind.SERVICE.value: SERVICE_PERMISSIONS}


@dataclass(frozen=True)
class Access:
    """Permissions held everywhere, and per team on top of those."""

    everywhere: frozenset[str]
    by_team: dict[UUID, frozenset[str]] = field(default_factory=dict)

    def allows(self, permission: str, team_id: UUID | None = None) -> bool:
        """True when held everywhere, or for this team."""
        return permission in self.everywhere or permission in self.by_team.get(team_id, NOTHING)  # type: ignore[arg-type]

    def allows_somewhere(self, permission: str) -> bool:
        """True when held everywhere or for any team: enough to open a page that then shows one's own."""
        return permission in self.everywhere or any(permission in held for held in self.by_team.values())

    def teams_with(self, permission: str) -> list[UUID]:
        return [team_id for team_id, held in self.by_team.items() if permission in held]

    def narrowed_to(self, scopes: list[str]) -> Access:
        """The same access seen through an API key with these scopes."""

        def keep(held: Iterable[str]) -> frozenset[str]:
            return frozenset(permission for permission in held if permits_scope(scopes, permission))

        return Access(keep(self.everywhere), {team: keep(held) for team, held in self.by_team.items()})


def access_of(principal: Principal) -> Access:
    """The principal's access; one query, then remembered on the instance (a request's lifetime)."""
    remembered: Access | None = getattr(principal, "_access", None)
    if remembered is None:
        remembered = _load(principal)
        principal._access = remembered  # type: ignore[attr-defined]
    return remembered


def act_through(principal: Principal, key: ApiKey) -> Principal:
    """Narrow this principal instance to what `key` lets it do; returns the same instance."""
    principal._access = access_of(principal).narrowed_to(key.scopes)  # type: ignore[attr-defined]
    return principal


def require(actor: Principal, permission: str, team_id: UUID | None = None) -> None:
    """Raise NotPermitted unless the actor holds `permission` everywhere or for the team."""
    if not access_of(actor).allows(permission, team_id):
        raise not_permitted(permission)


def require_somewhere(actor: Principal, permission: str) -> None:
    """Raise NotPermitted unless the actor holds `permission` everywhere or for any team."""
    if not access_of(actor).allows_somewhere(permission):
        raise not_permitted(permission)


def not_permitted(permission: str) -> NotPermitted:
    """The refusal, naming the permission and the roles that carry it."""
    roles = sorted(role for role, held in ROLE_PERMISSIONS.items() if permission in held)
    holders = f" Roles that carry it: {', '.join(roles)}." if roles else ""
    return NotPermitted(f"This needs the permission {permission}.{holders}")


def _load(principal: Principal) -> Access:
    if not principal.is_active:
        return Access(NOTHING)
    everywhere = set(BUILT_IN.get(principal.kind, NOTHING))
    if principal.suspended_at is not None:
        return Access(LEFT_TO_THE_SUSPENDED & everywhere)
    by_team: dict[UUID, frozenset[str]] = {}
    if principal.kind == Principal.Kind.SERVICE and principal.team_id:
        by_team[principal.team_id] = SERVICE_TEAM_PERMISSIONS
    for role, team_id in principal.roles.values_list("role", "team_id"):
        if team_id is None:
            everywhere |= ROLE_PERMISSIONS[role]
        else:
            by_team[team_id] = by_team.get(team_id, NOTHING) | ROLE_PERMISSIONS[role]
    return Access(frozenset(everywhere), by_team)

"""What somebody may do to one agent: through a role, or by being its owner or deputy."""

from __future__ import annotations

from apps.agents.models import Agent
from apps.identity.access import access_of, not_permitted
from apps.identity.models import Principal
from apps.identity.roles import ROLE_PERMISSIONS, Role


def may(actor: Principal, permission: str, agent: Agent) -> bool:
    """True when a role everywhere or in the agent's team grants it, or ownership of this agent does."""
    access = access_of(actor)
    if access.allows(permission, agent.team_id):
        return actor.kind != Principal.Kind.AGENT or agent.principal_id == actor.pk
    named = actor.pk in (agent.owner_id, agent.deputy_id)
    return named and permission in ROLE_PERMISSIONS[Role.OWNER] and access.allows_somewhere(permission)


def require_for(actor: Principal, permission: str, agent: Agent) -> None:
    """Raise NotPermitted unless `may`."""
    if not may(actor, permission, agent):
        raise not_permitted(permission)

"""What somebody may do to one agent: through a role, or by being its owner or deputy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Agent, AgentRevision, AiActClass, State
from apps.identity.access import access_of, not_permitted, require
from apps.identity.models import Principal
from apps.identity.roles import ROLE_PERMISSIONS, Permission, Role
from apps.kit.errors import NotPermitted

UNREGISTERED = (State.DRAFT, State.DISCOVERED)
ANSWERS_ON_FOR = timedelta(days=30)  # nobody hands an agent over to lower it and takes it back
GRAVITY = {AiActClass.HIGH_RISK.value: 1, AiActClass.PROHIBITED.value: 2}  # classes that are not left lightly


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


@dataclass(frozen=True)
class Standing:
    """What an agent was before a change: its tier, its EU AI Act class, its team, who answered for it."""

    tier: int | None
    ai_act_class: str
    team_id: UUID | None
    people: frozenset[UUID | None]


def standing_of(agent: Agent) -> Standing:
    """Its tier is that of its answers by the policy it stands under now: what a newer policy lowers, the change that is
    to come does not."""
    assessment = agent.assessment
    tier = assessment.tier if assessment else agent.tier
    return Standing(tier, agent.ai_act_class, agent.team_id, frozenset({agent.owner_id, agent.deputy_id}))


def require_change(agent: Agent, before: Standing, *, actor: Principal) -> None:
    """What a change of the record asks for beyond curating it, once it is set on the instance.

    Another team: curating, or declaring, in that team too. A lower tier of a registered agent, or leaving a class of
    high risk or a banned practice: somebody who curates everywhere or certifies, and who neither owns nor deputises it,
    nor did in the last 30 days; one query, where something is lowered.
    """
    if agent.team_id != before.team_id:
        _require_in_team(actor, agent.team_id)
    lowered = agent.state not in UNREGISTERED and _is_lowered(agent, before)
    if lowered and not may_lower(agent, before, actor=actor):
        was = f"tier {before.tier}" if _tier_is_lowered(agent, before) else "of a graver EU AI Act class"
        raise NotPermitted(
            f"{agent.name} is {was}: a curator or compliance officer who neither owns nor deputises it, "
            f"nor did in the last {ANSWERS_ON_FOR.days} days, lowers that.",
            code="agents.risk.lowered_by_owner",
        )


def may_lower(agent: Agent, before: Standing, *, actor: Principal) -> bool:
    """True for who curates everywhere or certifies, and neither answers for the agent nor did lately."""
    access = access_of(actor)
    judges = access.allows(Permission.AGENTS_CURATE) or access.allows(
        Permission.COMPLIANCE_CERTIFY, before.team_id
    )
    return judges and actor.pk not in before.people and not _answered_lately(agent, actor)


def _answered_lately(agent: Agent, actor: Principal) -> bool:
    """True for who owned or deputised it in the last 30 days: by its versions since, and the one that stood before."""
    since = timezone.now() - ANSWERS_ON_FOR
    versions = AgentRevision.objects.filter(agent=agent)
    stood = versions.filter(recorded_at__lt=since).order_by("-id").values("pk")[:1]
    named = Q(record__owner_id=str(actor.pk)) | Q(record__deputy_id=str(actor.pk))
    return versions.filter(named, Q(recorded_at__gte=since) | Q(pk=stood)).exists()


def _require_in_team(actor: Principal, team_id: UUID | None) -> None:
    if not access_of(actor).allows(Permission.AGENTS_DECLARE, team_id):
        require(actor, Permission.AGENTS_CURATE, team_id)


def _is_lowered(agent: Agent, before: Standing) -> bool:
    grave = GRAVITY.get(before.ai_act_class, 0)
    return _tier_is_lowered(agent, before) or GRAVITY.get(agent.ai_act_class, 0) < grave


def _tier_is_lowered(agent: Agent, before: Standing) -> bool:
    after = agent.assessment.tier if agent.assessment else 0
    return before.tier is not None and after < before.tier

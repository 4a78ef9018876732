"""Leave to use a tool, given once for every instance of a blueprint, those to come included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.agents.access import may, require_for
from apps.agents.definitions import InstanceResult, refused, told
from apps.agents.models import Agent, Blueprint, BlueprintGrant, ToolGrant
from apps.agents.services.blueprints import BlueprintAct, instances_within_reach
from apps.agents.services.definitions import lock_blueprint, lock_instances
from apps.agents.services.grants import REPLACED, GrantRequest, grant_problems, told_of_grant
from apps.agents.services.risk import refresh_risk
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_act, record_acts
from apps.kit.errors import Conflict, DomainError, InvalidInput, require_reason


@transaction.atomic
def grant_to_blueprint(blueprint: Blueprint, request: GrantRequest, *, actor: Principal) -> BlueprintAct:
    """Allow every instance a tool. A blueprint's grant of the same tool is replaced; an instance's own grant stays."""
    blueprint = lock_blueprint(blueprint)
    require(actor, Permission.POLICY_EDIT, blueprint.team_id)
    problems = grant_problems(request)
    if problems:
        raise InvalidInput("The tool was not granted.", fields=problems)
    agents, hidden = instances_within_reach(blueprint, actor=actor)
    before = BlueprintGrant.objects.filter(blueprint=blueprint, tool=request.tool, revoked_at=None).first()
    if before:
        _end(before, actor, REPLACED)
    grant = BlueprintGrant.objects.create(
        blueprint=blueprint, tool=request.tool, operations=sorted(set(request.operations)), granted_by=actor,
        constraints=dict(request.constraints), reason=request.reason.strip(), expires_at=request.expires_at,
    )  # fmt: skip
    results = _given(grant, agents, actor) + hidden
    detail = told_of_grant(grant) | {"instances": told(results), "name": blueprint.name}
    target = ("blueprint", blueprint.pk)
    record_act("agents.blueprint.granted", actor=actor, target=target, reason=grant.reason, detail=detail)
    return BlueprintAct(blueprint, results)


@transaction.atomic
def revoke_from_blueprint(grant: BlueprintGrant, *, actor: Principal, reason: str) -> BlueprintAct:
    """Take a blueprint's grant back from every instance that holds it, whoever may see it: least privilege goes first."""
    blueprint = lock_blueprint(grant.blueprint)
    require(actor, Permission.POLICY_EDIT, blueprint.team_id)
    require_reason(reason, "Say why it is taken back")
    grant = BlueprintGrant.objects.select_for_update(of=("self",)).select_related("tool").get(pk=grant.pk)
    if grant.revoked_at:
        raise Conflict("This grant was taken back already.", code="agents.grant.revoked_already")
    _end(grant, actor, reason.strip())
    held = ToolGrant.objects.filter(through=grant, revoked_at=None)
    agents = lock_instances(set(held.values_list("agent_id", flat=True)))
    ended = leave_grants(held, agents, actor=actor, reason=reason.strip())
    seen = Agent.objects.visible_to(actor).filter(pk__in=ended).order_by("name")
    results = [InstanceResult(agent.name, "done", agent) for agent in seen]
    detail = {"tool": str(grant.tool), "instances": {"done": len(ended)}, "name": blueprint.name}
    target = ("blueprint", blueprint.pk)
    record_act("agents.blueprint.revoked", actor=actor, target=target, reason=reason.strip(), detail=detail)
    return BlueprintAct(blueprint, results)


def inherit_grants(blueprint: Blueprint, agents: Sequence[Agent], *, actor: Principal) -> dict[UUID, str]:
    """Give agents that became instances what all instances may use, where the actor may grant; for the others, by id, a
    sentence that names what they were not given. A step of the act that made them instances."""
    now = timezone.now()
    reached = {agent.pk for agent in agents if may(actor, Permission.POLICY_EDIT, agent)}
    left: dict[UUID, list[str]] = defaultdict(list)
    standing = BlueprintGrant.objects.filter(blueprint=blueprint, revoked_at=None).select_related(
        "tool", "granted_by"
    )
    for grant in standing.filter(Q(expires_at=None) | Q(expires_at__gt=now)):
        own = _holders(grant, agents)
        without = [agent for agent in agents if agent.pk not in own]
        _write(grant, [agent for agent in without if agent.pk in reached], actor)
        for agent in without:
            if agent.pk not in reached:
                left[agent.pk].append(str(grant.tool))
    return {
        pk: f"Not granted: {', '.join(tools)}. Whoever may grant tools can give it."
        for pk, tools in left.items()
    }


def leave_grants(
    grants: QuerySet[ToolGrant], agents: Sequence[Agent], *, actor: Principal, reason: str
) -> list[UUID]:
    """End what these agents hold of grants that came by a blueprint, and read again what shows of their risk; the ids of
    those that held one. A step of the act that checked who may and locked the agents."""
    ended = _leave(grants, agents, actor, reason)
    concerned = set(ended)
    refresh_risk([agent for agent in agents if agent.pk in concerned], actor=actor)
    return ended


def _leave(grants: QuerySet[ToolGrant], agents: Sequence[Agent], actor: Principal, reason: str) -> list[UUID]:
    """Every writer of a grant holds its agent's row, so that what stands here stands until it is written."""
    held = grants.filter(agent__in=agents, revoked_at=None).select_related("tool", "through__blueprint")
    standing = list(held)
    ToolGrant.objects.filter(pk__in=[one.pk for one in standing], revoked_at=None).update(
        revoked_at=timezone.now(), revoked_by=actor, revoke_reason=reason
    )
    record_acts(
        [
            Act("agents.grant.revoked", actor, ("agent", one.agent_id), reason, {"tool": str(one.tool), **_named(one)})
            for one in standing
        ]
    )  # fmt: skip
    return [one.agent_id for one in standing]


def _given(grant: BlueprintGrant, agents: Sequence[Agent], actor: Principal) -> list[InstanceResult]:
    """Write the grant to each instance that may have it; those that hold one by an earlier grant of the blueprint
    have it replaced."""
    came = ToolGrant.objects.filter(agent__in=agents, tool=grant.tool, through__blueprint=grant.blueprint)
    results, taking = [], []
    own = _holders(grant, agents) - set(came.filter(revoked_at=None).values_list("agent_id", flat=True))
    for agent in agents:
        result = _result(agent, own, actor)
        results.append(result)
        if result.status == "done":
            taking.append(agent)
    _leave(came, taking, actor, REPLACED)
    _write(grant, taking, actor)
    return results


def _result(agent: Agent, own: set[UUID], actor: Principal) -> InstanceResult:
    try:
        require_for(actor, Permission.POLICY_EDIT, agent)
    except DomainError as error:
        return refused(agent, error)
    if agent.pk in own:
        return InstanceResult(
            agent.name, "kept", agent, "It has a grant of its own for this tool, which stays."
        )
    return InstanceResult(agent.name, "done", agent)


def _holders(grant: BlueprintGrant, agents: Iterable[Agent]) -> set[UUID]:
    """Those that hold a grant of the tool which was not taken back."""
    held = ToolGrant.objects.filter(agent__in=list(agents), tool=grant.tool, revoked_at=None)
    return set(held.values_list("agent_id", flat=True))


def _write(grant: BlueprintGrant, agents: Sequence[Agent], actor: Principal) -> None:
    ToolGrant.objects.bulk_create(
        [
            ToolGrant(
                agent=agent, tool=grant.tool, operations=grant.operations, constraints=grant.constraints, through=grant,
                reason=grant.reason, expires_at=grant.expires_at, granted_by=grant.granted_by,
            )
            for agent in agents
        ]
    )  # fmt: skip
    detail = told_of_grant(grant) | {"blueprint": str(grant.blueprint)}
    acts = [Act("agents.grant.given", actor, ("agent", one.pk), grant.reason, detail) for one in agents]
    record_acts(acts)
    if agents:
        refresh_risk(agents, actor=actor)


def _end(grant: BlueprintGrant, actor: Principal, reason: str) -> None:
    grant.revoked_at, grant.revoked_by, grant.revoke_reason = timezone.now(), actor, reason
    grant.save(update_fields=["revoked_at", "revoked_by", "revoke_reason"])


def _named(grant: ToolGrant) -> dict[str, str]:
    return {"blueprint": grant.through.blueprint.name} if grant.through else {}

"""The instances of a blueprint: made by the hundred, attached, detached, brought back to the definition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.agents.access import may
from apps.agents.definitions import InstanceResult, refused
from apps.agents.fields import is_empty, restored, stored
from apps.agents.models import Agent, Blueprint, State, ToolGrant
from apps.agents.services.blueprint_grants import inherit_grants, leave_grants
from apps.agents.services.blueprints import BlueprintAct, results_of
from apps.agents.services.bulk import tell_changes
from apps.agents.services.definitions import (
    follow_definition,
    lock_blueprint,
    lock_instances,
    release_instances,
    remember_definition,
)
from apps.agents.services.drafting import put_on_record
from apps.agents.services.registry import remember_many, set_fields
from apps.agents.signals import instances_joined
from apps.identity.access import not_permitted, require, require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_acts
from apps.kit.errors import DomainError, InvalidInput, require_reason
from apps.kit.ids import new_id

AT_MOST = 500


@dataclass(frozen=True)
class NewInstance:
    """One instance to be made: its name, and what it says otherwise than the definition (values to set)."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def make_instances(
    blueprint: Blueprint, wanted: Sequence[NewInstance], *, actor: Principal, reason: str = ""
) -> BlueprintAct:
    """Put instances on record as drafts that hold the definition, its grants and whatever else is decided for all.

    Results in the order of `wanted`; one that cannot be made is named with the reason and leaves the others. The name
    is an instance's key within its blueprint: one that is there already is left as it is, so that sending the same list
    again makes nothing twice. The blueprint's lock lets no second list make them at the same time.
    """
    blueprint = lock_blueprint(blueprint)
    require(actor, Permission.AGENTS_CURATE, blueprint.team_id)
    if not 0 < len(wanted) <= AT_MOST:
        raise InvalidInput("Nothing was made.", fields={"instances": f"Name 1 to {AT_MOST} instances"})
    known = {name.casefold() for name in blueprint.instances.on_record().values_list("name", flat=True)}
    definition = {name: restored(name, value) for name, value in blueprint.defaults.items()}
    results, own = [], {}
    for one in wanted:
        result = _drafted(one, blueprint, definition, known, actor)
        results.append(result)
        if result.status == "made" and result.agent is not None:
            own[result.agent] = _own_word(one, definition)
    left = _put_on_record(blueprint, own, actor, reason)
    return BlueprintAct(blueprint, _telling(results, left))


@transaction.atomic
def attach_agents(
    blueprint: Blueprint, agents: Collection[UUID], *, actor: Principal, reason: str = ""
) -> BlueprintAct:
    """Make agents on record instances: they take over what the definition says and nobody said of them.

    What is decided for all reaches them as far as the actor might decide it for them; the results name what did not.
    """
    blueprint = lock_blueprint(blueprint)
    require(actor, Permission.AGENTS_CURATE, blueprint.team_id)
    if not 0 < len(agents) <= AT_MOST:
        raise InvalidInput("Nothing was attached.", fields={"agents": f"Name 1 to {AT_MOST} agents"})
    locked = lock_instances(
        set(Agent.objects.visible_to(actor).filter(pk__in=agents).values_list("pk", flat=True))
    )
    checked = [(agent, _attachable(agent, blueprint)) for agent in locked]
    joining = [agent for agent, result in checked if result is None]
    outcomes = follow_definition(joining, blueprint, blueprint.defaults, actor=actor, reason=reason)
    left = _join(blueprint, [one.agent for one in outcomes if one.error is None and one.agent], actor)
    results = [result for _, result in checked if result]
    return BlueprintAct(blueprint, results + _telling(results_of(outcomes), left))


@transaction.atomic
def detach_agents(
    blueprint: Blueprint, agents: Collection[UUID], *, actor: Principal, reason: str
) -> BlueprintAct:
    """Let instances go their own way: every value stays, as the word of whoever detached them; what they were granted
    through the blueprint ends; a tool policy stays and is theirs alone."""
    blueprint = lock_blueprint(blueprint)
    require_reason(reason, "Say why it is no instance any longer")
    visible = Agent.objects.visible_to(actor).filter(pk__in=agents, blueprint=blueprint)
    locked = lock_instances(set(visible.values_list("pk", flat=True)))
    gone = [agent for agent in locked if may(actor, Permission.AGENTS_CURATE, agent)]
    error = not_permitted(Permission.AGENTS_CURATE)
    kept = [refused(agent, error) for agent in locked if agent not in gone]
    outcomes = release_instances(blueprint, gone, actor=actor, reason=reason)
    through = ToolGrant.objects.filter(through__blueprint=blueprint)
    leave_grants(through, gone, actor=actor, reason=reason)
    tell_changes(outcomes, actor=actor)
    return BlueprintAct(blueprint, kept + results_of(outcomes))


@transaction.atomic
def take_definition(
    blueprint: Blueprint,
    agents: Collection[UUID],
    fields: Collection[str],
    *,
    actor: Principal,
    reason: str = "",
) -> BlueprintAct:
    """Have instances show the definition's value on these fields again; what a person said of them there is taken back."""
    blueprint = lock_blueprint(blueprint)
    require_somewhere(actor, Permission.AGENTS_CURATE)
    unknown = sorted(set(fields) - blueprint.defaults.keys())
    if unknown or not fields:
        words = (
            f"The definition says nothing of {', '.join(unknown)}" if unknown else "Name at least one field"
        )
        raise InvalidInput("Nothing was taken over.", fields={"fields": words})
    visible = Agent.objects.visible_to(actor).filter(pk__in=agents, blueprint=blueprint)
    locked = lock_instances(set(visible.values_list("pk", flat=True)))
    values = {name: blueprint.defaults[name] for name in fields}
    outcomes = follow_definition(locked, blueprint, values, actor=actor, reason=reason, over_people=True)
    return BlueprintAct(blueprint, results_of(outcomes))


def _drafted(
    one: NewInstance, blueprint: Blueprint, definition: Mapping[str, Any], known: set[str], actor: Principal
) -> InstanceResult:
    name = one.name.strip()
    if name.casefold() in known:
        return InstanceResult(name, "unchanged", None, "It is an instance already.")
    agent = Agent(id=new_id(), name="", state=State.DRAFT, blueprint=blueprint)
    try:
        set_fields(agent, {**definition, **one.values, "name": name}, actor=actor)
        require(actor, Permission.AGENTS_CURATE, agent.team_id)
    except DomainError as error:
        return InstanceResult(name or "Without a name", "refused", None, error.message, error.fields)
    known.add(name.casefold())
    return InstanceResult(name, "made", agent)


def _own_word(one: NewInstance, definition: Mapping[str, Any]) -> dict[str, Any]:
    """What was said of the instance itself: its name, and where it says otherwise than the definition."""
    differing = {
        n: v
        for n, v in one.values.items()
        if v != definition.get(n) and not (is_empty(v) and n not in definition)
    }
    return differing | {"name": one.name.strip()}


def _put_on_record(
    blueprint: Blueprint, own: Mapping[Agent, Mapping[str, Any]], actor: Principal, reason: str
) -> dict[UUID, str]:
    agents = list(own)
    put_on_record(agents, actor=actor)
    remember_many(own, actor=actor)
    remember_definition(agents, blueprint.defaults, actor=actor)
    detail = {"source": blueprint.name, "blueprint": blueprint.pk}
    acts = [
        Act("agents.instance.drafted", actor, ("agent", agent.pk), reason, detail | {"name": agent.name, "differs": _told(said)})
        for agent, said in own.items()
    ]  # fmt: skip
    record_acts(acts)
    return _join(blueprint, agents, actor)


def _told(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stored(name, value) for name, value in said.items() if name not in ("name", "custom")}


def _join(blueprint: Blueprint, agents: Sequence[Agent], actor: Principal) -> dict[UUID, str]:
    """Have new instances hold what is decided for all; what each was not given, in words, by its id."""
    if not agents:
        return {}
    ungranted = inherit_grants(blueprint, agents, actor=actor)
    answers = instances_joined.send(sender=Blueprint, blueprint=blueprint, agents=list(agents), actor=actor)
    left: dict[UUID, list[str]] = defaultdict(list)
    for found in (ungranted, *(answer for _, answer in answers)):
        for pk, words in found.items() if isinstance(found, dict) else ():
            left[pk].append(words)
    return {pk: " ".join(words) for pk, words in left.items()}


def _telling(results: Iterable[InstanceResult], left: Mapping[UUID, str]) -> list[InstanceResult]:
    """The results with what each instance was not given."""
    return [
        replace(one, message=left[one.agent.pk]) if one.agent and one.agent.pk in left else one
        for one in results
    ]


def _attachable(agent: Agent, blueprint: Blueprint) -> InstanceResult | None:
    if agent.blueprint_id == blueprint.pk:
        return InstanceResult(agent.name, "unchanged", agent, "It is an instance already.")
    if agent.blueprint is not None:
        return InstanceResult(
            agent.name,
            "refused",
            agent,
            f"It is an instance of {agent.blueprint.name}; detach it there first.",
        )
    if agent.merged_into_id or agent.withdrawn_at or agent.state == State.RETIRED:
        return InstanceResult(agent.name, "refused", agent, "It is retired, or on record no longer.")
    return None

"""Blueprints: defining an agent once for its many instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from apps.agents.access import may
from apps.agents.definitions import HIDDEN, InstanceResult, refused, said, told
from apps.agents.fields import FIELDS, SHAREABLE, is_empty, restored, words_of
from apps.agents.models import Agent, Blueprint, State
from apps.agents.services.bulk import Outcome
from apps.agents.services.definitions import (
    follow_definition,
    keep_as_own_word,
    lock_blueprint,
    lock_instances,
    release_instances,
)
from apps.agents.services.registry import record_problems
from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, StaleWrite


@dataclass(frozen=True)
class Definition:
    """What a blueprint says: its own name, and the fields its instances share (values to set; empty ones are not said)."""

    name: str
    description: str = ""
    team: Team | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BlueprintAct:
    """A blueprint after an act on it, and what came of it for each instance."""

    blueprint: Blueprint
    results: list[InstanceResult]


@transaction.atomic
def create_blueprint(definition: Definition, *, actor: Principal) -> Blueprint:
    """Define an agent once. It has no instances yet."""
    _require(actor, definition)
    blueprint = Blueprint()
    _write(blueprint, definition)
    record_act(
        "agents.blueprint.created",
        actor=actor,
        target=("blueprint", blueprint.pk),
        detail={"name": blueprint.name, "changes": _differences({}, blueprint.defaults)},
    )
    return blueprint


@transaction.atomic
def edit_blueprint(
    blueprint: Blueprint,
    definition: Definition,
    *,
    actor: Principal,
    version: int | None = None,
    reason: str = "",
) -> BlueprintAct:
    """Change the definition; every instance follows where nobody said otherwise of it.

    An instance that cannot follow is named with the reason, keeps what it has, and shows the difference. What the
    definition no longer says stays with each instance as the actor's word. `version` refuses a stale write.
    """
    blueprint = lock_blueprint(blueprint)
    require(actor, Permission.AGENTS_CURATE, blueprint.team_id)
    if version is not None and blueprint.version != version:
        raise StaleWrite(f"{blueprint.name} was changed meanwhile; it is at version {blueprint.version} now.")
    _require(actor, definition)
    if _is_unchanged(blueprint, definition):
        return BlueprintAct(blueprint, [])
    before = dict(blueprint.defaults)
    _write(blueprint, definition)
    changes = _differences(before, blueprint.defaults)
    results = _spread(blueprint, before, actor, reason) if changes else []
    record_act(
        "agents.blueprint.edited",
        actor=actor,
        target=("blueprint", blueprint.pk),
        reason=reason,
        detail={"name": blueprint.name, "changes": changes, "instances": told(results)},
    )
    return BlueprintAct(blueprint, results)


@transaction.atomic
def remove_blueprint(blueprint: Blueprint, *, actor: Principal, reason: str) -> None:
    """Take a definition out of the register. Refused while it has instances on record; of those that were merged or
    withdrawn every value stays, as the actor's word."""
    blueprint = lock_blueprint(blueprint)
    require(actor, Permission.AGENTS_CURATE, blueprint.team_id)
    count = blueprint.instances.on_record().count()
    if count:
        raise Conflict(
            f"{blueprint.name} cannot go: it has {count} instance{'' if count == 1 else 's'}. Detach them first.",
            code="agents.blueprint.has_instances",
        )
    past = lock_instances(set(blueprint.instances.values_list("pk", flat=True)))
    release_instances(blueprint, past, actor=actor, reason=reason)
    target = ("blueprint", blueprint.pk)
    record_act(
        "agents.blueprint.removed", actor=actor, target=target, reason=reason, detail={"name": blueprint.name}
    )
    try:
        blueprint.delete()
    except ProtectedError as error:
        raise Conflict(
            f"{blueprint.name} cannot go: agents hold or held grants or certifications through it.",
            code="agents.blueprint.was_used",
        ) from error


def instances_within_reach(
    blueprint: Blueprint, *, actor: Principal
) -> tuple[list[Agent], list[InstanceResult]]:
    """The instances in use that the actor sees, locked, and a refusal for each of the others; a retired one is history. A step of an act on
    a locked blueprint."""
    rows = Agent.objects.filter(blueprint=blueprint).on_record().exclude(state=State.RETIRED)
    seen = set(rows.visible_to(actor).values_list("pk", flat=True))
    hidden = rows.count() - len(seen)
    return lock_instances(seen), [
        InstanceResult(HIDDEN, "refused", None, "It belongs to another team.")
    ] * hidden


def results_of(outcomes: Sequence[Outcome]) -> list[InstanceResult]:
    """What a change of many records came to, instance by instance."""
    found = []
    for one in outcomes:
        assert one.agent is not None
        status = "done" if one.differences else "unchanged"
        found.append(
            refused(one.agent, one.error) if one.error else InstanceResult(one.agent.name, status, one.agent)
        )
    return found


def _spread(
    blueprint: Blueprint, before: Mapping[str, Any], actor: Principal, reason: str
) -> list[InstanceResult]:
    agents, hidden = instances_within_reach(blueprint, actor=actor)
    changed = {name: value for name, value in blueprint.defaults.items() if before.get(name) != value}
    own = [agent for agent in agents if may(actor, Permission.AGENTS_CURATE, agent)]
    keep_as_own_word(own, before.keys() - blueprint.defaults.keys(), actor=actor)
    return results_of(follow_definition(agents, blueprint, changed, actor=actor, reason=reason)) + hidden


def _require(actor: Principal, definition: Definition) -> None:
    require(actor, Permission.AGENTS_CURATE, definition.team.pk if definition.team else None)


def _is_unchanged(blueprint: Blueprint, definition: Definition) -> bool:
    stands = (blueprint.name, blueprint.description, blueprint.team, blueprint.defaults)
    wanted = (
        definition.name.strip(),
        definition.description.strip(),
        definition.team,
        said(definition.values),
    )
    return stands == wanted


def _write(blueprint: Blueprint, definition: Definition) -> None:
    problems = _problems(blueprint, definition)
    if problems:
        raise InvalidInput("The blueprint was not saved.", fields=problems)
    blueprint.version += 0 if blueprint._state.adding else 1
    blueprint.name, blueprint.description = definition.name.strip(), definition.description.strip()
    blueprint.team, blueprint.defaults = definition.team, said(definition.values)
    blueprint.save()


def _problems(blueprint: Blueprint, definition: Definition) -> dict[str, str]:
    problems = {name: "A blueprint cannot say this" for name in definition.values if name not in SHAREABLE}
    if not definition.name.strip() or len(definition.name) > 200:
        problems["name"] = "Enter a name of at most 200 characters"
    elif Blueprint.objects.filter(name=definition.name.strip()).exclude(pk=blueprint.pk).exists():
        problems["name"] = "There is a blueprint of this name"
    return problems | _value_problems(definition)


def _value_problems(definition: Definition) -> dict[str, str]:
    """What any agent's record would refuse of the shared values."""
    values = {n: v for n, v in definition.values.items() if n in SHAREABLE and not is_empty(v)}
    probe = Agent(name=definition.name or "x")
    for name, value in values.items():
        setattr(probe, name, value)
    return record_problems(probe, set(values))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: [_words(name, before.get(name)), _words(name, after.get(name))] for name in changed}


def _words(name: str, value: Any) -> str:
    return words_of(name, restored(name, value) if FIELDS[name].is_relation else value)

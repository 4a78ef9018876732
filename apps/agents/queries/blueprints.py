"""Reading blueprints: how many instances differ, and where each one does, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet

from apps.agents.definitions import differing, differing_fields
from apps.agents.fields import FIELDS, SHAREABLE, names_of, stored, words_of
from apps.agents.models import Agent, Blueprint, Claim, Origin, State
from apps.identity.models import Principal

Shared = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """One field on which an instance is not as defined: both values in words, and whose word it is (None: it could not
    follow)."""

    name: str
    label: str
    own: str
    defined: str
    claim: Claim | None


@dataclass(frozen=True)
class InstanceLine:
    agent: Agent
    differences: list[Difference] = field(default_factory=list)


def counted_blueprints(actor: Principal) -> QuerySet[Blueprint]:
    """Blueprints the actor may know of, with how many instances on record each has."""
    on_record = Count("instances", filter=Q(instances__in=Agent.objects.on_record()))
    return Blueprint.objects.visible_to(actor).select_related("team").annotate(size=on_record)


def instances_of(blueprint: Blueprint, *, actor: Principal) -> QuerySet[Agent]:
    """The instances on record that the actor may see."""
    return Agent.objects.visible_to(actor).on_record().filter(blueprint=blueprint).with_people()


def differing_instances(blueprint: Blueprint, *, actor: Principal) -> QuerySet[Agent]:
    """Those in use that are not as defined; a retired one is history."""
    rows = instances_of(blueprint, actor=actor).exclude(state=State.RETIRED)
    return rows.filter(differing(blueprint.defaults))


def instance_lines(blueprint: Blueprint, agents: Sequence[Agent]) -> list[InstanceLine]:
    """Where each of these differs; at most four queries."""
    found = {agent: differing_fields(agent, blueprint.defaults) for agent in agents}
    pairs = [(name, stored_value(agent, name)) for agent, names in found.items() for name in names]
    names = names_of([*pairs, *blueprint.defaults.items()])
    claims = {
        (claim.agent_id, claim.field): claim
        for claim in Claim.objects.filter(agent__in=agents, origin=Origin.PERSON).select_related("stated_by")
    }
    return [
        InstanceLine(
            agent,
            [
                Difference(
                    name,
                    FIELDS[name].label,
                    _words(name, stored_value(agent, name), names),
                    _words(name, blueprint.defaults[name], names),
                    claims.get((agent.pk, name)),
                )
                for name in differing_names
            ],
        )
        for agent, differing_names in found.items()
    ]


def definition_words(blueprint: Blueprint) -> list[Shared]:
    """What the definition says: (label, words), in the order of the record."""
    names = names_of(blueprint.defaults.items())
    said = [name for name in SHAREABLE if name in blueprint.defaults]
    return [(FIELDS[name].label, _words(name, blueprint.defaults[name], names)) for name in said]


def stored_value(agent: Agent, name: str) -> Any:
    return stored(name, getattr(agent, name))


def _words(name: str, value: Any, names: dict[str, str]) -> str:
    return names.get(str(value), "") if FIELDS[name].is_relation else words_of(name, value)

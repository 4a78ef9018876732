"""The curated fields of an agent: the one list that forms, imports, bulk edits, history and REST go by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.agents import risk
from apps.agents.models import Agent, AiActClass, Blueprint, Environment, OversightLevel
from apps.identity.models import Principal, Team

Choices = list[tuple[Any, str]]


@dataclass(frozen=True)
class Field:
    """One curated field. `kind` says how it is entered and stored:

    text, long_text, link, choice (`choices`), level (1 to 4), number, list (of text), person, team,
    blueprint, custom (a mapping of custom field keys). `weight` is its share of completeness, 0 when an
    agent is complete without it.
    """

    name: str
    label: str
    kind: str
    weight: int = 0
    choices: Choices = field(default_factory=list)

    @property
    def is_relation(self) -> bool:
        return self.kind in RELATIONS


RELATIONS: dict[str, type[Any]] = {"person": Principal, "team": Team, "blueprint": Blueprint}
_RISK = [
    Field(dimension.field, dimension.name, "level", 2, dimension.choices()) for dimension in risk.DIMENSIONS
]
FIELDS: dict[str, Field] = {
    one.name: one
    for one in (
        Field("name", "Name", "text"),
        Field("purpose", "Purpose", "long_text", 3),
        Field("owner", "Owner", "person", 3),
        Field("deputy", "Deputy", "person", 2),
        Field("team", "Team", "team", 2),
        Field("business_service", "Business service", "text", 1),
        Field("environment", "Environment", "choice", 1, list(Environment.choices)),
        Field("framework", "Framework", "text", 1),
        Field("repository", "Repository", "link", 1),
        Field("blueprint", "Blueprint", "blueprint"),
        Field("endpoints", "Endpoints", "list"),
        Field("languages", "Languages", "list"),
        Field("users_served", "Users served", "text", 1),
        Field("countries", "Countries", "list", 1),
        Field("retention_days", "Retention, days", "number", 1),
        Field("sub_processors", "Sub-processors", "list"),
        Field("oversight_level", "Oversight level", "choice", 2, list(OversightLevel.choices)),
        Field("ai_act_class", "EU AI Act class", "choice", 2, list(AiActClass.choices)),
        Field("tags", "Tags", "list"),
        Field("custom", "Custom fields", "custom"),
        *_RISK,
    )
}
EDITABLE = tuple(
    name for name in FIELDS if name != "blueprint"
)  # an agent joins and leaves a blueprint by an act
SHAREABLE = tuple(
    name for name in EDITABLE if name not in ("name", "custom")
)  # what a blueprint may say for all


CUSTOM = "custom."  # a custom field has its sources by itself, as `custom.<key>`


def spec_of(name: str) -> Field:
    """The field a source speaks of: a curated one, or one custom field."""
    if not name.startswith(CUSTOM):
        return FIELDS[name]
    return Field(name, name.removeprefix(CUSTOM).replace("_", " ").capitalize(), "custom_value")


def spread(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"custom": {"site": "HEL"}} as {"custom.site": "HEL"}; everything else as it is."""
    said = {name: value for name, value in values.items() if name != "custom"}
    return said | {f"{CUSTOM}{key}": value for key, value in (values.get("custom") or {}).items()}


def gathered(agent: Agent, values: Mapping[str, Any]) -> dict[str, Any]:
    """What `spread` gave as values to set: custom fields among the others that the agent has, empty ones taken out."""
    own = {name.removeprefix(CUSTOM): one for name, one in values.items() if name.startswith(CUSTOM)}
    rest = {name: one for name, one in values.items() if not name.startswith(CUSTOM)}
    whole = {key: one for key, one in {**agent.custom, **own}.items() if key not in own or not is_empty(one)}
    return rest | {"custom": whole} if own else rest


def shown(agent: Agent, name: str) -> Any:
    """What the record shows on a field, or on one custom field."""
    return agent.custom.get(name.removeprefix(CUSTOM)) if name.startswith(CUSTOM) else getattr(agent, name)


def stored(name: str, value: Any) -> Any:
    """A field's value as JSON: relations by id, everything else as it is."""
    return str(value.pk) if spec_of(name).is_relation and value is not None else value


def restored(name: str, value: Any) -> Any:
    """What `stored` gave, as a value to set. A relation that is gone is None."""
    spec = spec_of(name)
    if not spec.is_relation or value is None:
        return value
    return RELATIONS[spec.kind]._default_manager.filter(pk=UUID(str(value))).first()


def record_of(agent: Agent) -> dict[str, Any]:
    """All curated fields as JSON; no query when the relations' ids are loaded."""
    return {
        name: (str(pk) if (pk := getattr(agent, f"{name}_id")) else None)
        if spec.is_relation
        else getattr(agent, name)
        for name, spec in FIELDS.items()
    }


def words_of(name: str, value: Any) -> str:
    """A value as people read it: a level by its meaning, a list with commas, a person by name, '' for nothing."""
    spec = spec_of(name)
    if value in (None, "", [], {}):
        return ""
    if spec.choices:
        return dict(spec.choices).get(value, str(value))
    return _AS_WORDS.get(spec.kind, str)(value)


def names_of(values: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Names by id of the people, teams and blueprints among (field name, stored value) pairs; at most three queries."""
    wanted: dict[str, set[str]] = {}
    for name, value in values:
        if value and name in FIELDS and FIELDS[name].is_relation:
            wanted.setdefault(FIELDS[name].kind, set()).add(str(value))
    return {
        str(row.pk): str(row)
        for kind, ids in wanted.items()
        for row in RELATIONS[kind]._default_manager.filter(pk__in=ids)
    }


def is_empty(value: Any) -> bool:
    return value in (None, "", [], {})


def _mapping(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {item}" for key, item in sorted(value.items()))


_AS_WORDS: dict[str, Callable[[Any], str]] = {
    "list": lambda value: ", ".join(str(item) for item in value),
    "custom": _mapping,
    "custom_value": lambda value: ("Yes" if value else "No") if isinstance(value, bool) else str(value),
}

"""Where an instance differs from its blueprint's definition, and what an act on a blueprint came to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from apps.agents.fields import FIELDS, is_empty, stored
from apps.agents.models import Agent
from apps.kit.errors import DomainError

HIDDEN = "An instance you may not see"


@dataclass(frozen=True)
class InstanceResult:
    """What an act on a blueprint came to for one instance.

    `status`: made, done, unchanged, kept (it has its own, which stays), refused (`message` and `fields` say why).
    """

    name: str
    status: str
    agent: Agent | None = None
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_refused(self) -> bool:
        return self.status == "refused"

    @property
    def why(self) -> str:
        """The message with what was expected of each field."""
        told = [words for name, words in self.fields.items() if words not in self.message]
        return " ".join([self.message, *(f"{words}." for words in told)]).strip()


def refused(agent: Agent, error: DomainError) -> InstanceResult:
    return InstanceResult(agent.name, "refused", agent, error.message, error.fields)


def differing_fields(agent: Agent, definition: Mapping[str, Any]) -> list[str]:
    """The fields on which the record says otherwise; no query when the relations' ids are loaded."""
    return [name for name, value in definition.items() if _shown(agent, name) != value]


def differing(definition: Mapping[str, Any]) -> Q:
    """Instances that differ from the definition in at least one field."""
    conditions = [~Q(**{_column(name): value}) for name, value in definition.items()]
    return reduce(or_, conditions, Q(pk__in=[]))


def said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values to set as a definition stores them; what is empty is not said."""
    return {name: stored(name, value) for name, value in values.items() if not is_empty(value)}


def told(results: Iterable[InstanceResult]) -> dict[str, int]:
    """How many results there are of each status."""
    counts: dict[str, int] = {}
    for one in results:
        counts[one.status] = counts.get(one.status, 0) + 1
    return counts


def _shown(agent: Agent, name: str) -> Any:
    if not FIELDS[name].is_relation:
        return getattr(agent, name)
    pk = getattr(agent, f"{name}_id")
    return str(pk) if pk else None


def _column(name: str) -> str:
    return f"{name}_id" if FIELDS[name].is_relation else name

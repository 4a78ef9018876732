"""The register as it stood on a day, and the versions of one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, IntegerField, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from apps.agents.fields import FIELDS, names_of, words_of
from apps.agents.models import Agent, AgentRevision, State
from apps.agents.services.history import value_in


@dataclass(frozen=True)
class PastAgent:
    """An agent as it stood: what its row said then, with people and teams by the names they have now."""

    revision: AgentRevision
    names: dict[str, str]

    @property
    def pk(self) -> Any:
        return self.revision.agent_id

    @property
    def name(self) -> str:
        return str(self.revision.record["name"])

    @property
    def tier(self) -> int | None:
        return self.revision.record["tier"]

    @property
    def state(self) -> str:
        return str(self.revision.record["state"])

    @property
    def breaker(self) -> str:
        return str(self.revision.record["breaker_state"])

    @property
    def certified_until(self) -> datetime | None:
        text = self.revision.record["certified_until"]
        return datetime.fromisoformat(text) if text else None

    @property
    def owner(self) -> str:
        return self.words("owner")

    @property
    def team(self) -> str:
        return self.words("team")

    def words(self, name: str) -> str:
        value = value_in(self.revision.record, name)
        return self.names.get(str(value), "") if FIELDS[name].is_relation else words_of(name, value)


@dataclass(frozen=True)
class VersionLine:
    """One version of a record and what it changed: (field name, label, before, after)."""

    past: PastAgent
    changes: list[tuple[str, str, str, str]]


def agents_at(visible: QuerySet[Agent], moment: datetime) -> QuerySet[AgentRevision]:
    """One revision an agent: the last before `moment`. Annotated with `name` and `tier_rank` for ordering.

    Who may see an agent now may see what it was.
    """
    last = (
        AgentRevision.objects.filter(agent__in=visible.order_by().values("pk"), recorded_at__lte=moment)
        .order_by("agent_id", "-recorded_at", "-id")
        .distinct("agent_id")
        .values("pk")
    )
    return (
        AgentRevision.objects.filter(pk__in=last, record__merged_into_id=None)
        .exclude(record__state=State.RETIRED)
        .annotate(withdrawn=KT("record__withdrawn_at"))
        .filter(withdrawn__isnull=True)
        .annotate(name=KT("record__name"), tier_rank=Coalesce(Cast(KT("record__tier"), IntegerField()), 0))
        .order_by(F("tier_rank").desc(), "name", "id")
    )


def as_past(revisions: Sequence[AgentRevision]) -> list[PastAgent]:
    """The revisions as agents of their time; at most three queries for the names of all."""
    names = names_of((name, value_in(one.record, name)) for one in revisions for name in FIELDS)
    return [PastAgent(revision, names) for revision in revisions]


def versions_of(revisions: Sequence[AgentRevision]) -> list[VersionLine]:
    """Versions newest first, each against the one after it in the list (the version before)."""
    past = as_past(revisions)
    return [VersionLine(new, _changes(new, old)) for new, old in zip(past, [*past[1:], None], strict=True)]


def _changes(new: PastAgent, old: PastAgent | None) -> list[tuple[str, str, str, str]]:
    if old is None:
        return []
    return [
        (name, spec.label, old.words(name), new.words(name))
        for name, spec in FIELDS.items()
        if value_in(old.revision.record, name) != value_in(new.revision.record, name)
    ]

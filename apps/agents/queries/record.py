"""Reading one record, or two beside each other, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from apps.agents.fields import FIELDS, Field, is_empty, names_of, restored, spec_of, words_of
from apps.agents.models import Agent, Claim, CurationItem, CustomField, Origin
from apps.agents.reconciliation import rank
from apps.agents.services.claims import contradictions_of
from apps.identity.models import Principal

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Who answers for it", ("owner", "deputy", "team", "business_service")),
    ("What it is", ("framework", "repository", "blueprint", "environment", "endpoints")),
    ("Whom it reaches", ("users_served", "countries", "languages", "retention_days", "sub_processors")),
    ("Oversight", ("oversight_level", "ai_act_class", "tags")),
)


@dataclass(frozen=True)
class Line:
    """One field of a record in words, who said it (None: nobody was asked), and whether a source says otherwise."""

    spec: Field
    words: str
    link: str
    claim: Claim | None
    is_contradicted: bool

    @property
    def origin(self) -> str:
        return Origin(self.claim.origin).label if self.claim else ""


def record_parts(agent: Agent) -> list[tuple[str, list[Line]]]:
    """The curated fields in groups, each with who said it; two queries."""
    claims: dict[str, list[Claim]] = {}
    for claim in agent.claims.select_related("stated_by"):
        claims.setdefault(claim.field, []).append(claim)
    parts = [(title, [_line(agent, name, claims.get(name, [])) for name in names]) for title, names in GROUPS]
    custom = [_custom(agent, one, claims.get(f"custom.{one.key}", [])) for one in _custom_fields(agent)]
    return [*parts, ("Custom fields", custom)] if custom else parts


@dataclass(frozen=True)
class ToldContradiction:
    """A source that says otherwise than the record shows, in words."""

    claim: Claim
    label: str
    source: str
    shown: str
    said: str


def told_contradictions(agent: Agent, *, actor: Principal) -> list[ToldContradiction]:
    """What a person should settle; two queries, and one for each person or team that is named."""
    return [
        ToldContradiction(
            one.claim,
            spec_of(one.field).label,
            f"{Origin(one.claim.origin).label}{f' ({one.claim.source})' if one.claim.source else ''}",
            words_of(one.field, restored(one.field, one.shown)),
            words_of(one.field, restored(one.field, one.said)),
        )
        for one in contradictions_of([agent], actor=actor)
    ]


def compared(pair: Sequence[Agent]) -> list[tuple[str, list[str], bool]]:
    """Every field on which either of two records says something: label, both in words, whether they differ."""
    rows = []
    for name, spec in FIELDS.items():
        words = [words_of(name, getattr(agent, name)) for agent in pair]
        if any(words):
            rows.append((spec.label, words, len(set(words)) > 1))
    seen = [agent.last_seen.strftime("%Y-%m-%d %H:%M") if agent.last_seen else "Never" for agent in pair]
    return [*rows, ("Last seen", seen, len(set(seen)) > 1)]


def names_in(items: Iterable[CurationItem]) -> dict[str, str]:
    """Names of whatever stands in these items by id; at most three queries."""
    return names_of(pair for item in items for values in (item.before, item.after) for pair in values.items())


def _line(agent: Agent, name: str, claims: list[Claim]) -> Line:
    spec, value = FIELDS[name], getattr(agent, name)
    link = value if spec.kind == "link" and value else ""
    return Line(spec, words_of(name, value), link, *_spoken(name, claims))


def _spoken(name: str, claims: list[Claim]) -> tuple[Claim | None, bool]:
    """Whose word is shown, and whether a source says otherwise."""
    best = min(claims, key=lambda one: (rank(name, one.origin), one.source), default=None)
    contradicted = any(
        one.value != best.value
        for one in claims
        if best and not one.settled_at and one is not best and one.origin != Origin.BLUEPRINT
    )
    return best, contradicted


def _custom_fields(agent: Agent) -> list[CustomField]:
    """Those asked of the agent's team, and any other it has a value in."""
    asked = CustomField.objects.filter(Q(teams=None) | Q(teams=agent.team_id) | Q(key__in=list(agent.custom)))
    return list(asked.distinct())


def _custom(agent: Agent, field: CustomField, claims: list[Claim]) -> Line:
    value: Any = agent.custom.get(field.key)
    words = {True: "Yes", False: "No"}.get(value, str(value)) if not is_empty(value) else ""
    link = value if field.kind == CustomField.Kind.URL and value else ""
    name = f"custom.{field.key}"
    return Line(Field(name, field.label, "custom"), words, link, *_spoken(name, claims))

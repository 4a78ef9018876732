"""The record of a declared agent: what its file says of the curated fields, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q

from apps.agents import risk
from apps.agents.declarations import BY_PLACE, Fault
from apps.agents.fields import EDITABLE, FIELDS, restored, stored, words_of
from apps.agents.models import Agent, Claim, Origin
from apps.agents.reconciliation import Statement, believed
from apps.agents.services.claims import Source, state_claims
from apps.identity.models import Principal, Team
from apps.kit.errors import NotPermitted


@dataclass(frozen=True)
class Line:
    """One part of a declaration and what became of it.

    `status`: set, unchanged, kept_back (`why` says by whom), left (it stands, and the file names it no longer).
    """

    pointer: str
    label: str
    status: str
    before: str = ""
    after: str = ""
    why: str = ""


@dataclass
class Values:
    """What a file says of the curated fields, people and teams looked up."""

    stated: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def values_in(agent: Mapping[str, Any], repository: str) -> Values:
    """The curated fields of a declared agent that keeps the schema; `faults` names who or what is not known."""
    found = Values({BY_PLACE: repository})
    for name in (one for one in EDITABLE if one in agent):
        spec, said = FIELDS[name], agent[name]
        if not spec.is_relation:
            found.stated[name] = said.strip() if isinstance(said, str) else said
            continue
        one = _LOOKUPS[spec.kind](str(said).strip())
        if one is None:
            found.faults.append(Fault(name, f"Nobody here is called {said}" if spec.kind == "person" else f"There is no {spec.kind} {said}"))  # fmt: skip
        found.stated[name] = one
    return found


def state_record(agent: Agent, values: Values, repository: str, *, actor: Principal) -> list[Line]:
    """Take the file's word on the curated fields; a line for each, in the order of the record."""
    source = Source(Origin.DECLARED, repository)
    stated = dict(values.stated)
    if "custom" in stated:
        stated["custom"] = {**agent.custom, **stated["custom"]}
    before = {name: getattr(agent, name) for name in stated}
    held: dict[str, str] = {}
    try:
        with transaction.atomic():
            after = state_claims(agent, source, stated, actor=actor)
    except NotPermitted as error:
        if error.code != "agents.risk.lowered_by_owner":
            raise
        held = dict.fromkeys(stated.keys() & set(risk.FIELDS), error.message)
        kept = {name: value for name, value in stated.items() if name not in held}
        after = state_claims(agent, source, kept, actor=actor)
    lines = [
        _line(name, before[name], stated[name], after, held.get(name, ""))
        for name in FIELDS
        if name in stated
    ]
    return lines + _left(agent, set(stated), repository)


def _line(name: str, before: Any, said: Any, after: Agent, held: str) -> Line:
    shown, words = getattr(after, name), words_of(name, said)
    label = FIELDS[name].label
    if stored(name, shown) == stored(name, said):
        status = "unchanged" if stored(name, before) == stored(name, said) else "set"
        return Line(name, label, status, words_of(name, before), words)
    return Line(name, label, "kept_back", words_of(name, shown), words, held or _said_by(after, name))


def _said_by(agent: Agent, name: str) -> str:
    claims = Claim.objects.filter(agent=agent, field=name).select_related("stated_by")
    winner = believed(name, [Statement(one.origin, one.source, one.value) for one in claims])
    if winner is None:
        return "The record shows otherwise"
    by = next((one for one in claims if (one.origin, one.source) == (winner.origin, winner.source)), None)
    who = by.stated_by.name if by and by.stated_by and winner.origin == Origin.PERSON else winner.source
    return f"{Origin(winner.origin).label} says otherwise{f': {who}' if who else ''}"


def _left(agent: Agent, stated: set[str], repository: str) -> list[Line]:
    claims = Claim.objects.filter(agent=agent, origin=Origin.DECLARED, source=repository)
    return [
        Line(one.field, FIELDS[one.field].label, "left", words_of(one.field, restored(one.field, one.value)))
        for one in claims.exclude(field__in=stated)
        if one.field in FIELDS
    ]


def _person(text: str) -> Principal | None:
    people = Principal.objects.filter(kind=Principal.Kind.HUMAN, is_active=True)
    found = list(people.filter(Q(person__email__iexact=text) | Q(name__iexact=text))[:2])
    return found[0] if len(found) == 1 else None


_LOOKUPS: Mapping[str, Callable[[str], Any]] = {
    "person": _person,
    "team": lambda text: Team.objects.filter(name__iexact=text).first(),
}

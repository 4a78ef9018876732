"""What somebody says of a run, checked, and brought together with what was said before. Pure.

Origins by strength: a person's or system's word over the API, an event, an attribute of the run's span, what is derived.
A stronger word replaces a weaker one, a later one of the same strength the one before; a weaker one never replaces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

ASSUMED, DERIVED, OTLP, EVENT, API = "assumed", "derived", "otlp", "event", "api"
STRENGTH = {ASSUMED: -1, DERIVED: 0, OTLP: 1, EVENT: 2, API: 3}
PREFIX = "chancery.outcome."
OLDEST = timedelta(days=3650)  # no run is older: a clock that says so is none
MOST_AMOUNT = Decimal(10) ** 11
LONGEST = {"segment": 80, "contact": 255}


class NotMeant(ValueError):
    """A value that cannot be what its field means; the text says what is expected."""


@dataclass(frozen=True)
class Told:
    """One word on one run. `at` is when the run was (None: not said), `said_at` when this was said."""

    agent_id: UUID
    conversation_id: str
    origin: str
    said_at: datetime
    at: datetime | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[UUID, str]:
        return self.agent_id, self.conversation_id


@dataclass(frozen=True)
class Heard:
    """What a record said of an outcome that could be used, and what could not: {field: what was expected}."""

    fields: dict[str, Any]
    odd: dict[str, str]


def heard(told: Mapping[str, Any]) -> Heard:
    """The known fields of `told`. One odd value costs no other; of two that contradict each other neither is known."""
    fields, odd = {}, {}
    for name, reader in READERS.items():
        value = told.get(name)
        if value is None:
            continue
        try:
            fields[name] = reader(value, name)
        except NotMeant as error:
            odd[name] = str(error)
    for pair, words in CONTRADICTIONS.items():
        if all(fields.get(name) for name in pair):
            odd[pair[1]] = words
    fields = {name: value for name, value in fields.items() if not _is_contradicted(name, odd)}
    if fields.get("reopened"):
        fields.setdefault("resolved", False)
    return Heard(fields, odd)


def _is_contradicted(name: str, odd: Mapping[str, str]) -> bool:
    return any(name in pair and odd.get(pair[1]) == words for pair, words in CONTRADICTIONS.items())


def contradictions_in(told: Mapping[str, Any]) -> dict[str, str]:
    """{field: what was expected} of flags that cannot both be so."""
    odd = heard(told).odd
    return {pair[1]: words for pair, words in CONTRADICTIONS.items() if odd.get(pair[1]) == words}


def of_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The `chancery.outcome.*` attributes of a span, by field."""
    return {key.removeprefix(PREFIX): value for key, value in attributes.items() if key.startswith(PREFIX)}


def merged(known: Mapping[str, list[str]], told: Told) -> dict[str, Any]:
    """Those of the told values that now stand, `known` being {field: [origin, time]}; includes `at` where it is said."""
    said = dict(told.fields) | ({"at": told.at} if told.at else {})
    return {name: value for name, value in said.items() if _stands(known.get(name), told)}


def _stands(before: list[str] | None, told: Told) -> bool:
    if before is None:
        return True
    strength, known = STRENGTH[told.origin], STRENGTH[before[0]]
    return strength > known or (strength == known and told.said_at >= datetime.fromisoformat(before[1]))


def _flag(value: Any, name: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    known = words.get(str(value).strip().lower())
    if known is None:
        raise NotMeant("true or false")
    return known


def _share(value: Any, name: str) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise NotMeant("a number from 0 to 1") from error
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise NotMeant("a number from 0 to 1")
    return share


def _amount(value: Any, name: str) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise NotMeant("an amount") from error
    if isinstance(value, bool) or not amount.is_finite() or abs(amount) >= MOST_AMOUNT:
        raise NotMeant("an amount below 100,000,000,000")
    if name == "cost" and amount < 0:
        raise NotMeant("an amount from zero on")
    return round(amount, 6)


def _currency(value: Any, name: str) -> str:
    code = str(value).strip().upper()
    if len(code) != 3 or not (code.isascii() and code.isalpha()):
        raise NotMeant("a currency of three letters, like EUR")
    return code


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise NotMeant("text")
    return value.strip()[: LONGEST[name]]


def moment_told(value: Any) -> datetime | None:
    """RFC 3339 as a time; None for anything else."""
    try:
        told = datetime.fromisoformat(value)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def equal(one: Any, other: Any) -> bool:
    """Whether two values of a field say the same; a float that came back from the database is itself."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other)
    return bool(one == other)


READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "resolved": _flag,
    "escalated": _flag,
    "escalation_due": _flag,
    "abandoned": _flag,
    "repeated": _flag,
    "reopened": _flag,
    "rating": _share,
    "value": _amount,
    "cost": _amount,
    "currency": _currency,
    "segment": _text,
    "contact": _text,
}
# Both said to be so at once, by one word on one run.
CONTRADICTIONS: Mapping[tuple[str, str], str] = {
    ("resolved", "abandoned"): "false where the run was resolved",
    ("resolved", "reopened"): "false where the run is resolved",
}
KEYS = frozenset(PREFIX + name for name in READERS)

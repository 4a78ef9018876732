"""What the cells of an imported row say: texts into the stored values of the curated fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.agents.fields import EDITABLE, FIELDS, Field
from apps.agents.models import agent_id_of
from apps.agents.tabular import Row, as_text

IDENTIFYING = {"id": "pk", "number": "number", "ref": "number", "slug": "slug"}
HEADINGS = {"agent": "name"} | {
    words.lower(): name for name in EDITABLE for words in (name, name.replace("_", " "), FIELDS[name].label)
}
READ_ONLY = frozenset(
    {"tier", "state", "certification", "certified_until", "certified until", "breaker", "complete", "completeness",
     "first seen", "first_seen", "last seen", "last_seen", "confirmed", "confirmed_at", "on record since", "created_at",
     "version", "updated_at", "risk", "risk_policy", "principal"}
)  # fmt: skip


class Unclear(ValueError):
    """The cell cannot be read; its text says what was expected."""


@dataclass
class Parsed:
    """A row's word: `names` identify the agent (pk, number, slug), `values` are as stored, `problems` by heading."""

    names: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def named_as(self, column: str) -> str:
        return self.written.get(column, "")


def parse_row(row: Row, people: Mapping[str, str], teams: Mapping[str, str]) -> Parsed:
    """Read a row. An empty cell says nothing. `people` and `teams` give ids by lower-case name or address."""
    parsed = Parsed()
    lookups = {"person": people, "team": teams}
    for heading, cell in row.items():
        words = heading.strip().lower()
        if cell in (None, "", [], {}):
            continue
        if words in IDENTIFYING:
            _name(parsed, IDENTIFYING[words], as_text(cell))
        elif words in HEADINGS:
            _value(parsed, FIELDS[HEADINGS[words]], heading, cell, lookups)
        elif words.startswith("custom."):
            parsed.values.setdefault("custom", {})[words.removeprefix("custom.")] = cell
    return parsed


def unread_headings(row: Row) -> list[str]:
    """Headings that mean no field, so that nobody thinks they were taken in."""
    return [
        heading
        for heading in row
        if (words := heading.strip().lower()) not in HEADINGS
        and words not in IDENTIFYING
        and words not in READ_ONLY
        and not words.startswith("custom.")
    ]


def _name(parsed: Parsed, column: str, text: str) -> None:
    parsed.written[column] = text
    try:
        parsed.names[column] = _IDENTIFIERS[column](text)
    except ValueError:
        parsed.problems[column] = f"{text} is none"


def _value(
    parsed: Parsed, spec: Field, heading: str, cell: Any, lookups: Mapping[str, Mapping[str, str]]
) -> None:
    try:
        if spec.kind in lookups:
            parsed.values[spec.name] = _looked_up(cell, lookups[spec.kind], spec)
        elif spec.choices:
            parsed.values[spec.name] = _choice(spec, as_text(cell))
        else:
            parsed.values[spec.name] = _KINDS.get(spec.kind, _text)(cell)
    except Unclear as error:
        parsed.problems[heading] = str(error)


def _looked_up(cell: Any, known: Mapping[str, str], spec: Field) -> str:
    text = as_text(cell.get("id") or cell.get("name") if isinstance(cell, dict) else cell).strip()
    found = text if text in known.values() else known.get(text.lower())
    if found is None:
        raise Unclear(
            f"There is no {spec.kind} {text}" if spec.kind == "team" else f"Nobody here is called {text}"
        )
    return found


def _choice(spec: Field, text: str) -> Any:
    for value, label in spec.choices:
        if text.lower() in (str(value).lower(), label.lower(), f"{value} {label}".lower()):
            return value
    raise Unclear(f"Enter one of {', '.join(str(value) for value, _ in spec.choices)}")


def _text(cell: Any) -> str:
    return as_text(cell).strip()


def _list(cell: Any) -> list[str]:
    items = cell if isinstance(cell, list) else re.split(r"[;\n]|,(?=\s|\S)", as_text(cell))
    return [text for item in items if (text := str(item).strip())]


def _number(cell: Any) -> int:
    text = as_text(cell).strip()
    if not text.isdecimal():
        raise Unclear("Enter a whole number")
    return int(text)


def _mapping(cell: Any) -> dict[str, Any]:
    if not isinstance(cell, dict):
        raise Unclear("Give custom fields a column each, headed custom.<key>")
    return cell


def _agent_number(text: str) -> int:
    number = agent_id_of(text) or (int(text) if text.isdecimal() else None)
    if number is None:
        raise ValueError(text)
    return number


_IDENTIFIERS: Mapping[str, Callable[[str], Any]] = {"pk": UUID, "number": _agent_number, "slug": str}
_KINDS: Mapping[str, Callable[[Any], Any]] = {"list": _list, "number": _number, "custom": _mapping}

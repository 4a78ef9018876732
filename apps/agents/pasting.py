"""Lists and tables as people paste them: one name a line, or a table with headings copied from a sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.agents.definitions import InstanceResult
from apps.agents.fields import restored
from apps.agents.models import Agent, agent_id_of
from apps.agents.parsing import parse_row, unread_headings
from apps.agents.queries.lookups import people_and_teams
from apps.agents.services.instances import NewInstance
from apps.agents.tabular import Row
from apps.kit.errors import InvalidInput

LONGEST = 200_000
NAMES = ("name", "agent")


def instances_in(text: str) -> list[NewInstance | InstanceResult]:
    """What a pasted list of names, or a table whose headings name fields, asks to be made; a row that cannot be read is
    a refusal. Raises InvalidInput naming `instances` for a column that means no field."""
    rows = rows_in(text)
    unread = unread_headings(rows[0]) if rows else []
    if unread:
        raise _unread(f"These headings mean no field: {', '.join(unread)}")
    people, teams = people_and_teams()
    found: list[NewInstance | InstanceResult] = []
    for row in rows:
        parsed = parse_row(row, people, teams)
        name = str(parsed.values.pop("name", ""))
        values = {field: restored(field, value) for field, value in parsed.values.items()}
        problems = parsed.problems
        found.append(
            InstanceResult(name, "refused", None, "The row is not as expected.", problems)
            if problems
            else NewInstance(name, values)
        )
    return found


def rows_in(text: str) -> list[Row]:
    """One row a line; without a heading `name` every line is a name."""
    if len(text) > LONGEST:
        raise _unread(f"Paste at most {LONGEST:,} characters")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    delimiter = max("\t;,", key=lines[0].count)
    headings, *rows = _cells(lines, delimiter)
    if not {heading.lower() for heading in headings} & set(NAMES):
        return [{"name": line.strip()} for line in lines]
    return [dict(zip(headings, row, strict=False)) for row in rows]


def _cells(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    except csv.Error as error:
        raise _unread(f"The table cannot be read: {error}") from error
    return [[cell.strip() for cell in row] for row in rows]


def agents_in(text: str, visible: QuerySet[Agent]) -> tuple[list[Agent], list[InstanceResult]]:
    """The agents that lines name by number, id, slug or a name only one has, and the lines that name none; one query."""
    words = list(dict.fromkeys(part.strip() for part in text.splitlines() if part.strip()))[:500]
    named = Q(slug__in=words) | Q(name__in=words) | Q(pk__in=_ids(words))
    numbers = {number: word for word in words if (number := agent_id_of(word)) is not None}
    by_word: dict[str, list[Agent]] = {}
    for agent in visible.filter(named | Q(number__in=numbers)):
        for word in {str(agent.pk), agent.slug, agent.name, numbers.get(agent.number, "")} & set(words):
            by_word.setdefault(word, []).append(agent)
    missed = [_missed(word, by_word.get(word, ())) for word in words if len(by_word.get(word, ())) != 1]
    return [agents[0] for agents in by_word.values() if len(agents) == 1], missed


def _missed(word: str, agents: Sequence[Agent]) -> InstanceResult:
    if agents:
        return InstanceResult(
            word, "refused", None, f"{len(agents)} agents have this name; name it by number."
        )
    return InstanceResult(word, "refused", None, "No agent on record is named like this.")


def _ids(words: Sequence[str]) -> list[UUID]:
    found = []
    for word in words:
        try:
            found.append(UUID(word))
        except ValueError:
            continue
    return found


def _unread(words: str) -> InvalidInput:
    return InvalidInput("The list was not read.", fields={"instances": words})

"""One slice of one table: looked through by its key, so that a killed process goes on behind the last one it finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from apps.activity.erasure.changing import Record, changes_of
from apps.activity.erasure.leaves import Eraser
from apps.activity.erasure.places import Column, Kind, Place
from apps.activity.words.indexing import hold_index, write_words_again

AT_ONCE = 1000
CALLS = "activity_toolcall"
AS_TEXT = {
    Kind.JSON: "t.{}::text",
    Kind.LIST: "to_jsonb(t.{})::text",
    Kind.BODY: "convert_from(t.{}, 'UTF8')",
}
FROM_TEXT = {Kind.JSON: "%s::jsonb", Kind.LIST: "ARRAY(SELECT jsonb_array_elements_text(%s::jsonb))"}
OF_RUNS = "SELECT id, trace_id FROM activity_toolcall WHERE conversation_id = ANY(%s)"


@dataclass(frozen=True)
class Runs:
    """The conversations that go as a whole, with their traces and calls."""

    conversations: Sequence[str] = ()
    traces: Sequence[bytes] = ()
    calls: Sequence[UUID] = ()


@dataclass(frozen=True)
class Search:
    """What is looked for: a pattern for records, an eraser for values, whole conversations."""

    pattern: str
    eraser: Eraser
    runs: Runs = field(default_factory=Runs)


@dataclass(frozen=True)
class Slice:
    """`last` is the key of its last row, '' when the table ends here; `found` of the rows `seen` hold something."""

    last: str
    seen: int
    found: int


def runs_of(conversations: Sequence[str], eraser: Eraser) -> Runs:
    """Also under the pseudonym that an earlier round gave a conversation. One query."""
    if not conversations:
        return Runs()
    names = [*conversations, *map(eraser.pseudonym, conversations)]
    traces = {bytes.fromhex(name) for name in conversations if _is_trace(name)}
    with connection.cursor() as cursor:
        cursor.execute(OF_RUNS, [names])
        rows = cursor.fetchall()
    traces |= {bytes(trace_id) for _, trace_id in rows if trace_id}
    return Runs(names, sorted(traces), [pk for pk, _ in rows])


def look(place: Place, after: str, search: Search, *, writing: bool) -> Slice:
    """The rows behind `after` ('': from the first), changed where that is wanted, in the caller's transaction."""
    keys = _keys(place, after)
    if not keys:
        return Slice("", 0, 0)
    if writing and place.table == CALLS:
        hold_index()
    found = {}
    for record in _records(place, after, keys[-1], search, writing):
        changes = changes_of(record, place, search.eraser)
        if changes:
            found[record.key] = changes
    if writing and found:
        _write(place, found)
    return Slice(keys[-1] if len(keys) == AT_ONCE else "", len(keys), len(found))


def _keys(place: Place, after: str) -> list[str]:
    condition, values = _behind(place, after)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.{place.key}::text FROM {place.table} t WHERE {condition} ORDER BY t.{place.key} LIMIT {AT_ONCE}",  # noqa: S608
            values,
        )
        return [key for (key,) in cursor.fetchall()]


def _behind(place: Place, after: str) -> tuple[str, list[Any]]:
    return (f"t.{place.key} > %s::{place.key_type}", [after]) if after else ("true", [])


def _records(place: Place, after: str, last: str, search: Search, writing: bool) -> list[Record]:
    """Those that may hold something. Locked in the order of their keys where they are to be written."""
    told = [AS_TEXT.get(column.kind, "t.{}").format(column.name) for column in place.columns]
    of_run, run_values = run_condition(place, search.runs)
    behind, values = _behind(place, after)
    dialect = "t.dialect" if place.table == "activity_span" else "''"
    query = (
        f"SELECT t.{place.key}::text, coalesce({of_run}, false), {dialect}, {', '.join(told)} FROM {place.table} t "  # noqa: S608
        f"WHERE {behind} AND t.{place.key} <= %s::{place.key_type} "
        f"AND ({' OR '.join(f'{one} ~* %s' for one in told)} OR {of_run}) ORDER BY t.{place.key}"
        f"{' FOR UPDATE' if writing else ''}"
    )
    patterns = [search.pattern] * len(told)
    with connection.cursor() as cursor:
        cursor.execute(query, [*run_values, *values, last, *patterns, *run_values])
        return [record_of(place, row) for row in cursor.fetchall()]


def record_of(place: Place, row: Sequence[Any]) -> Record:
    """A row of key, whether it is of a run, dialect, then the place's columns."""
    key, is_of_run, dialect, *values = row
    names = [column.name for column in place.columns]
    return Record(str(key), dict(zip(names, values, strict=True)), bool(is_of_run), str(dialect or ""))


def run_condition(place: Place, runs: Runs) -> tuple[str, list[Any]]:
    """Whether a row is of one of these runs. A trace tells only where the row names no conversation itself."""
    if not runs.conversations:
        return "false", []
    if "conversation_id" in place.told_by:
        own, values = "t.conversation_id = ANY(%s)", [list(runs.conversations)]
        if "trace_id" not in place.told_by:
            return own, values
        return f"({own} OR (t.conversation_id = '' AND t.trace_id = ANY(%s)))", [*values, list(runs.traces)]
    ids = sorted(place.told_by - {"trace_id"})
    if not ids:
        return "false", []
    return f"({' OR '.join(f't.{name} = ANY(%s)' for name in ids)})", [list(runs.calls)] * len(ids)


def _write(place: Place, found: dict[str, dict[str, str]]) -> None:
    kinds = {column.name: column for column in place.columns}
    with connection.cursor() as cursor:
        for key, changes in found.items():
            told = ", ".join(f"{name} = {_assigned(kinds[name])}" for name in changes)
            cursor.execute(
                f"UPDATE {place.table} SET {told} WHERE {place.key} = %s::{place.key_type}",  # noqa: S608
                [*changes.values(), key],
            )
    if place.table == CALLS:
        write_words_again([UUID(key) for key in found])


def _assigned(column: Column) -> str:
    return FROM_TEXT.get(column.kind, "%s")


def _is_trace(name: str) -> bool:
    return len(name) == 32 and all(sign in "0123456789abcdef" for sign in name)

"""One file of the archive: what of it has to change, looked for by DuckDB and decided of as in the tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from apps.activity.erasure.changing import changes_of
from apps.activity.erasure.places import Place, places
from apps.activity.erasure.rows import CALLS, Runs, Search, record_of
from apps.activity.models import ArchiveFile
from apps.activity.retention.archive import path_of
from apps.activity.retention.parquet import columns_of, find_rows

SPANS = "activity_span"
OF_TRACE = "(t.conversation_id = '' AND list_contains(?::BLOB[], t.trace_id))"
OF_CONVERSATION = "list_contains(?::VARCHAR[], t.conversation_id)"


def next_file(after: str) -> ArchiveFile | None:
    """The file behind this id, of those that are part of the archive."""
    files = ArchiveFile.objects.filter(replaced_by=None).order_by("pk")
    return (files.filter(pk__gt=after) if after else files).first()


def changes_in(file: ArchiveFile, search: Search) -> dict[str, dict[str, str]]:
    """What has to change of which rows; {} for a table whose rows hold no content. A missing file is an error."""
    place = next((one for one in places() if one.table == file.table), None)
    if place is None:
        return {}
    found = {}
    for row in _rows(file, place, search):
        record = record_of(place, row)
        changes = changes_of(record, place, search.eraser)
        if changes:
            found[record.key] = changes
    return found


def _rows(file: ArchiveFile, place: Place, search: Search) -> list[tuple[Any, ...]]:
    path = path_of(file)
    there = columns_of(path)
    told = [f"t.{one.name}" if one.name in there else "NULL::VARCHAR" for one in place.columns]
    of_run, values = _run_condition(file, place, search.runs)
    matches = " OR ".join(f"coalesce(regexp_matches({one}, ?, 'i'), false)" for one in told)
    dialect = "t.dialect" if place.table == SPANS else "''"
    wanted = ["t.id", f"coalesce({of_run}, false)", dialect, *told]
    condition = f"({matches} OR coalesce({of_run}, false))"
    return find_rows(path, wanted, condition, values, [*[search.pattern] * len(told), *values])


def _run_condition(file: ArchiveFile, place: Place, runs: Runs) -> tuple[str, list[Any]]:
    if not runs.conversations or "conversation_id" not in place.told_by:
        return "false", []
    if place.table != SPANS:
        return OF_CONVERSATION, [list(runs.conversations)]
    traces = [*runs.traces, *_traces_around(file, runs.conversations)]
    return f"({OF_CONVERSATION} OR {OF_TRACE})", [list(runs.conversations), traces]


def _traces_around(file: ArchiveFile, conversations: Sequence[str]) -> list[bytes]:
    """The traces of these conversations by the archived calls of the days around a file of spans."""
    days = [file.day + timedelta(days=more) for more in (-1, 0, 1)]
    found: list[bytes] = []
    for one in ArchiveFile.objects.filter(table=CALLS, day__in=days, replaced_by=None):
        rows = find_rows(path_of(one), ["t.trace_id"], OF_CONVERSATION, [], [list(conversations)])
        found += [bytes(trace_id) for (trace_id,) in rows if trace_id]
    return found

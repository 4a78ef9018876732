"""What becomes of one record of one place. Pure: texts in, the texts that differ out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.activity.erasure.leaves import MARK, Eraser, Leaf, emptied, of_words
from apps.activity.erasure.places import Column, Kind, Place
from apps.activity.recording.applying import content_replaced

AS_JSON = (Kind.JSON, Kind.LIST, Kind.BODY)


@dataclass(frozen=True)
class Record:
    """One row, its JSON as text. `is_of_run`: its whole conversation goes; `dialect` says how its attributes are read."""

    key: str
    values: Mapping[str, str | None]
    is_of_run: bool = False
    dialect: str = ""


def changes_of(record: Record, place: Place, eraser: Eraser) -> dict[str, str]:
    """The columns that have to change, as they may stay; JSON as text."""
    found = {}
    for column in place.columns:
        value = record.values[column.name]
        if not value:
            continue
        goes = record.is_of_run and place.goes_with_run(column.name)
        told = (
            _json(value, column, record, eraser, goes)
            if column.kind in AS_JSON
            else _text(value, column, eraser, goes)
        )
        if told != value:
            found[column.name] = told
    return found


def _text(value: str, column: Column, eraser: Eraser, goes: bool) -> str:
    if column.kind == Kind.JOINING:
        return eraser.pseudonym(value) if goes else eraser.name(value)
    return MARK if goes else eraser.text(value)


def _json(value: str, column: Column, record: Record, eraser: Eraser, goes: bool) -> str:
    before = json.loads(value)
    after = _treated(before, column.name, record, eraser, goes)
    return value if after == before else json.dumps(after, ensure_ascii=False)


def _treated(value: Any, column: str, record: Record, eraser: Eraser, goes: bool) -> Any:
    treat: Leaf = emptied if goes else eraser.inside
    if goes and column == "attributes" and isinstance(value, dict):
        return content_replaced(value, record.dialect, MARK)
    return of_words(column, value, treat)

"""Two definitions of a tool side by side, line by line, with what nobody sees made visible. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from apps.oversight.gateway.definitions import PINNED, WORDS, shown


@dataclass(frozen=True)
class Line:
    """`kind`: same, gone or new."""

    kind: str
    text: str


@dataclass(frozen=True)
class Part:
    """One part of the definition. `is_changed` is False where there is nothing to compare it with."""

    name: str
    lines: list[Line]
    is_changed: bool


def parts_of(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[Part]:
    """Every part that either has, those that changed first."""
    parts = [
        _part(WORDS[name], None if before is None else _lines(before.get(name)), _lines(after.get(name)))
        for name in PINNED
        if name in after or (before and name in before)
    ]
    return sorted(parts, key=lambda part: not part.is_changed)


def _part(name: str, before: list[str] | None, after: list[str]) -> Part:
    if before is None:
        return Part(name, [Line("same", text) for text in after], False)
    return Part(name, _compared(before, after), before != after)


def _compared(before: list[str], after: list[str]) -> list[Line]:
    lines = []
    for kind, start, stop, begin, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [Line("same", text) for text in after[begin:end]]
            continue
        lines += [Line("gone", text) for text in before[start:stop]]
        lines += [Line("new", text) for text in after[begin:end]]
    return lines


def _lines(value: Any) -> list[str]:
    """Keys in order, so that only what means something else differs."""
    if value is None:
        return []
    text = (
        value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    )
    return [shown(line) for line in text.split("\n")]

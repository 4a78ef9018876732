"""Requests, calls and results as short texts that can be compared. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

CLAUSE: Final = re.compile(r"(?<=[.!?;:])\s+|\n|,\s+|\s+(?:and then|and|then)\s+")
SEGMENT: Final = re.compile(
    r"(?<=[.!?;:])\s+|\\n|\n|[<>\[\]{}]|,\s+(?=\w+=)|\s+(?=\w+=['\"])",
)
JOINTS: Final = re.compile(r"[_\W]+")
CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
EDGES: Final = " \t'\",()-*"
SHORTEST_CLAUSE: Final = 6
SHORTEST_SEGMENT: Final = 8
LONGEST: Final = 300
LONGEST_ARGUMENTS: Final = 400
LONGEST_READ: Final = 16_000
MOST_CLAUSES: Final = 24


def clauses(text: str) -> list[str]:
    """The text itself, then its parts: what one sentence among many asks for is found by itself."""
    parts = (part.strip() for part in CLAUSE.split(text))
    return [text, *(part for part in parts if len(part) >= SHORTEST_CLAUSE)][:MOST_CLAUSES]


def segments(text: str) -> list[str]:
    """A result cut at sentences, lines, tags and fields, whatever it was written in."""
    parts = (part.strip(EDGES) for part in SEGMENT.split(text[:LONGEST_READ]))
    return [part[:LONGEST] for part in parts if len(part) >= SHORTEST_SEGMENT]


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every single value within arguments, under the name of the argument it belongs to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, name or str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    elif value is not None and not isinstance(value, bool):
        yield name, str(value)


def tool_words(tool: str) -> str:
    """A tool's name as words: `sendEmail` and `send_email` are `send Email` and `send email`."""
    return JOINTS.sub(" ", CAMEL.sub(" ", tool)).strip()


def call_words(tool: str, arguments: list[tuple[str, str]]) -> str:
    """A call as a short sentence: the tool's words, then what each argument holds."""
    by_name: dict[str, list[str]] = {}
    for name, value in arguments:
        if value:
            by_name.setdefault(name, []).append(value)
    told = ", ".join(f"{name.replace('_', ' ')}: {', '.join(values)}" for name, values in by_name.items())
    return f"{tool_words(tool)}. {told[:LONGEST_ARGUMENTS]}"


def result_text(result: Any) -> str:
    """A result as lines of text; '' when none was kept."""
    if result is None or isinstance(result, str):
        return result or ""
    if isinstance(result, (dict, list)):
        return "\n".join(f"{name}={value}" if name else value for name, value in leaves(result))
    return orjson.dumps(result).decode()


def normal(text: str) -> str:
    """Lower case, words only: how a value is looked for in a text."""
    return JOINTS.sub(" ", text.lower()).strip()

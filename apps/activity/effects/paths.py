"""Where a value stands in what a call was given or gave back: names and places, nothing that runs. Pure.

    arguments.order.id      result.items[0].status      result.content[0].text.status

A text that holds JSON is read as what it holds: MCP servers answer so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from apps.activity.ingest.reading import parsed

NAME: Final = r"[A-Za-z0-9_$@:/-]{1,80}"
PATH: Final = re.compile(rf"^{NAME}(?:\[\d{{1,5}}\])*(?:\.{NAME}(?:\[\d{{1,5}}\])*)*$", re.ASCII)
LONGEST: Final = 200
DEEPEST: Final = 20
ROOTS: Final = ("arguments", "result")


class Nothing(Enum):
    """Why no value is told: there is none, or there may be one that was not recorded."""

    MISSING = "missing"
    UNRECORDED = "unrecorded"


def steps_of(path: str) -> list[str]:
    """`items[0].id` as its steps; [] for ''. ValueError for what is no path."""
    if not path:
        return []
    if len(path) > LONGEST or not PATH.match(path):
        raise ValueError(path)
    steps = path.replace("[", ".").replace("]", "").split(".")
    if len(steps) > DEEPEST:
        raise ValueError(path)
    return steps


def is_path(path: str) -> bool:
    try:
        return bool(steps_of(path))
    except ValueError:
        return False


def is_rooted(path: str) -> bool:
    """True for a path that begins at the arguments or at the result of a call."""
    return is_path(path) and steps_of(path)[0] in ROOTS


def value_at(held: Any, steps: Sequence[str]) -> Any:
    """What stands there, or Nothing.MISSING."""
    for step in steps:
        held = _step(parsed(held) if isinstance(held, str) else held, step)
        if held is Nothing.MISSING:
            return held
    return held


def _step(held: Any, step: str) -> Any:
    if isinstance(held, dict):
        return held.get(step, Nothing.MISSING)
    if isinstance(held, list) and step.isdecimal() and int(step) < len(held):
        return held[int(step)]
    return Nothing.MISSING

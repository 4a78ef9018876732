"""What has to be done to a call before it may go on: redact, cap. Pure.

A path is a JSON pointer (/customer/card) or has dots (customer.card, items.*.card); `*` stands for every member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

REDACTED = "[redacted]"


class Unmet(Exception):
    """An obligation the gateway cannot fulfil: the call may not go on."""


def fulfilled(arguments: Mapping[str, Any], obligations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The arguments as they may go on; the same object where nothing had to be done. Raises Unmet."""
    if not obligations:
        return arguments  # type: ignore[return-value]
    done = deepcopy(dict(arguments))
    for one in obligations:
        kind, path = one.get("kind"), _steps(str(one.get("path") or ""))
        if kind == "redact" and path:
            _change(done, path, lambda _: REDACTED)
        elif kind == "cap" and path and _is_number(one.get("limit")):
            _change(done, path, _capped(one["limit"]))
        else:
            raise Unmet(f"the gateway cannot see to {kind or 'it'}")
    return done


def _steps(path: str) -> list[str]:
    if path.startswith("/"):
        steps = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    else:
        steps = path.removeprefix("$.").split(".") if path else []
    return steps[1:] if len(steps) > 1 and steps[0] == "arguments" else steps


def _change(value: Any, steps: Sequence[str], change: Callable[[Any], Any]) -> None:
    head, rest = steps[0], steps[1:]
    for key in _keys(value, head):
        if rest:
            _change(value[key], rest, change)
        else:
            value[key] = change(value[key])


def _keys(value: Any, step: str) -> list[Any]:
    if isinstance(value, dict):
        return list(value) if step == "*" else [step] if step in value else []
    if isinstance(value, list):
        if step == "*":
            return list(range(len(value)))
        return [int(step)] if step.isdecimal() and int(step) < len(value) else []
    return []


def _capped(limit: float) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        if not _is_number(value):
            raise Unmet("what is to be capped is no number")
        return min(value, limit)

    return change


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

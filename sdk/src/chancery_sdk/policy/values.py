"""What a call brings, in Cedar's own types.

Cedar knows no floats, no null and no number over 64 bits, and refuses the whole request for one. So every number is a
`decimal` (four places, rounded away from zero, so that a limit is not slipped under), a number too large for that is
text, null is left out, and a list is a set.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any, Final

import orjson

DEEPEST: Final = 24
STEP: Final = Decimal("0.0001")
LARGEST: Final = Decimal("922337203685477.5807")
RESERVED: Final = frozenset({"__entity", "__extn", "__expr"})  # Cedar would read what follows as its own


def argument(value: Any, depth: int = 0) -> Any:
    """One JSON value as Cedar's JSON. Nesting beyond 24 levels becomes text."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | Decimal):
        return number(value)
    if depth >= DEEPEST:
        return orjson.dumps(value, default=str).decode()
    if isinstance(value, Mapping):
        return {_key(key): argument(one, depth + 1) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [argument(one, depth + 1) for one in value if one is not None]
    return str(value)


def number(value: float | Decimal) -> Any:
    """A decimal, or text where it is none that Cedar can hold."""
    exact = as_decimal(value)
    if exact is None:
        return str(value)
    return {"__extn": {"fn": "decimal", "arg": f"{exact:.4f}"}}


def as_decimal(value: Any) -> Decimal | None:
    """The number a value is, to four places away from zero; None where it is none or too large."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        exact = Decimal(str(value))
        if not exact.is_finite() or abs(exact) > LARGEST:
            return None
        return min(exact.quantize(STEP, rounding=ROUND_UP), LARGEST)
    except InvalidOperation:
        return None


def at_path(arguments: Any, path: str) -> Any:
    """The value at a dotted path such as `payment.amount`; None where there is none."""
    found = arguments
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def entity(kind: str, name: str) -> dict[str, Any]:
    """A reference to an entity, as a value."""
    return {"__entity": {"type": kind, "id": name}}


def _key(key: Any) -> str:
    name = str(key)
    return f"_{name}" if name in RESERVED else name

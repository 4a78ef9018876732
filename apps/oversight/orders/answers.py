"""The answer to a point that asks for orders, and how its question is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.kit.errors import InvalidInput
from apps.oversight.containment import told
from apps.oversight.models import ContainmentOrder

LONGEST_WAIT_S = 30.0
LONGEST_NUMBER = 18


def answer_of(orders: Sequence[ContainmentOrder], after: int) -> dict[str, Any]:
    """Orders as they are told, and where to go on from."""
    return {"orders": [told(order) for order in orders], "next": _last(orders, after)}


def after_in(query: Mapping[str, Any]) -> int:
    """The number that `after` names; 0 where it is left out."""
    text = str(query.get("after", "") or "0")
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise InvalidInput(
            "The question is not understood.", fields={"after": "Enter the number of an order"}
        )
    return int(text)


def wait_in(query: Mapping[str, Any]) -> float:
    """Seconds to wait, none where `wait` is left out, at most 30."""
    text = str(query.get("wait", "") or "0")
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise InvalidInput("The question is not understood.", fields={"wait": "Enter whole seconds"})
    return min(float(text), LONGEST_WAIT_S)


def _last(orders: Sequence[ContainmentOrder], after: int) -> int:
    return max((order.seq or 0 for order in orders), default=after)

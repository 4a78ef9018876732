"""Counters that a policy names in an annotation, so that its conditions may speak of more than one call.

    @counters("refunded = sum arguments.amount of stripe/refund per agent over 1h; tries = count per session")

`context.counters.refunded` is then the sum with the call in question included, as a decimal. What was allowed counts
from the moment it is allowed: calls in flight are in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from chancery_sdk.policy.values import LARGEST, as_decimal, at_path

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST_S: Final = 31 * 86_400
KEPT: Final = ("agent", "team", "person", "session", "fleet")
FORM: Final = re.compile(
    r"(?P<name>[a-z][a-z0-9_]{0,39})\s*=\s*"
    r"(?:(?P<count>count)|sum\s+arguments\.(?P<path>[\w.-]+))"
    r"(?:\s+of\s+(?P<tool>\S+))?"
    r"\s+per\s+(?P<per>agent|team|person|session|fleet)"
    r"(?:\s+over\s+(?P<length>\d{1,6})(?P<unit>[smhd]))?"
)


class BadCounter(ValueError):
    """A counter that cannot be read; the message says what was expected."""


@dataclass(frozen=True)
class Counter:
    """`path` '' counts calls, else sums that argument. `window_s` None: the session, however long it takes."""

    name: str
    per: str
    path: str = ""
    tool: str = ""
    window_s: int | None = None
    text: str = ""

    def adds(self, tool: str, arguments: Any) -> Decimal | None:
        """What one call adds; None where the counter is not about it. What is not there adds nothing; what is there and no
        number is over every limit: a tool may well read a number out of it."""
        if self.tool and self.tool != tool:
            return None
        if not self.path:
            return Decimal(1)
        value = at_path(arguments, self.path)
        return Decimal(0) if value is None else _amount(value)


def _amount(value: Any) -> Decimal:
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            return LARGEST
    amount = as_decimal(value)
    return LARGEST if amount is None else amount


def counters_in(annotation: str) -> Iterator[Counter]:
    """The counters an annotation names. Raises BadCounter."""
    for text in filter(None, (part.strip() for part in annotation.split(";"))):
        found = FORM.fullmatch(text)
        if found is None:
            raise BadCounter(
                f"'{text}' is no counter; write name = count, or name = sum arguments.amount, then optionally "
                "'of server/tool', then 'per agent' (team, person, session, fleet), then 'over 1h'"
            )
        yield _counter(found, text)


def _counter(found: re.Match[str], text: str) -> Counter:
    told: Mapping[str, str | None] = found.groupdict()
    window = int(told["length"]) * UNITS[told["unit"] or "s"] if told["length"] else None
    if window is None and told["per"] != "session":
        raise BadCounter(f"'{text}' needs a window, such as 'over 1h'")
    if window is not None and not 1 <= window <= LONGEST_S:
        raise BadCounter(f"'{text}': a window is between 1 second and 31 days")
    return Counter(str(told["name"]), str(told["per"]), told["path"] or "", told["tool"] or "", window, text)

"""One call as the baseline sees it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import orjson

from apps.activity.behaviour.distance import Signs

OPERATION_ARGUMENTS: Final = ("operation", "action", "method", "command", "verb")
PARTNER_ARGUMENTS: Final = ("agent", "agent_name", "assistant", "recipient_agent", "target_agent", "coworker")
HAND_OVER: Final = re.compile(
    r"^(?:transfer|hand[_-]?off|hand[_-]?over|delegate|ask|call)(?:_work)?_(?:back_)?to_(.+)$", re.IGNORECASE
)
HANDS_OVER: Final = re.compile(r"transfer|hand[_-]?off|hand[_-]?over|delegate|coworker", re.IGNORECASE)
OTHER: Final = "(other)"


@dataclass(frozen=True)
class Act:
    """One call with what came before it in its conversation.

    `previous` is the tool called before it ('' for none), `repeats` how many identical calls stood directly
    before it, `signs` None where the request is not known, `tokens` those of the answer that led to it.
    """

    tool: str
    arguments: Any
    started_at: datetime
    previous: str = ""
    repeats: int = 0
    duration_ms: float | None = None
    failed: bool = False
    data_classes: tuple[str, ...] = ()
    tokens: int | None = None
    signs: Signs | None = field(default=None, compare=False)
    request: str = ""

    @property
    def named(self) -> dict[str, Any]:
        return self.arguments if isinstance(self.arguments, dict) else {}

    @cached_property
    def operation(self) -> str:
        """What a tool with several operations was told to do; '' where it has but one."""
        for name in OPERATION_ARGUMENTS:
            value = self.named.get(name)
            if isinstance(value, str) and value.strip():
                return value.split()[0][:60].lower()
        return ""

    @cached_property
    def shape(self) -> str:
        """Which arguments were given and of what kind: `amount:number, order:text`."""
        return ", ".join(f"{name}:{_kind(value)}" for name, value in sorted(self.named.items()))[:400]

    @cached_property
    def fingerprint(self) -> str:
        """The same for the same call made for the same request."""
        told = orjson.dumps(
            [self.tool, self.arguments, self.request], default=str, option=orjson.OPT_SORT_KEYS
        )
        return blake2b(told, digest_size=8).hexdigest()

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Every figure of the arguments, and the length of every text, by name."""
        found: dict[str, float] = {}
        for name, value in self.named.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found[name] = float(value)
            elif isinstance(value, str):
                found[f"{name} (length)"] = float(len(value))
            elif isinstance(value, list):
                found[f"{name} (items)"] = float(len(value))
        return found

    @cached_property
    def partner(self) -> str:
        """The agent it hands over to, where the tool or an argument says so; '' otherwise."""
        named = HAND_OVER.match(self.tool)
        if named:
            return named.group(1)[:120]
        if not HANDS_OVER.search(self.tool):
            return ""
        told = (self.named.get(name) for name in PARTNER_ARGUMENTS)
        return next((value[:120] for value in told if isinstance(value, str) and value), "")


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes or no"
    if isinstance(value, (int, float)):
        return "number"
    return "text" if isinstance(value, str) else ("list" if isinstance(value, list) else "group")

"""What may be declared of a tool: how it is found out whether a call of it did what it says. Data. Pure.

Two forms. Another call that is reported anyway (`observed`): a later call of a tool whose argument is what the first call
was about. Or an address that is asked (`address`), whose placeholders are values of the call. In both a condition on what
comes back, and how long it may take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from apps.activity.effects.paths import is_path, is_rooted
from apps.kit.errors import InvalidInput

CONVERSATION, AGENT = "conversation", "agent"
OF: Final[Mapping[str, str]] = {CONVERSATION: "The same conversation", AGENT: "The same agent"}
EXISTS, EQUALS, EQUALS_FIELD, CONTAINS = "exists", "equals", "equals_field", "contains"
TESTS: Final[Mapping[str, str]] = {
    EXISTS: "is there",
    EQUALS: "equals a value",
    EQUALS_FIELD: "equals a field of the call",
    CONTAINS: "contains a value",
}
WITHIN_S: Final = 60
LONGEST_S: Final = 24 * 3600
LONGEST_URL: Final = 500
LONGEST_VALUE: Final = 500
LONGEST_NAME: Final = 255
PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
ROOTED: Final = "Begin with arguments or result, like result.id or arguments.items[0].id"
PATH: Final = "Names with dots and places in brackets, like status or items[0].id"


@dataclass(frozen=True)
class Condition:
    """What has to hold of what came back. `path` '' is the whole of it; `value` is JSON of one piece."""

    test: str = EXISTS
    path: str = ""
    value: str | float | bool | None = None
    field: str = ""


@dataclass(frozen=True)
class Observed:
    """A call of `tool` on `server` ('' for a tool of no server) that was given at `argument` what stands at `field` of
    the first call. `of` says whose: the same conversation (the same agent where the call has none), or the same agent."""

    tool: str
    argument: str
    field: str
    server: str = ""
    of: str = CONVERSATION


@dataclass(frozen=True)
class Address:
    """An address with {arguments.x} and {result.y}, asked by GET, and the status that is expected."""

    url: str
    status: int = 200


@dataclass(frozen=True)
class Rule:
    """One read-back: `observed` or `address`, never both. `condition` None: the status alone decides."""

    within_s: int = WITHIN_S
    observed: Observed | None = None
    address: Address | None = None
    condition: Condition | None = None

    @property
    def is_asked(self) -> bool:
        return self.address is not None

    @property
    def asked(self) -> Address:
        if self.address is None:
            raise ValueError("this read-back asks no address")
        return self.address

    @property
    def watched(self) -> Observed:
        if self.observed is None:
            raise ValueError("this read-back watches no call")
        return self.observed

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def rule_of(told: Mapping[str, Any]) -> Rule:
    """A stored rule, or one that was sent in this shape."""
    parts: dict[str, Any] = {}
    for name, kind in (("observed", Observed), ("address", Address), ("condition", Condition)):
        given = told.get(name)
        parts[name] = kind(**given) if given is not None else None
    return Rule(within_s=told.get("within_s", WITHIN_S), **parts)


def check_rule(rule: Rule) -> None:
    """Raise InvalidInput naming every field that is not as it has to be."""
    faults = dict(_faults(rule))
    if faults:
        raise InvalidInput("The read-back was not saved.", fields=faults)


def placeholders_of(url: str) -> list[str]:
    return PLACEHOLDER.findall(url)


def _faults(rule: Rule) -> Iterator[tuple[str, str]]:
    if not 1 <= rule.within_s <= LONGEST_S:
        yield "within_s", f"1 to {LONGEST_S} seconds"
    if (rule.observed is None) == (rule.address is None):
        yield "observed", "Declare a call to be seen or an address to be asked, one of them"
    if rule.observed is not None:
        yield from _of_observed(rule.observed)
        if rule.condition is None:
            yield "condition", "Say what its result has to show"
    if rule.address is not None:
        yield from _of_address(rule.address)
    if rule.condition is not None:
        yield from _of_condition(rule.condition)


def _of_observed(observed: Observed) -> Iterator[tuple[str, str]]:
    if not observed.tool.strip() or len(observed.tool) > LONGEST_NAME:
        yield "observed.tool", "Name the tool whose call shows it"
    if len(observed.server) > LONGEST_NAME:
        yield "observed.server", f"At most {LONGEST_NAME} characters"
    if observed.of not in OF:
        yield "observed.of", f"Choose one of {', '.join(OF)}"
    if not is_path(observed.argument):
        yield "observed.argument", PATH
    if not is_rooted(observed.field):
        yield "observed.field", ROOTED


def _of_address(address: Address) -> Iterator[tuple[str, str]]:
    if problem := _of_url(address.url):
        yield "address.url", problem
    if not 200 <= address.status <= 499:
        yield "address.status", "200 to 499"


def _of_url(url: str) -> str:
    """What is wrong with an address; '' for nothing. A placeholder may stand in its path and query alone, so that no value
    of a call leads to another host."""
    if len(url) > LONGEST_URL:
        return f"At most {LONGEST_URL} characters"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http"):
        return "Enter an address such as https://erp.example.org/refunds/{result.id}"
    if set("{}") & set(parts.scheme + parts.netloc) or parts.username or parts.password:
        return "Placeholders stand in the path and the query only, and a secret has its own field"
    if parts.fragment or "#" in url:
        return "Leave out what stands after #"
    wrong = next((name for name in placeholders_of(url) if not is_rooted(name)), None)
    if wrong is not None or set("{}") & set(PLACEHOLDER.sub("", url)):
        return ROOTED
    return ""


def _of_condition(condition: Condition) -> Iterator[tuple[str, str]]:
    if condition.test not in TESTS:
        yield "condition.test", f"Choose one of {', '.join(TESTS)}"
    if condition.path and not is_path(condition.path):
        yield "condition.path", PATH
    if condition.test in (EQUALS, CONTAINS) and (problem := _of_value(condition.value)):
        yield "condition.value", problem
    if condition.test == EQUALS_FIELD and not is_rooted(condition.field):
        yield "condition.field", ROOTED


def _of_value(value: Any) -> str:
    if value is None or value == "":
        return "Say which value"
    if not isinstance(value, (str, int, float)):
        return "A text, a number, true or false"
    return f"At most {LONGEST_VALUE} characters" if len(str(value)) > LONGEST_VALUE else ""

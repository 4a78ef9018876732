"""What a bulk edit does to one field of one agent: set, add to a list, take from a list, empty. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.agents.fields import EDITABLE, FIELDS
from apps.kit.errors import InvalidInput

EMPTY_OF_KIND: Mapping[str, Any] = {
    "text": "", "long_text": "", "link": "", "choice": "", "list": [], "custom": {},
}  # fmt: skip
VERBS = {"set": "Set", "add": "Add", "remove": "Remove", "clear": "Empty"}


@dataclass(frozen=True)
class Operation:
    """`value` is as stored (relations by id); for add and remove a list of texts, for clear nothing."""

    field: str
    verb: str
    value: Any = None

    def as_json(self) -> dict[str, Any]:
        return {"field": self.field, "verb": self.verb, "value": self.value}


def check(operations: Sequence[Operation]) -> None:
    """Raise InvalidInput naming the fields that cannot be changed this way."""
    problems = {one.field: words for one in operations if (words := _problem(one))}
    if not operations:
        problems = {"operations": "Choose at least one field to change"}
    if len({one.field for one in operations}) < len(operations):
        problems["operations"] = "Change each field once"
    if problems:
        raise InvalidInput("Nothing can be changed this way.", fields=problems)


def applied(operation: Operation, before: Any) -> Any:
    """The field's value afterwards, as stored; `before` is as stored too."""
    return _VERBS[operation.verb](operation, before)


def _problem(one: Operation) -> str | None:
    spec = FIELDS.get(one.field)
    if spec is None or one.field not in EDITABLE:
        return "There is no such field to edit"
    if one.verb not in VERBS:
        return f"The verb is one of {', '.join(VERBS)}"
    if one.verb in ("add", "remove") and spec.kind != "list":
        return f"{spec.label} is not a list: set or empty it"
    if one.verb != "clear" and one.value in (None, "", []):
        return "Enter a value"
    if one.verb == "clear" and one.field == "name":
        return "A name cannot be emptied"
    return None


def _set(one: Operation, before: Any) -> Any:
    return one.value


def _add(one: Operation, before: Any) -> Any:
    return [*before, *(item for item in one.value if item not in before)]


def _remove(one: Operation, before: Any) -> Any:
    return [item for item in before if item not in one.value]


def _clear(one: Operation, before: Any) -> Any:
    return EMPTY_OF_KIND.get(FIELDS[one.field].kind)


_VERBS: Mapping[str, Callable[[Operation, Any], Any]] = {
    "set": _set, "add": _add, "remove": _remove, "clear": _clear,
}  # fmt: skip

"""The Cedar schema that a policy is checked against, made from the registry: who there is, and what the tools in the
policy's scope take. https://docs.cedarpolicy.com/schema/json-schema.html"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import cedarpy
from chancery_sdk.policy.bundle import DATA_CLASSES

from apps.oversight.cedar.reading import Read, Reference

TEXT: Final = {"type": "String"}
LONG: Final = {"type": "Long"}
DECIMAL: Final = {"type": "Extension", "name": "decimal"}
TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "decimal": DECIMAL, "text": TEXT, "flag": {"type": "Boolean"}, "set": {"type": "Set", "element": TEXT}, "any": TEXT,
}  # fmt: skip
OF_JSON: Final = {"string": TEXT, "number": DECIMAL, "integer": DECIMAL, "boolean": {"type": "Boolean"}}
DEEPEST: Final = 6


@dataclass(frozen=True)
class Known:
    """What the registry holds that a policy may name. `tools` gives each its JSON Schema, None where nobody stated one."""

    agents: frozenset[str]
    teams: frozenset[str]
    tools: Mapping[str, Any]

    def names(self, kind: str) -> Iterable[str]:
        if kind == "Agent":
            return self.agents
        if kind == "Team":
            return self.teams
        if kind == "Tool":
            return self.tools.keys()
        if kind == "Server":
            return {name.partition("/")[0] for name in self.tools if "/" in name}
        return DATA_CLASSES if kind == "DataClass" else ()


def problems_of(read: Read, known: Known) -> tuple[list[str], list[str]]:
    """(errors, warnings) in words: names that nothing has, arguments that no tool takes, types that do not fit."""
    errors = list(_unknown(read.references, known))
    in_scope = _in_scope(read, known)
    undescribed = [name for name, schema in in_scope.items() if not _properties(schema)]
    arguments, strays = _arguments(read, in_scope, guesses=bool(undescribed) or not in_scope)
    errors += strays
    if errors:
        return errors, []
    found = cedarpy.validate_policies(read.text, _schema(read, arguments))
    errors = [_words(error.error) for error in found.errors]
    warnings = []
    if read.paths and undescribed and not errors:
        some = ", ".join(undescribed[:3])
        warnings.append(f"What {some} takes is not on record, so its arguments are not checked.")
    return errors, warnings


def _unknown(references: Iterable[Reference], known: Known) -> Iterator[str]:
    for one in sorted(references, key=lambda one: (one.kind, one.name)):
        names = set(known.names(one.kind))
        if one.name not in names:
            near = get_close_matches(one.name, names, 1, 0.6)
            hint = f" Is {near[0]} meant?" if near else ""
            yield f'There is no {one.kind}::"{one.name}".{hint}'


def _in_scope(read: Read, known: Known) -> dict[str, Any]:
    if read.tool:
        return {read.tool: known.tools.get(read.tool)}
    if read.server:
        return {name: schema for name, schema in known.tools.items() if name.startswith(f"{read.server}/")}
    return dict(known.tools)


def _properties(schema: Any) -> Mapping[str, Any]:
    found = schema.get("properties") if isinstance(schema, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _arguments(read: Read, tools: Mapping[str, Any], *, guesses: bool) -> tuple[dict[str, Any], list[str]]:
    """The record of arguments, and those spoken of that no tool takes. Only what the policy speaks of is in it."""
    described: dict[str, Any] = {}
    for schema in tools.values():
        for name, one in _properties(schema).items():
            described.setdefault(name, one)
    attributes: dict[str, Any] = {}
    strays = []
    for path in sorted(path for path in read.paths if len(path) == 1):
        name = path[0]
        if name in described and (made := _type_of(described[name])) is not None:
            attributes[name] = made | {"required": False}
        elif guesses or name in described:
            attributes[name] = _guessed(read.paths, path) | {"required": False}
        else:
            near = get_close_matches(name, described, 1, 0.6)
            hint = f" Is {near[0]} meant?" if near else f" They take {', '.join(sorted(described)[:8])}."
            strays.append(f"No tool in its scope takes an argument {name}.{hint}")
    return attributes, strays


def _type_of(schema: Any, depth: int = 0) -> dict[str, Any] | None:
    """A JSON Schema's type in Cedar; None where it says none that Cedar has."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return None
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [one for one in kind if one != "null"]
        kind = kinds[0] if len(kinds) == 1 else None
    if kind in OF_JSON:
        return dict(OF_JSON[kind])
    if kind == "array":
        element = _type_of(schema.get("items"), depth + 1)
        return {"type": "Set", "element": element} if element else None
    parts = {name: _type_of(one, depth + 1) for name, one in _properties(schema).items()}
    if kind == "object" and parts:
        attributes = {name: one | {"required": False} for name, one in parts.items() if one}
        return {"type": "Record", "attributes": attributes}
    return None


def _guessed(paths: Mapping[tuple[str, ...], str], path: tuple[str, ...]) -> dict[str, Any]:
    """The type that the policy's own use of an argument asks for."""
    if paths[path] != "record":
        return dict(TYPES[paths[path]])
    below = [one for one in paths if len(one) == len(path) + 1 and one[: len(path)] == path]
    return {
        "type": "Record",
        "attributes": {one[-1]: _guessed(paths, one) | {"required": False} for one in below},
    }


def _schema(read: Read, arguments: Mapping[str, Any]) -> dict[str, Any]:
    agent = dict.fromkeys(("name", "state", "environment", "framework", "blueprint", "version"), TEXT)
    tool = dict.fromkeys(("kind", "server", "side_effect"), TEXT)
    context = {
        "arguments": _record(arguments),
        "operation": TEXT,
        "side_effect": TEXT,
        "data_classes": _set("DataClass"),
        "purpose": TEXT,
        "on_behalf_of": TEXT,
        "time": _record(dict.fromkeys(("hour", "minute", "weekday"), LONG)),
        "provenance": _record({path[0]: TEXT | {"required": False} for path in read.paths}),
        "session": _record(
            {
                "calls": LONG, "called": _set("Tool"), "own": _set("Tool"), "succeeded": _set("Tool"),
                "data_classes": _set("DataClass"), "agents": _set("Agent"),
            }
        ),
        "counters": _record({one.name: DECIMAL for one in read.counters}),
    }  # fmt: skip
    return {
        "": {
            "entityTypes": {
                "Team": {"memberOfTypes": ["Team"]},
                "Agent": {
                    "memberOfTypes": ["Team"],
                    "shape": _record(agent | {"tier": LONG, "tags": {"type": "Set", "element": TEXT}}),
                },
                "Server": {},
                "Tool": {"memberOfTypes": ["Server"], "shape": _record(tool | {"data_classes": _set("DataClass")})},
                "DataClass": {"enum": list(DATA_CLASSES)},
            },
            "actions": {
                "call": {
                    "appliesTo": {
                        "principalTypes": ["Agent"], "resourceTypes": ["Tool"], "context": _record(context)
                    }
                }
            },
        }
    }  # fmt: skip


def _record(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Record", "attributes": dict(attributes)}


def _set(kind: str) -> dict[str, Any]:
    return {"type": "Set", "element": {"type": "Entity", "name": kind}}


def _words(error: str) -> str:
    """Cedar's sentence without the name it gave the policy itself."""
    told = error.removeprefix("for policy `policy0`").lstrip(",: ")
    if "unable to guarantee safety of access to optional attribute" in told:
        name = told.split("`")[1]
        return f"{name} need not be there: write 'context has ...' before it, such as 'context.arguments has amount && ...'"
    if "decimal" in told and "Long" in told:
        return (
            'An argument\'s number is a decimal: write context.arguments.amount.greaterThan(decimal("5.0"))'
        )
    return told[:1].upper() + told[1:]


def tools_named(names: Sequence[str]) -> str:
    """Tools as Cedar writes a set of them."""
    return "[" + ", ".join(f"Tool::{quoted(name)}" for name in names) + "]"


def quoted(text: str) -> str:
    """A string literal of Cedar."""
    escaped = (
        text.replace("\\", "\\\\")
        .replace('"', '\\"')
        .replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\t", "\\t")
    )
    return '"' + escaped.replace("\0", "\\0") + '"'

"""The shape of a declaration: the published JSON Schema, made from the curated fields, and what breaks it.

Draft 7, because editors' YAML servers know that one best. It tells nothing of an installation: names of people,
teams and custom fields are looked up when a declaration is applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from apps.agents.fields import EDITABLE, FIELDS, Field
from apps.agents.models import Agent, Dependency

MOST_AGENTS = 200
BY_PLACE = "repository"  # told once for the whole file
_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[\w.-]+):(?!//)(?P<path>\S+)")
_KINDS: Mapping[str, dict[str, Any]] = {
    "list": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 200},
    "number": {"type": "integer", "minimum": 0, "maximum": 36_500},
    "level": {"type": "integer", "enum": [1, 2, 3, 4]},
    "person": {"type": "string", "minLength": 1, "description": "E-mail address or full name"},
    "team": {"type": "string", "minLength": 1, "description": "The team's name"},
    "custom": {"type": "object", "description": "Values of custom fields by their key"},
    "link": {"type": "string", "format": "uri"},
}


@dataclass(frozen=True)
class Fault:
    """What is wrong at one place of a declaration: a pointer such as `tools/0/name`, and what was expected."""

    pointer: str
    message: str


def repository_address(text: str) -> str:
    """One spelling of a repository, however git was told of it; '' when it is no address.

    `git@host:a/b.git`, `ssh://git@host/a/b` and `https://user:secret@HOST/a/b/` are `https://host/a/b`.
    """
    told = text.strip()
    scp = _SCP.fullmatch(told)
    if scp and "://" not in told:
        told = f"https://{scp['host']}/{scp['path']}"
    try:
        parts = urlsplit(told)
        host, number = parts.hostname, parts.port
    except ValueError:  # a port that is none, brackets that hold no address
        return ""
    path = parts.path.rstrip("/").removesuffix(".git")
    if parts.scheme not in ("https", "http", "ssh", "git") or not host or not path.strip("/"):
        return ""
    port = f":{number}" if number and parts.scheme in ("https", "http") else ""
    return f"{'http' if parts.scheme == 'http' else 'https'}://{host}{port}{path}"


def schema(address: str = "") -> dict[str, Any]:
    """The JSON Schema of a `chancery.yaml`; `address` is its `$id`."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **({"$id": address} if address else {}),
        "title": "Agents declared to Chancery",
        "type": "object",
        "required": ["agents"],
        "additionalProperties": False,
        "patternProperties": {"^x-": {}},
        "properties": {
            "version": {"const": 1, "description": "The version of this format"},
            BY_PLACE: {"type": "string", "description": "Its address; that of git's remote where it is left out"},
            "agents": {
                "type": "array", "items": {"$ref": "#/definitions/agent"}, "minItems": 1, "maxItems": MOST_AGENTS,
            },
        },
        "definitions": {"agent": _agent(), **_things()},
    }  # fmt: skip


def faults_in(agent: Any) -> list[Fault]:
    """Where one declared agent breaks the schema; empty when it keeps it."""
    found = [fault for error in _validator().iter_errors(agent) for fault in _faults(error)]
    return sorted(set(found), key=lambda one: (one.pointer, one.message))


@cache
def _validator() -> Draft7Validator:
    whole = schema()
    return Draft7Validator(
        {"$ref": "#/definitions/agent", "definitions": whole["definitions"]},
        format_checker=Draft7Validator.FORMAT_CHECKER,
    )


def _agent() -> dict[str, Any]:
    named = {name: _property(FIELDS[name]) for name in EDITABLE if name != BY_PLACE}
    slug = {
        "type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 80,
        "description": "Its key across repositories; without it, repository and name are the key",
    }  # fmt: skip
    lists = {"tools": "tool", "models": "model", "data_sources": "data_source", "depends_on": "dependency"}
    things = {
        name: {"type": "array", "items": {"$ref": f"#/definitions/{kind}"}, "maxItems": 200}
        for name, kind in lists.items()
    }
    return {
        "type": "object", "required": ["name"], "additionalProperties": False,
        "properties": {"slug": slug, **named, **things},
    }  # fmt: skip


def _property(spec: Field) -> dict[str, Any]:
    shape = dict(_KINDS.get(spec.kind, {"type": "string"}))
    longest = getattr(Agent._meta.get_field(spec.name), "max_length", None)
    if longest and shape["type"] == "string":
        shape["maxLength"] = longest
    if spec.kind in ("text", "long_text"):
        shape["minLength"] = 1
    if spec.choices and spec.kind != "level":
        shape["enum"] = [value for value, _ in spec.choices]
    told = ", ".join(f"{value}: {label}" for value, label in spec.choices)
    shape["title"] = spec.label
    return shape | ({"description": told} if told else {})


def _things() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 255}
    named = {"type": "string", "minLength": 1, "maxLength": 520}
    grant = {
        "reason": {"type": "string", "minLength": 1}, "operations": {"type": "array", "items": {"type": "string"}},
        "constraints": {"type": "object"}, "expires_at": {"type": "string", "format": "date-time"},
    }  # fmt: skip
    relation = {"enum": list(Dependency.Relation.values)}
    return {
        "tool": _either(
            named, _object({"name": named, "server": text, "grant": {"type": ["boolean", "object"], **_closed(grant)}}, "name"),
            "`server/tool` of an MCP server, or a plain name",
        ),
        "model": _either(
            text, _object({"model": text, "provider": text, "snapshot": text, "region": text}, "model"), "A model",
        ),
        "data_source": _either(
            text, _object({"name": text, "access": {"enum": ["reads", "writes"]}}, "name"), "By its name in the catalogue",
        ),
        "dependency": {
            "description": "One of agent (its slug), system or predictive_model (its name)", "minProperties": 1,
            **_object({"agent": text, "system": text, "predictive_model": text, "relation": relation}),
        },
    }  # fmt: skip


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "required": list(required), **_closed(properties)}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": False, "properties": properties}


def _either(text: dict[str, Any], whole: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "anyOf": [text, whole]}


def _faults(error: ValidationError, inside: tuple[str, ...] = ()) -> Iterator[Fault]:
    path = (*inside, *map(str, error.path))
    if error.validator == "anyOf":
        fitting = 1 if isinstance(error.instance, dict) else 0
        for part in error.context or ():
            if part.schema_path[0] == fitting:
                yield from _faults(part, path)
    elif error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in sorted(map(str, set(error.instance) - set(known))):
            near = get_close_matches(name, known, 1)
            yield Fault(
                "/".join((*path, name)), f"There is no such field{f'; {near[0]} is one' if near else ''}"
            )
    elif error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        yield Fault("/".join((*path, missing)), "Enter a value")
    else:
        yield Fault("/".join(path), _WORDS.get(str(error.validator), lambda one: one.message)(error))


_TYPES = {
    "string": "text", "array": "a list", "object": "a mapping", "integer": "a whole number", "boolean": "true or false",
}  # fmt: skip


def _type_words(error: ValidationError) -> str:
    told = error.validator_value
    wanted = told if isinstance(told, list) else [str(told)]
    return f"Enter {' or '.join(_TYPES.get(one, one) for one in wanted)}"


_WORDS: Mapping[str, Callable[[ValidationError], str]] = {
    "type": _type_words,
    "enum": lambda error: f"Enter one of {', '.join(map(str, error.validator_value))}",
    "maxLength": lambda error: f"Use at most {error.validator_value} characters",
    "minLength": lambda _: "Enter a value",
    "maximum": lambda error: f"Enter at most {error.validator_value}",
    "minimum": lambda error: f"Enter at least {error.validator_value}",
    "maxItems": lambda error: f"List at most {error.validator_value}",
    "pattern": lambda _: "Use letters, digits, hyphens and underscores",
    "minProperties": lambda _: "Name an agent, a system or a predictive model",
    "format": lambda error: f"Enter a {'time such as 2026-03-01T00:00:00Z' if error.validator_value == 'date-time' else 'web address'}",
}  # fmt: skip

"""Applying a mode to what a record says. Twice is the same as once, and a stricter mode may follow. Pure.

Names, ids, models, statuses and numbers that Chancery reads into columns stay as they are; every other text is
content, known or not, so that what a client invents tomorrow is not recorded by oversight.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson

from apps.activity.ingest.dialects import COLUMNS_READ, EVENTS, named_dialect
from apps.activity.ingest.reading import parsed
from apps.activity.recording.policy import FULL, HASHED, NONE, REDACTED, strictest
from apps.activity.recording.redaction import is_secret_name, redacted

MARK = "chancery.content"  # the mode that was applied, beside the attributes
STRUCTURAL = frozenset({
    "gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind", "event.name", "event.timestamp",
    "event.sequence", "gen_ai.tool.type", "gen_ai.response.id", "gen_ai.response.finish_reasons", "span_data>type",
    "gen_ai.output.type", "gen_ai.agent.id", "request_id", "prompt.id", "terminal.type", "server.address", MARK,
})  # fmt: skip
# What a resource says of the software, not of a person: the rest is content like any other text.
OF_SOFTWARE = (
    "service.",
    "telemetry.",
    "deployment.",
    "chancery.",
    "process.runtime.",
    "os.type",
    "host.arch",
)
ALSO_READ = ("node_name", "tool_status", "success", "decision")
HASH = re.compile(r"^hmac:[0-9a-f]{24}$")
DEEPEST = 40


@dataclass(frozen=True)
class Kept:
    """Which attributes are no content: whole ones, and of those that hold others the keys inside."""

    whole: frozenset[str]
    inside: Mapping[str, frozenset[str]]


NOTHING_KEPT = Kept(frozenset(), {})


@lru_cache(maxsize=64)
def kept_of(dialect_name: str) -> Kept:
    """What the reading tables read of names and ids."""
    dialect = named_dialect(dialect_name)
    whole: set[str] = set(STRUCTURAL)
    inside: dict[str, set[str]] = {}
    for name in (*COLUMNS_READ, *ALSO_READ):
        for path in dialect.paths(name):
            head, nested, rest = path.partition(">")
            if not nested:
                whole.add(path)
            elif not head.startswith("event:"):
                inside.setdefault(head, {"type"}).update({rest, rest.partition(".")[0]})
    return Kept(frozenset(whole), {head: frozenset(keys) for head, keys in inside.items()})


def attributes_under(mode: str, attributes: Mapping[str, Any], dialect: str, key: bytes) -> dict[str, Any]:
    """The attributes as they may be stored; those under a mode at least as strict are returned as they are."""
    before = str(attributes.get(MARK, FULL))
    if strictest({mode, before if before in (REDACTED, HASHED, NONE) else FULL}) == before:
        return dict(attributes)
    treat, kept = treatment(mode, key), kept_of(dialect)
    found = {}
    for name, value in attributes.items():
        told = _attribute(name, value, mode, kept, treat)
        if told is not None:
            found[name] = told
    return found | {MARK: mode}


def resource_under(mode: str, attributes: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """The attributes of a resource as they may be stored: what names the software stays, the rest is content."""
    treat = treatment(mode, key)
    found = {}
    for name, value in attributes.items():
        told = value if name.startswith(OF_SOFTWARE) else _attribute(name, value, mode, NOTHING_KEPT, treat)
        if told is not None:
            found[name] = told
    return found | {MARK: mode}


def content_replaced(attributes: Mapping[str, Any], dialect: str, mark: str) -> dict[str, Any]:
    """The attributes with a mark in place of every piece of content: those that a mode would hash."""

    def treat(value: Any) -> Any:
        return _told(value, lambda leaf: mark)

    kept = kept_of(dialect)
    return {name: _attribute(name, value, HASHED, kept, treat) for name, value in attributes.items()}


def treatment(mode: str, key: bytes) -> Callable[[Any], Any]:
    """What becomes of a piece of content: a text or anything JSON holds; None where nothing is recorded."""
    if mode == NONE:
        return lambda value: None
    if mode == HASHED:
        return lambda value: _told(value, lambda leaf: _hashed(leaf, key))
    if mode == REDACTED:
        return lambda value: _told(value, _redacted_leaf)
    return lambda value: value


def _attribute(name: str, value: Any, mode: str, kept: Kept, treat: Callable[[Any], Any]) -> Any:
    if name in kept.whole or isinstance(value, (int, float)):
        return value
    if mode == REDACTED:
        return "[secret]" if is_secret_name(name) and isinstance(value, str) else treat(value)
    if name in kept.inside:
        return _inside(value, kept.inside[name], treat)
    if name == EVENTS:
        return _events(value, treat)
    return treat(value)


def _inside(value: Any, keys: frozenset[str], treat: Callable[[Any], Any]) -> Any:
    """Of a mapping (or its JSON) the keys that are read stay, the others are content."""
    told = parsed(value)
    if not isinstance(told, Mapping):
        return treat(value)
    found = {key: one if key in keys else treat(one) for key, one in told.items()}
    found = {key: one for key, one in found.items() if one is not None}
    return found if isinstance(value, Mapping) else orjson.dumps(found).decode()


def _events(value: Any, treat: Callable[[Any], Any]) -> Any:
    """Events keep their names and the types of exceptions."""
    if not isinstance(value, list):
        return treat(value)
    return [
        {
            "name": one.get("name"),
            "attributes": _inside(one.get("attributes"), frozenset({"exception.type"}), treat),
        }
        for one in value
        if isinstance(one, Mapping)
    ]


def _told(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Every leaf treated; JSON in a text stays JSON in a text."""
    return _leaves(value, leaf, 0)


def _leaves(value: Any, leaf: Callable[[Any], Any], depth: int) -> Any:
    if depth > DEEPEST:
        return leaf(orjson.dumps(value, default=str).decode())
    if isinstance(value, Mapping):
        return {name: _named(str(name), one, leaf, depth) for name, one in value.items()}
    if isinstance(value, list):
        return [_leaves(one, leaf, depth + 1) for one in value]
    if isinstance(value, str) and isinstance(inner := parsed(value), (dict, list)):
        return orjson.dumps(_leaves(inner, leaf, depth + 1)).decode()
    return None if value is None else leaf(value)


def _named(name: str, value: Any, leaf: Callable[[Any], Any], depth: int) -> Any:
    if leaf is _redacted_leaf and is_secret_name(name) and isinstance(value, (str, int)):
        return "[secret]"
    return _leaves(value, leaf, depth + 1)


def _redacted_leaf(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 10**11:
        told = redacted(str(value))  # a card number sent as a number
        return value if told == str(value) else told
    return value


def _hashed(value: Any, key: bytes) -> str:
    """Equal values have equal hashes, and nobody without the key can try values."""
    if isinstance(value, str) and HASH.match(value):
        return value
    told = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"hmac:{hmac.new(key, told.encode(), sha256).hexdigest()[:24]}"

"""Reads YAML, JSON, TOML, HCL and front matter into plain values, within bounds and without constructing objects.

YAML is built from parser events: no tag makes an object (a CloudFormation `!Ref x` becomes `{"Ref": "x"}`),
aliases are counted each time they are used (an alias bomb ends at the node limit), depth and size are
bounded. Every mapping remembers its line. Whatever cannot be read raises `Unreadable`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MOST_NODES: Final = 200_000
DEEPEST: Final = 100
MOST_DOCUMENTS: Final = 2_000
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: Final[dict[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}
_FENCE: Final = re.compile(
    r"\A(?:\ufeff)?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
_CONSTRUCTED: Final = {"Ref": "Ref", "GetAtt": "Fn::GetAtt", "Sub": "Fn::Sub", "If": "Fn::If"}


class Unreadable(Exception):
    """The text is not of this format, or beyond the limits."""


class Lined(dict[str, Any]):
    """A mapping that knows the line it began on (0: unknown)."""

    line: int = 0


@dataclass
class _Open:
    """A collection being built; `size` counts the nodes below it."""

    value: Any
    anchor: str | None
    tag: str | None
    key: Any = None
    has_key: bool = False
    size: int = 1


@dataclass
class _Builder:
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    root: Any = None
    nodes: int = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._add(_tagged(event.tag, _scalar(event)), 1, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise Unreadable(f"the alias {event.anchor} is not defined")
            self._add(*self.anchors[event.anchor], None)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._open(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            done = self.stack.pop()
            self._add(_tagged(done.tag, _merged(done.value)), done.size, done.anchor)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if len(self.stack) >= DEEPEST:
            raise Unreadable("nested too deeply")
        value: Any = []
        if isinstance(event, yaml.MappingStartEvent):
            value = Lined()
            value.line = event.start_mark.line + 1 if event.start_mark else 0
        self.stack.append(_Open(value, event.anchor, event.tag))

    def _add(self, value: Any, size: int, anchor: str | None) -> None:
        self.nodes += size
        if self.nodes > MOST_NODES:
            raise Unreadable("too many nodes")
        if anchor:
            self.anchors[anchor] = (value, size)
        if not self.stack:
            self.root = value
            return
        parent = self.stack[-1]
        parent.size += size
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.has_key:
            parent.value[_key(parent.key)] = value
            parent.has_key = False
        else:
            parent.key, parent.has_key = value, True


def _key(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else {None: "", True: "true", False: "false"}.get(_hashable(value), "?")
    )


def _hashable(value: Any) -> Any:
    return value if isinstance(value, (bool, type(None))) else ""


def _scalar(event: yaml.ScalarEvent) -> Any:
    """Null and booleans as themselves, everything else as the text that stands there."""
    plain = event.implicit[0] and event.style in (None, "")
    return _WORDS.get(event.value.lower(), event.value) if plain else event.value


def _tagged(tag: str | None, value: Any) -> Any:
    """A CloudFormation short form as its long form; other tags say nothing here."""
    name = tag[1:] if tag and tag.startswith("!") and not tag.startswith("!!") else ""
    return {_CONSTRUCTED.get(name, f"Fn::{name}"): value} if name else value


def _merged(value: Any) -> Any:
    """A mapping with its merge keys (`<<`) taken in."""
    if not isinstance(value, Lined) or "<<" not in value:
        return value
    merged, sources = Lined(), value.pop("<<")
    merged.line = value.line
    for source in sources if isinstance(sources, list) else [sources]:
        if isinstance(source, dict):
            merged |= {key: item for key, item in source.items() if key not in merged}
    merged.update(value)
    return merged


def read_yaml(text: str) -> list[Any]:
    """The documents of a YAML stream. One that is a template (Helm, Jinja) raises Unreadable."""
    documents, builder = [], _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
            if isinstance(event, yaml.DocumentEndEvent):
                documents.append(builder.root)
                builder = _Builder(nodes=builder.nodes)
            if len(documents) > MOST_DOCUMENTS:
                raise Unreadable("too many documents")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    return documents


def read_json(text: str) -> Any:
    """The value of a JSON text; comments and trailing commas, as editors' settings have them, are let through."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    except ValueError:
        pass
    try:
        return json.loads(_without_comments(text))
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error


_JSON_PARTS: Final = re.compile(r'"(?:\\.|[^"\\])*+"|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)


def _without_comments(text: str) -> str:
    return _JSON_PARTS.sub(
        lambda part: part[0] if part[0].startswith('"') else "", text.removeprefix("\ufeff")
    )


def read_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def read_front_matter(text: str) -> dict[str, Any] | None:
    """The mapping between the `---` lines at the head of a Markdown file; None when there is none.

    A value with an unquoted colon is common in the wild and no YAML; such a head is read line by line.
    """
    fence = _FENCE.match(text)
    if not fence:
        return None
    try:
        documents = read_yaml(fence[1])
    except Unreadable:
        return _plain_lines(fence[1])
    return documents[0] if documents and isinstance(documents[0], dict) else None


def _plain_lines(head: str) -> dict[str, Any] | None:
    pairs = (line.partition(":") for line in head.splitlines() if re.match(r"[\w-]+:", line))
    found = {key: value.strip().strip("'\"") for key, _, value in pairs if value.strip()}
    return found or None


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping below a value, outermost first; the caller's value is bounded already."""
    waiting, seen = [value], 0
    while waiting and seen < MOST_NODES:
        item, seen = waiting.pop(), seen + 1
        if isinstance(item, dict):
            yield item
            waiting.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def line_of(value: Any) -> int:
    return getattr(value, "line", 0)

"""Reading one meaning out of a span's attributes by the paths of its dialect."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from apps.activity.ingest.dialects import COLUMNS_READ, EVENTS, MEANINGLESS, Dialect

EMPTY: tuple[Any, ...] = ("", [], {})
MOST_SHAPES = 4096
LONGEST_NAME = 255  # of names, ids and versions: what the registry keeps of an agent's names, too


def read(attributes: Mapping[str, Any], dialect: Dialect, name: str) -> Any:
    """The first path of `name` that holds something; None when none does."""
    for path in dialect.paths(name):
        value = attributes.get(path) if ">" not in path else _deep(attributes, path)
        if value is not None and value not in EMPTY:
            return value
    return None


def read_columns(attributes: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """What `read` gives for each of COLUMNS_READ that holds something."""
    plain, nested = _fillers(dialect, tuple(attributes))
    found: dict[str, Any] = {}
    for name, keys in plain:
        for key in keys:
            value = attributes[key]
            if value or (value is not None and value not in EMPTY):
                found[name] = value
                break
    for name in nested:
        found[name] = read(attributes, dialect, name)
    return found


@lru_cache(maxsize=MOST_SHAPES)
def _fillers(
    dialect: Dialect, keys: tuple[str, ...]
) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    """The columns that attributes of these names fill, each with the names in order of preference, and those that
    are read from inside an attribute. A client sends the same few shapes over and over."""
    plain, nested = [], []
    for name in COLUMNS_READ:
        paths = dialect.paths(name)
        if any(_head(path) in keys for path in paths if ">" in path):
            nested.append(name)
        elif any(path in keys for path in paths):
            plain.append((name, tuple(path for path in paths if path in keys)))
    return tuple(plain), tuple(nested)


def _head(path: str) -> str:
    head = path.partition(">")[0]
    return EVENTS if head.startswith("event:") else head


def clean(words: str) -> str:
    """Without NUL, which PostgreSQL can store neither in text nor in jsonb."""
    return words.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in words else words


def text(attributes: Mapping[str, Any], dialect: Dialect, name: str, limit: int = LONGEST_NAME) -> str:
    """As `read`, as text of at most `limit` characters; '' for nothing and for words that mean nothing."""
    return worded(read(attributes, dialect, name), limit)


def worded(value: Any, limit: int = LONGEST_NAME) -> str:
    """What was read as text of at most `limit` characters; '' for nothing and for words that mean nothing."""
    if value is None:
        return ""
    words = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return "" if words in MEANINGLESS else clean(words[:limit])


def number(attributes: Mapping[str, Any], dialect: Dialect, name: str) -> int | None:
    """As `read`, as a whole number; clients send some as text."""
    return counted(read(attributes, dialect, name))


def counted(value: Any) -> int | None:
    """What was read as a whole number that the database can hold; None where it is none."""
    try:
        found = int(value) if value is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found is not None and 0 <= found < 1 << 62 else None


def parsed(value: Any) -> Any:
    """JSON text as what it says; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "[", '"'):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _deep(attributes: Mapping[str, Any], path: str) -> Any:
    head, _, rest = path.partition(">")
    if head.startswith("event:"):
        return _in_events(attributes, head.removeprefix("event:"), rest)
    inner = parsed(attributes.get(head))
    if not isinstance(inner, Mapping):
        return None
    if rest in inner:
        return inner[rest]
    for key in rest.split("."):
        inner = inner.get(key) if isinstance(inner, Mapping) else None
    return inner


def _in_events(attributes: Mapping[str, Any], event: str, key: str) -> Any:
    """A client may call an attribute of its own `otel.events`: only what has the form of events is read."""
    events = attributes.get(EVENTS)
    for one in events if isinstance(events, list) else ():
        told = one.get("attributes") if isinstance(one, Mapping) and one.get("name") == event else None
        if isinstance(told, Mapping) and told.get(key) is not None:
            return told[key]
    return None

"""Reading one meaning out of a span's attributes by the paths of its dialect."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from apps.activity.ingest.dialects import COLUMNS_READ, EVENTS, MEANINGLESS, Dialect

EMPTY: tuple[Any, ...] = ("", [], {})
TOKENS = frozenset({"input_tokens", "output_tokens"})
NOTHING_READ = [None if name in TOKENS else "" for name in COLUMNS_READ]
MOST_SHAPES = 4096
LONGEST_NAME = 255  # of names, ids and versions: what the registry keeps of an agent's names, too


def read(attributes: Mapping[str, Any], dialect: Dialect, name: str) -> Any:
    """The first path of `name` that holds something; None when none does."""
    for path in dialect.paths(name):
        value = attributes.get(path) if ">" not in path else _deep(attributes, path)
        if value is not None and value not in EMPTY:
            return value
    return None


def read_columns(attributes: Mapping[str, Any], dialect: Dialect) -> list[Any]:
    """COLUMNS_READ in their order: of TOKENS the number or None, of the others what `text` gives."""
    plain, nested = _fillers(dialect, tuple(attributes))
    columns = NOTHING_READ.copy()
    for at, keys, is_words in plain:
        for key in keys:
            value = attributes[key]
            if value or (value is not None and value not in EMPTY):
                # Attributes hold no NUL: short words, which nearly all are, are taken as they stand.
                is_ready = type(value) is str and len(value) <= LONGEST_NAME and value not in MEANINGLESS
                columns[at] = value if is_words and is_ready else _as_column(value, is_words)
                break
    for at, name, is_words in nested:
        columns[at] = _as_column(read(attributes, dialect, name), is_words)
    return columns


def _as_column(value: Any, is_words: bool) -> Any:
    return worded(value) if is_words else counted(value)


@lru_cache(maxsize=MOST_SHAPES)
def _fillers(
    dialect: Dialect, keys: tuple[str, ...]
) -> tuple[tuple[tuple[int, tuple[str, ...], bool], ...], tuple[tuple[int, str, bool], ...]]:
    """The columns that attributes of these names fill, by place: each with the names in order of preference, and
    those that are read from inside an attribute. A client sends the same few shapes over and over."""
    plain, nested = [], []
    for at, name in enumerate(COLUMNS_READ):
        paths, is_words = dialect.paths(name), name not in TOKENS
        if any(_head(path) in keys for path in paths if ">" in path):
            nested.append((at, name, is_words))
        elif any(path in keys for path in paths):
            plain.append((at, tuple(path for path in paths if path in keys), is_words))
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

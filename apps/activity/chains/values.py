"""Values in arguments and results, and the forms under which two of them are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

MOST_VALUES = 600
LONGEST_SCALAR = 160
LONGEST_TEXT = 20_000
SHORTEST = 3
# Said in every run, whatever it is about.
COMMON = frozenset(
    [
        "true",
        "false",
        "none",
        "null",
        "yes",
        "no",
        "ok",
        "okay",
        "success",
        "error",
        "failed",
        "done",
        "pending",
        "active",
        "all",
        "any",
        "id",
        "name",
        "type",
        "status",
        "value",
        "text",
        "string",
        "number",
        "object",
        "list",
        "data",
        "result",
        "results",
        "unknown",
        "default",
        "usd",
        "eur",
        "gbp",
        "en",
        "de",
        "us",
        "uk",
        "and",
        "the",
        "for",
        "user",
    ]
)
NUMBER = re.compile(r"^[-+]?[$€£]?\s?(\d{1,3}(?:[ ,']\d{3})+|\d+)(\.\d+)?\s?(?:%|[$€£]|usd|eur|gbp)?$", re.I)
ISO_DATE = re.compile(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?$")
DAY_FIRST = re.compile(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})$")
SLASHED = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4})$")
WORDED = re.compile(r"^(\d{1,2})(?:st|nd|rd|th)?\s+([a-z]{3,9})\.?,?\s+(\d{4})$", re.I)
WORDED_US = re.compile(r"^([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})$", re.I)
MONTHS = {
    name: at
    for at, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
# What stands out in a text: addresses of mail and web, dates, identifiers, amounts and numbers.
TOKEN = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://[^\s\"'<>)\]]+|\d{4}-\d{2}-\d{2}"
    r"|\d{1,2}(?:st|nd|rd|th)?\s+(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?,?\s+\d{4}"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?\s+\d{1,2},\s+\d{4}"
    r"|[A-Za-z]*[-_#]?\d[\w-]*(?:[.,]\d+)*"
    r"|[A-Z][a-z]+(?:\s[A-Z][a-z]+)+\b(?![-_]?\d)|[a-z]+(?:_[a-z0-9]+)+"
)


class Value(NamedTuple):
    """A value, where it stands (`order.items[0].sku`), and whether it was picked out of a longer text."""

    path: str
    raw: str
    in_text: bool = False


def values_of(thing: Any) -> list[Value]:
    """What may be recognised elsewhere in arguments or a result; at most 600, the common left out."""
    found: dict[tuple[str, str], Value] = {}
    for value in _walk(thing, ""):
        if says_something(value.raw):
            found.setdefault((value.path, value.raw), value)
        if len(found) >= MOST_VALUES:
            break
    return list(found.values())


def _walk(thing: Any, path: str) -> Iterator[Value]:
    if isinstance(thing, dict):
        for key, inner in thing.items():
            yield from _walk(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(thing, list):
        for at, inner in enumerate(thing[:200]):
            yield from _walk(inner, f"{path}[{at}]")
    elif isinstance(thing, str):
        if len(thing) <= LONGEST_SCALAR:
            yield Value(path, thing.strip())
        if not thing.replace("-", "").replace("_", "").isalnum():
            yield from (Value(path, raw, in_text=True) for raw in tokens_of(thing) if raw != thing.strip())
    elif isinstance(thing, (int, float)) and not isinstance(thing, bool):
        yield Value(path, str(thing))


def tokens_of(text: str) -> list[str]:
    """What stands out in a text, each once."""
    return list(dict.fromkeys([found.rstrip(".,;:-") for found in TOKEN.findall(text[:LONGEST_TEXT])]))


@lru_cache(maxsize=65536)
def says_something(raw: str) -> bool:
    """False for what is too common to mean anything: words of every run, single digits, very short texts."""
    folded = raw.casefold().strip()
    if len(folded) < SHORTEST or folded in COMMON or not any(letter.isalnum() for letter in folded):
        return False
    return not (folded.isdigit() and len(folded) == 4 and folded[:2] in ("19", "20"))


@lru_cache(maxsize=131072)
def normal(raw: str) -> str:
    """The form that is the same for `1,204.00` and `1204`, `3 May 2024` and `2024-05-03`, `ORD-123` and `ord 123`."""
    return _as_date(raw) or _as_number(raw) or _as_words(raw)


def _as_number(raw: str) -> str:
    match = NUMBER.match(raw.strip())
    if match is None:
        return ""
    digits = re.sub(r"[ ,']", "", match.group(1)) + (match.group(2) or "")
    if len(match.group(1)) > 1 and match.group(1).startswith("0"):
        return ""  # a code, not an amount
    try:
        number = Decimal(digits).normalize()
    except InvalidOperation:
        return ""
    return f"#{'-' if raw.strip().startswith('-') else ''}{number:f}"


def _as_date(raw: str) -> str:
    text = raw.strip()
    if match := ISO_DATE.match(text):
        return _day(*map(int, match.groups()))
    if match := DAY_FIRST.match(text):
        day, month, year = map(int, match.groups())
        return _day(year, month, day)
    if (match := SLASHED.match(text)) and (int(match[1]) > 12 or int(match[2]) > 12):
        first, second, year = map(int, match.groups())
        return _day(year, second, first) if first > 12 else _day(year, first, second)
    if match := WORDED.match(text):
        return _day(int(match[3]), MONTHS.get(match[2][:3].lower(), 0), int(match[1]))
    if match := WORDED_US.match(text):
        return _day(int(match[3]), MONTHS.get(match[1][:3].lower(), 0), int(match[2]))
    return ""


def _day(year: int, month: int, day: int) -> str:
    try:
        return f"@{date(year, month, day).isoformat()}"
    except ValueError:
        return ""


def _as_words(raw: str) -> str:
    folded = " ".join(raw.casefold().split()).strip(" .,;:!?\"'()[]")
    if any(letter.isdigit() for letter in folded) and len(folded) <= 40:
        return re.sub(r"[\s_#-]+", "", folded)  # an identifier, however it is grouped
    return folded


def is_distinctive(raw: str) -> bool:
    """True for what hardly anybody writes by chance: a long identifier or address."""
    digits = sum(letter.isdigit() for letter in raw)
    return len(raw) >= 8 and (digits >= 3 or "@" in raw) and len(set(raw)) >= 5


def text_of(thing: object) -> str:
    """Arguments or a result as one text, the same whatever the order of its keys; '' for none."""
    if thing is None or isinstance(thing, str):
        return thing or ""
    return orjson.dumps(thing, default=str, option=orjson.OPT_SORT_KEYS).decode()

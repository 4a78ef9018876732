"""The definition of a tool as it is pinned: what of it counts, its digest, characters that nobody sees. Pure.

What counts is what a model reads and what a client trusts: name, description, schemas, annotations. `_meta` does not:
proxies add to it. Digests are of one server's tools; the same tool through another proxy may have another one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import rfc8785

PINNED = ("name", "description", "inputSchema", "outputSchema", "annotations")
PASSED_ON = frozenset({*PINNED, "_meta", "execution"})  # titles and icons are not: nobody pinned them
DEEPEST = 64
WORDS = {
    "name": "name",
    "description": "description",
    "inputSchema": "input schema",
    "outputSchema": "output schema",
    "annotations": "annotations",
}
BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters that are drawn as nothing


class NotCanonical(Exception):
    """A definition that has no canonical form: a number too large, a text that is no Unicode, nested without end."""


def pinned_part(tool: Mapping[str, Any]) -> dict[str, Any]:
    """What of a listed tool counts. Raises NotCanonical."""
    part = {name: tool[name] for name in PINNED if tool.get(name) is not None}
    if not isinstance(part.get("name"), str):
        raise NotCanonical("a tool has no name")
    if _depth(part) > DEEPEST:
        raise NotCanonical("it is nested too deeply")
    return part


def digest_of(tool: Mapping[str, Any]) -> str:
    """SHA-256 over the RFC 8785 form of what counts, whatever the order of its keys. Raises NotCanonical."""
    try:
        return sha256(rfc8785.dumps(pinned_part(tool))).hexdigest()
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise NotCanonical(str(error)) from error


def changed_parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which parts differ, in words, in the order in which they matter."""
    return [WORDS[name] for name in PINNED if before.get(name) != after.get(name)]


def hides_something(definition: Mapping[str, Any]) -> bool:
    """True when a text of it, a key included, holds characters that are not seen."""
    return any(is_unseen(one) for text in _texts(definition) for one in text)


def is_unseen(character: str) -> bool:
    """Zero-width, bidirectional, tag and other format characters, and controls but line breaks and tabs."""
    if character in "\n\r\t":
        return False
    if character in BLANK or "\ufe00" <= character <= "\ufe0e" or "\U000e0100" <= character <= "\U000e01ef":
        return True  # variation selectors carry bytes; U+FE0F only makes an emoji colourful
    return unicodedata.category(character) in ("Cf", "Cc", "Co", "Cn", "Cs", "Zl", "Zp")


def shown(text: str) -> str:
    """The text with unseen characters in a form that is seen, such as [U+200B zero width space]."""
    return "".join(_shown(one) if is_unseen(one) else one for one in text)


def _shown(character: str) -> str:
    if "\U000e0020" <= character <= "\U000e007e":
        return f"[tag {chr(ord(character) - 0xE0000)}]"
    name = unicodedata.name(character, "").lower()
    return f"[U+{ord(character):04X}{' ' if name else ''}{name}]"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _depth(value: Any, depth: int = 0) -> int:
    if depth > DEEPEST:
        return depth
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return max((_depth(item, depth + 1) for item in inner), default=depth)

"""What becomes of a value in which an identifier stands: it gives way to a mark, everything around it stays. Pure.

A value is a whole text, or a whole leaf of JSON; JSON in a text stays JSON in a text. What joins records (a conversation,
a call's id, a contact) becomes a pseudonym of its own, the same wherever it stood, so that they stay joined; nobody can
tell or try what it was once the erasure's salt is gone. Twice is the same as once.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from apps.activity.erasure.patterns import exact

MARK = "[erased]"
PSEUDONYM = "erased-"
DEEPEST = 60
# Of JSON that Chancery writes itself only the words can say something of a person.
WORDS_ONLY: Mapping[str, tuple[int | str, ...]] = {"verdicts": (1,), "causes": ("reason",)}
WORDS_OF: Mapping[str, tuple[str, ...]] = {"evidence": ("found", "note")}
Leaf = Callable[[Any], Any]


class Eraser:
    """Decides of values, for the identifiers of one person."""

    def __init__(self, identifiers: Sequence[str], salt: bytes) -> None:
        self._exact: re.Pattern[str] = exact(identifiers)
        self._salt = salt

    def fits(self, words: str) -> bool:
        return self._exact.search(words) is not None

    def text(self, words: str) -> str:
        """A text as it may stay."""
        return str(self.inside(words))

    def name(self, words: str) -> str:
        """What joins records, as it may stay."""
        return self.pseudonym(words) if self.fits(words) else words

    def pseudonym(self, words: str) -> str:
        if not words or words.startswith(PSEUDONYM):
            return words
        return PSEUDONYM + hmac.new(self._salt, words.encode(), sha256).hexdigest()[:16]

    def inside(self, value: Any) -> Any:
        """JSON, or a text that may hold JSON, as it may stay; names within it too."""
        return walked(value, self._leaf, self.name)

    def _leaf(self, value: Any) -> Any:
        return MARK if self.fits(value if isinstance(value, str) else json.dumps(value)) else value


def emptied(value: Any) -> Any:
    """Every leaf gives way, whatever it says."""
    return walked(value, lambda leaf: leaf if leaf == "" else MARK, str)


def of_words(column: str, value: Any, treat: Leaf) -> Any:
    """JSON of Chancery's own making: treated where its words stand, left where its codes stand."""
    if column in WORDS_OF:
        return _at(value, WORDS_OF[column], treat)
    places = WORDS_ONLY.get(column)
    if places is None:
        return treat(value)
    told = list(value.values()) if isinstance(value, Mapping) else value
    parts = [_at(part, places, treat) for part in told]
    return dict(zip(value, parts, strict=True)) if isinstance(value, Mapping) else parts


def _at(part: Any, places: Sequence[int | str], treat: Leaf) -> Any:
    if isinstance(part, list):
        return [treat(one) if place in places else one for place, one in enumerate(part)]
    return {name: treat(one) if name in places else one for name, one in part.items()}


def walked(value: Any, leaf: Leaf, name: Callable[[str], str], depth: int = 0) -> Any:
    """The value with every leaf and every name treated; a text that is JSON comes back as text, untouched if nothing in
    it changed."""
    if value is None or isinstance(value, bool):
        return value
    if depth > DEEPEST:
        return leaf(json.dumps(value, ensure_ascii=False)) if isinstance(value, (dict, list)) else leaf(value)
    if isinstance(value, dict):
        return {name(key): walked(one, leaf, name, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [walked(one, leaf, name, depth + 1) for one in value]
    inner = _json_in(value)
    if inner is None:
        return leaf(value)
    told = walked(inner, leaf, name, depth + 1)
    return value if told == inner else json.dumps(told, ensure_ascii=False)


def _json_in(value: Any) -> Any:
    """What a text says that is a mapping or a list in JSON; None for anything else."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (dict, list)) else None

"""What an agent's record says, cut up for search: readable words, clauses, letters. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import sqrt
from zlib import crc32

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
JOINTS = re.compile(r"[_\-./:]+")
WORD = re.compile(r"[^\W_]+")
CLAUSE_END = re.compile(r"(?<=[.!?;:])\s+|,\s+|\s+and\s+|\n+")
SHORTEST_CLAUSE = 12
CLAUSES_KEPT = 8
LETTERS_OF_WORD = (3, 4, 5)
# Words of asking that say nothing of what is asked for.
ASKING = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "for",
        "and",
        "or",
        "on",
        "with",
        "is",
        "are",
        "be",
        "can",
        "you",
        "i",
        "me",
        "my",
        "your",
        "what",
        "how",
        "that",
        "this",
        "it",
        "do",
        "does",
        "help",
        "find",
        "please",
        "need",
        "want",
        "would",
        "could",
        "from",
        "some",
        "about",
        "any",
        "there",
        "have",
        "if",
        "tell",
        "us",
        "we",
        "which",
        "who",
        "when",
        "where",
        "give",
        "show",
        "get",
        "let",
        "know",
        "using",
        "use",
        "by",
        "as",
        "at",
        "will",
        "was",
        "am",
        "has",
    ]
)


def readable(identifier: str) -> str:
    """A name such as `refundOrders_v2` as words: refund Orders v2."""
    return JOINTS.sub(" ", CAMEL.sub(" ", identifier)).strip()


def clauses(text: str) -> list[str]:
    """The parts of a text that say one thing each, at most `CLAUSES_KEPT`; the text itself when it is short."""
    parts = [part.strip() for part in CLAUSE_END.split(text)]
    kept = [part for part in dict.fromkeys(parts) if len(part) >= SHORTEST_CLAUSE]
    return kept[:CLAUSES_KEPT] or ([text.strip()] if text.strip() else [])


def telling_words(text: str) -> list[str]:
    """Lower-case words of a text, without those of asking."""
    return [word for word in WORD.findall(CAMEL.sub(" ", text).lower()) if word not in ASKING]


def letters_of(text: str, buckets: int) -> dict[int, float]:
    """Hashed 3- to 5-grams of the telling words, as a sparse vector of unit length: {bucket: weight}."""
    present = {
        crc32(gram.encode()) % buckets
        for word in telling_words(text)
        for gram in _grams(word, LETTERS_OF_WORD)
    }
    weight = 1 / sqrt(len(present)) if present else 0.0
    return dict.fromkeys(sorted(present), weight)


def name_letters(name: str) -> list[str]:
    """The 3-grams of a name's words: names that share several are alike though one be misspelt."""
    return sorted({gram for word in telling_words(readable(name)) for gram in _grams(word, (3,))})


def _grams(word: str, lengths: Iterable[int]) -> Iterable[str]:
    padded = f"_{word}_"
    for length in lengths:
        for start in range(len(padded) - length + 1):
            yield padded[start : start + length]

"""Where an identifier stands in a text, however it is written there. Pure.

Two patterns of the same parts: a *coarse* one that PostgreSQL, RE2 (DuckDB) and Python read alike, for whole records as
text, and an *exact* one for single values, which also wants the ends of a word. What the coarse one lets pass is looked at
again with the exact one, so it may find too much and must not find too little: text in JSON in text counts its backslashes
up, an umlaut may be written as `\\u00fc` or as two characters, an address as part of a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import normalize

SHORTEST, LONGEST = 4, 200  # letters and digits; characters
PHONE_DIGITS = 7
HARD = "\u00a0"  # a space that does not break; RE2 knows no escape for it
SPACE = rf"(?:[ \t\n{HARD}_+-]|%20|\\+[nrt])"
IN_PHONE = rf"(?:[ \t\n{HARD}()./_-]|%20|\\+[nrt])"
IN_NAME = r"(?:[^0-9A-Za-z]|%20|\\+[nrt])"
AT = r"(?:@|%40|\\+u0040|&#64;)"
PLUS = r"(?:\+|%2B|\\+u002b)"
# Not within a word; a letter may stand before when it belongs to an escaped sign.
BEGIN = r"(?:(?<![^\W_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"
END = r"(?![^\W_])"


def normal(identifier: str) -> str:
    """One form for all spellings that are found alike: what a keyed hash is made of."""
    told = normalize("NFC", identifier).strip().casefold()
    if "@" in told:
        return told
    words = re.findall(r"[^\W_]+", told)
    digits = "".join(words)
    if digits.isdigit():
        return _without_00(digits, told)
    return digits if any(word.isdigit() for word in words) else " ".join(words)


def signs(identifier: str) -> int:
    """How many letters and digits it has."""
    return sum(sign.isalnum() for sign in identifier)


def coarse(identifiers: Iterable[str]) -> str:
    """To be matched without regard to case."""
    return "(?:" + "|".join(_pattern(normalize("NFC", one).strip()) for one in identifiers) + ")"


def exact(identifiers: Iterable[str]) -> re.Pattern[str]:
    """For one value, not for a record."""
    return re.compile(f"{BEGIN}{coarse(identifiers)}{END}", re.IGNORECASE)


def _pattern(identifier: str) -> str:
    if "@" in identifier:
        return "".join(map(_sign, identifier))
    words = re.findall(r"[^\W_]+", identifier)
    digits = "".join(words)
    if digits.isdigit():
        return _number(digits, identifier)
    between = f"{SPACE}{{0,3}}" if any(word.isdigit() for word in words) else f"{IN_NAME}{{1,6}}"
    return between.join("".join(map(_sign, word)) for word in words)


def _number(digits: str, identifier: str) -> str:
    """Digits with what people put between them; a country's code with `+`, `00` or neither."""
    if len(digits) < PHONE_DIGITS:
        return f"{SPACE}{{0,2}}".join(digits)
    told = _without_00(digits, identifier)
    is_abroad = told != digits or identifier.startswith("+")
    return ("(?:00)?" if is_abroad else "") + f"{IN_PHONE}{{0,3}}".join(told)


def _without_00(digits: str, identifier: str) -> str:
    """A phone number from its country's code on; any other number as it is."""
    is_abroad = len(digits) >= PHONE_DIGITS and identifier.startswith("00")
    return digits.removeprefix("00") if is_abroad else digits


def _sign(sign: str) -> str:
    """One character in each way it is written."""
    if sign == "@":
        return AT
    if sign == "+":
        return PLUS
    if sign.isascii():
        return re.escape(sign)
    ways = {way for case in {sign, sign.lower(), sign.upper()} for way in _ways(case)}
    return "(?:" + "|".join(sorted(ways)) + ")"


def _ways(case: str) -> set[str]:
    parted = normalize("NFD", case)
    return {re.escape(case), re.escape(parted), _escaped(case), _escaped(parted)}


def _escaped(signs: str) -> str:
    return "".join(one if one.isascii() else rf"\\+u{ord(one):04x}" for one in signs)

"""Personal data and secrets in free text, replaced by what they were. RE2 throughout: linear in the text. Pure.

Where a number has check digits they decide: card numbers by Luhn, IBANs by ISO 7064 MOD 97-10. What only looks like
one stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2

# In this order: what is longer or surer comes before what would match a piece of it.
PATTERNS: tuple[tuple[str, str], ...] = (
    ("private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
    ("token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    (
        "key",
        r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|xox[abeoprs]-[A-Za-z0-9-]{10,}"
        r"|sk-[A-Za-z0-9_-]{20,}|sk_(?:live|test)_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35}|glpat-[A-Za-z0-9_-]{20}"
        r"|chy_[A-Za-z0-9]+_[A-Za-z0-9_-]{20,})",
    ),
    ("token", r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{16,}=*"),
    ("url", r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"']+:[^\s/@\"']+@[^\s\"']+"),
    ("e-mail", r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\b"),
    ("iban", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
    ("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b"),
    ("national id", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b"),  # US social security number, written as such
    ("national id", r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b"),  # UK NINO
    ("national id", r"\b[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b"),  # FR INSEE
    ("national id", r"\b[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]\b"),  # IT codice fiscale
    ("national id", r"\b(?:[0-9]{8}|[XYZ][0-9]{7})[TRWAGMYFPDXBNJZSQVHLCKE]\b"),  # ES DNI, NIE
    ("phone", r"\+[0-9]{1,3}(?:[ ./-]?\(?[0-9]{1,5}\)?){2,6}"),
    ("phone", r"\b0[0-9]{1,4}[ /-][0-9]{2,4}(?:[ -]?[0-9]{2,4}){1,3}\b"),
    ("phone", r"\(?\b[2-9][0-9]{2}\)?[ .-][2-9][0-9]{2}[.-][0-9]{4}\b"),
)  # fmt: skip
# A named secret keeps its name: password=..., "api_key": "...".
NAMED = re2.compile(
    r"(?i)(\b[a-z0-9_.-]*(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token|private[_-]?key)"
    r"\\?[\"']?\s*[:=]\s*)(\\?[\"']?)([^\s\"',;&}\\]{4,})"
)
SECRET_NAMES = re2.compile(
    r"(?i)^(?:.*[_.-])?(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token|private[_-]?key|authorization)$"
)
COMPILED = tuple((name, re2.compile(pattern)) for name, pattern in PATTERNS)
# Most words hold nothing of all this; one look tells.
MAYBE = re2.compile(r"(?i)[0-9@]|-----BEGIN|bearer|pass|pwd|secret|key|token|xox|://")
DIGITS = re.compile(r"\D")


def redacted(words: str) -> str:
    """The text with what is personal or secret replaced by its kind in brackets."""
    if not MAYBE.search(words):
        return words
    found: str = NAMED.sub(r"\1\2[secret]", words)
    for name, pattern in COMPILED:
        found = pattern.sub(_replacing(name), found)
    return found


def is_secret_name(name: str) -> bool:
    """True for the name of a field that holds a secret, whatever that looks like."""
    return SECRET_NAMES.search(name) is not None


def passes_luhn(number: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def passes_mod97(iban: str) -> bool:
    """ISO 13616-1: letters as two digits, the first four characters last, one over 97."""
    turned = iban[4:] + iban[:4]
    return 15 <= len(iban) <= 34 and int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _is_card(words: str) -> bool:
    return passes_luhn(DIGITS.sub("", words))


def _is_iban(words: str) -> bool:
    return passes_mod97(words.replace(" ", ""))


def _is_phone(words: str) -> bool:
    return 8 <= len(DIGITS.sub("", words)) <= 15


CHECKS: dict[str, Callable[[str], bool]] = {"card": _is_card, "iban": _is_iban, "phone": _is_phone}


def _replacing(name: str) -> Callable[[Any], str]:
    check = CHECKS.get(name)
    told = f"[{name}]"

    def replace(match: Any) -> str:
        words: str = match.group(0)
        return told if check is None or check(words) else words

    return replace

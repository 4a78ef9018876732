"""The address a call leads to, and what it answers: through the guarded door, by GET, with the tool's own token."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import orjson

from apps.activity.effects.judging import Facts, Reply, short, why_not
from apps.activity.effects.rules import PLACEHOLDER, placeholders_of
from apps.kit.errors import Conflict
from apps.kit.outgoing import NotSent, get
from apps.kit.sealing import unseal

PURPOSE: Final = "read-back secret"
AT_ONCE: Final = 8
DEADLINE_S: Final = 4.0
MOST_BYTES: Final = 262_144
LONGEST_VALUE: Final = 200


@dataclass(frozen=True)
class Question:
    """One address to ask. `url` '' where the call does not give one, `why` then says why."""

    url: str = ""
    sealed: str = field(default="", repr=False)
    why: str = ""


def question_of(template: str, facts: Facts, sealed: str = "") -> Question:
    """The address with every placeholder filled from the call, each value written so that it stays one piece. Pure."""
    values: dict[str, str] = {}
    for name in placeholders_of(template):
        value = facts.at(name)
        if why := why_not(value) or _why_unfit(value):
            return Question(why=why)
        values[name] = quote(_written(value), safe="")
    return Question(PLACEHOLDER.sub(lambda found: values[found.group(1)], template), sealed)


def ask_all(questions: Sequence[Question]) -> list[Reply]:
    """The answers, in order; eight at a time, 4 seconds each. No database in here."""
    if not questions:
        return []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, questions))


def ask(question: Question) -> Reply:
    if question.why:
        return Reply(why=question.why)
    try:
        answer = get(question.url, _headers(question), most_bytes=MOST_BYTES, deadline_s=DEADLINE_S)
    except NotSent as error:
        return Reply(note=short(str(error)))
    except Conflict as error:
        return Reply(note=error.message)
    try:
        return Reply(answer.status, orjson.loads(answer.body), is_json=True)
    except orjson.JSONDecodeError:
        return Reply(answer.status)


def _headers(question: Question) -> dict[str, str]:
    told = {"Accept": "application/json"}
    if question.sealed:
        told["Authorization"] = f"Bearer {unseal(question.sealed, PURPOSE)}"
    return told


def _why_unfit(value: Any) -> str:
    """Only a plain piece goes into an address: no list, nothing long, no dots that lead elsewhere, no hash."""
    if not isinstance(value, (str, int, float)):
        return "unfit_field"
    words = _written(value)
    is_unfit = not words.strip() or len(words) > LONGEST_VALUE or not words.strip(".")
    return "unfit_field" if is_unfit else "not_recorded" if words.startswith("hmac:") else ""


def _written(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()

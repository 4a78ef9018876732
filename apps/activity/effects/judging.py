"""What evidence says of a call. Pure.

Verified: something showed what was declared. Failed: something that should have shown it showed otherwise, and the time is
over. Unknown: the time is over and nothing could tell: no evidence came, the address did not answer, or what would have
told was not recorded. Until the time is over, what does not show it yet decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

import orjson

from apps.activity.effects.paths import Nothing, steps_of, value_at
from apps.activity.effects.rules import CONTAINS, EQUALS_FIELD, EXISTS, Condition, Observed, Rule
from apps.activity.models import Effect
from apps.activity.recording.applying import HASH
from apps.activity.recording.redaction import PATTERNS

GONE: Final = (404, 410)
FAST, MOST_DOUBLED, SLOW_S, SHARE = 2.0, 16, 30.0, 0.05
REDACTIONS: Final = tuple(f"[{name}]" for name in {name for name, _ in PATTERNS} | {"secret"})


@dataclass(frozen=True)
class Facts:
    """What is stored of a call: None where nothing was recorded."""

    arguments: Any = None
    result: Any = None
    is_cut: bool = False

    def at(self, path: str) -> Any:
        """The value at `arguments.x` or `result.y`, or why there is none."""
        root, *steps = steps_of(path)
        held = self.arguments if root == "arguments" else self.result
        if held is None:
            return Nothing.UNRECORDED
        found = value_at(held, steps)
        return Nothing.UNRECORDED if found is Nothing.MISSING and self.is_cut else found


@dataclass(frozen=True)
class Seen:
    """A later call that may be evidence."""

    call_id: UUID
    facts: Facts


@dataclass(frozen=True)
class Reply:
    """What an address answered: `status` None when no answer came, `why` and `note` then say why."""

    status: int | None = None
    body: Any = None
    is_json: bool = False
    why: str = "no_answer"
    note: str = ""


@dataclass(frozen=True)
class Judged:
    """`effect` '': it cannot be told yet. `found` is the value an address showed."""

    effect: str = ""
    why: str = ""
    call_id: UUID | None = None
    status: int | None = None
    found: Any = Nothing.MISSING
    note: str = ""


NOT_YET: Final = Judged()


def judge_observed(rule: Rule, first: Facts, later: Sequence[Seen], *, is_over: bool) -> Judged:
    """What later calls of the declared tool say, oldest first."""
    assert rule.condition is not None
    wanted = first.at(rule.watched.field)
    if why := why_not(wanted):
        return Judged(Effect.UNKNOWN, why) if is_over else NOT_YET
    same = [(one, _is_about(one, rule.watched, wanted)) for one in later]
    told = [
        (one, holds(rule.condition, one.facts.at(_in_result(rule.condition)), first))
        for one, is_same in same
        if is_same
    ]
    shown = next((one for one, held in told if held), None)
    if shown is not None:
        return Judged(Effect.VERIFIED, "seen", shown.call_id)
    return _of_the_rest(told, same) if is_over else NOT_YET


def _of_the_rest(
    told: Sequence[tuple[Seen, bool | None]], same: Sequence[tuple[Seen, bool | None]]
) -> Judged:
    """Nothing showed it and the time is over: the last that showed otherwise, else why nobody can say."""
    otherwise = next((one for one, held in reversed(told) if held is False), None)
    if otherwise is not None:
        return Judged(Effect.FAILED, "differs", otherwise.call_id)
    veiled = next((one for one, held in [*told, *same] if held is None), None)
    if veiled is not None:
        return Judged(Effect.UNKNOWN, "not_recorded", veiled.call_id)
    return Judged(Effect.UNKNOWN, "no_call")


def judge_reply(rule: Rule, first: Facts, reply: Reply, *, is_over: bool) -> Judged:
    """What the answer of an address says."""
    found = _found_in(rule.condition, reply)
    is_expected = reply.status == rule.asked.status
    held = holds(rule.condition, found, first) if is_expected and rule.condition is not None else None
    if is_expected and (rule.condition is None or held):
        return Judged(Effect.VERIFIED, "answered", status=reply.status, found=found)
    if not is_over:
        return NOT_YET
    return _of_reply(reply, is_expected, held, found)


def _of_reply(reply: Reply, is_expected: bool, held: bool | None, found: Any) -> Judged:
    if reply.status is None:
        return Judged(Effect.UNKNOWN, reply.why, note=reply.note)
    if is_expected and not reply.is_json:
        return Judged(Effect.UNKNOWN, "not_json", status=reply.status)
    if is_expected and held is None:
        return Judged(Effect.UNKNOWN, "not_recorded", status=reply.status)
    if is_expected:
        return Judged(Effect.FAILED, "says_otherwise", status=reply.status, found=found)
    if 200 <= reply.status < 300 or reply.status in GONE:
        return Judged(Effect.FAILED, "other_status", status=reply.status)
    return Judged(Effect.UNKNOWN, "cannot_tell", status=reply.status)


def _found_in(condition: Condition | None, reply: Reply) -> Any:
    if condition is None or not reply.is_json:
        return Nothing.MISSING
    return value_at(reply.body, steps_of(condition.path))


def holds(condition: Condition, found: Any, first: Facts) -> bool | None:
    """Whether the condition holds of what stands at its path; None where what was not recorded would tell."""
    if found is Nothing.UNRECORDED:
        return None
    if condition.test == EXISTS:
        return found is not Nothing.MISSING and found is not None
    wanted = first.at(condition.field) if condition.test == EQUALS_FIELD else condition.value
    return _contains(found, wanted) if condition.test == CONTAINS else same(found, wanted)


def same(one: Any, two: Any) -> bool | None:
    """Equal as JSON, a number also to the text that writes it. None where it cannot be told: a hash equals a hash, what
    was redacted equals nothing."""
    if Nothing.UNRECORDED in (one, two):
        return None
    if Nothing.MISSING in (one, two):
        return False
    veils = {_veil(one), _veil(two)}
    if "redacted" in veils or len(veils) > 1:
        return None
    return _plain(one, two) == _plain(two, one)


def _contains(found: Any, wanted: Any) -> bool | None:
    if isinstance(found, list):
        held = [same(one, wanted) for one in found]
        return True if True in held else None if None in held else False
    if _veil(found):
        return None
    return isinstance(found, str) and str(wanted) in found


def _is_about(seen: Seen, observed: Observed, wanted: Any) -> bool | None:
    """Whether a later call is about the same thing."""
    return same(seen.facts.at(f"arguments.{observed.argument}"), wanted)


def _in_result(condition: Condition) -> str:
    return f"result.{condition.path}" if condition.path else "result"


def why_not(value: Any) -> str:
    """Why a value cannot be looked for elsewhere; '' when it can."""
    if value is Nothing.MISSING or value is None:
        return "no_field"
    return "not_recorded" if value is Nothing.UNRECORDED or _veil(value) == "redacted" else ""


def _veil(value: Any) -> str:
    """'hashed' or 'redacted' where the content policy put something in a value's place."""
    if not isinstance(value, str):
        return ""
    if HASH.match(value):
        return "hashed"
    return "redacted" if "[" in value and any(mark in value for mark in REDACTIONS) else ""


def _plain(value: Any, beside: Any) -> Any:
    """A number, or a text beside a number, as a decimal; anything else as it is, a truth value never as 1."""
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, (int, float)) or (isinstance(value, str) and _is_number(beside)):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return value
        return number if number.is_finite() else value
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def pause_after(looks: int, within_s: int) -> timedelta:
    """How long to wait before the next look: 2 s, 4 s, 8 s and so on, up to half a minute or a twentieth of the time."""
    return timedelta(seconds=min(FAST ** min(looks, MOST_DOUBLED), max(SLOW_S, within_s * SHARE)))


def short(value: Any, limit: int = 200) -> str:
    """A value as words for people."""
    if isinstance(value, Nothing):
        return ""
    words = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return words if len(words) <= limit else words[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"

"""Read-backs and what they found, in sentences. Pure. No sentence holds a value of a call: those are read where they stand,
by whoever may see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from apps.activity.effects.judging import short
from apps.activity.effects.rules import CONTAINS, EQUALS, EQUALS_FIELD, EXISTS, OF, Condition, Observed, Rule
from apps.agents.toolnames import ToolName
from apps.kit.ui.formats import number

WHY: Final[Mapping[str, str]] = {
    "seen": "A later call showed what was declared.",
    "answered": "The address answered as declared.",
    "differs": "A later call about the same thing showed otherwise.",
    "says_otherwise": "The address answered, and what it said is not what was declared.",
    "other_status": "The address answered with another status than the one declared.",
    "no_call": "No call that would show it was reported in the time.",
    "no_answer": "The address did not answer in the time.",
    "cannot_tell": "The address answered with a status that says nothing of it.",
    "not_json": "The address answered with something that is not JSON.",
    "no_field": "The call has no value at a field that the read-back needs.",
    "unfit_field": "A value of the call cannot stand in an address.",
    "not_recorded": "What would tell was not recorded: the content policy or the client keeps it out.",
    "": "It is looked for until the time is over.",
}


def rule_in_words(rule: Rule) -> str:
    """The declaration as one sentence."""
    if rule.observed is not None:
        return f"{_call_in_words(rule.observed)} within {time_in_words(rule.within_s)}, and {_shows(rule.condition, 'its result')}."
    told = f"{rule.asked.url} answers {rule.asked.status} within {time_in_words(rule.within_s)}"
    return f"{told}, and {_shows(rule.condition, 'its answer')}." if rule.condition else f"{told}."


def time_in_words(seconds: int) -> str:
    if seconds < 120 or seconds % 60:
        return f"{number(seconds)} s"
    return f"{number(seconds // 60)} min" if seconds < 7200 or seconds % 3600 else f"{seconds // 3600} hours"


def failure_in_words(tool: str, rule: Rule, why: str) -> str:
    """Why a call that reported success did not do it: for its verdict and its alert."""
    if why == "other_status" or rule.condition is None:
        return f"{tool} reported success, but its address did not answer {rule.asked.status}."
    whole = (
        f"the result of {_tool(rule.observed)}" if rule.observed is not None else "the answer of its address"
    )
    return f"{tool} reported success, but the read-back shows otherwise. Declared: {_shows(rule.condition, whole)}."


def after_in_words(passed: timedelta) -> str:
    seconds = passed.total_seconds()
    return f"{seconds:.1f} s later" if seconds < 10 else f"{time_in_words(round(seconds))} later"


def expected_in_words(rule: Rule) -> str:
    return _shows(rule.condition, "") if rule.condition is not None else f"status {rule.asked.status}"


def _call_in_words(observed: Observed) -> str:
    place = OF[observed.of].lower()
    return f"A call of {_tool(observed)} in {place}" + (
        f", whose {observed.argument} is the {observed.field} of this call, follows"
    )


def _tool(observed: Observed) -> str:
    return str(ToolName(observed.server, observed.tool))


def _shows(condition: Condition | None, whole: str) -> str:
    if condition is None:
        return ""
    place = " of ".join(part for part in (condition.path, whole) if part) or "it"
    verbs = {
        EXISTS: "is there",
        EQUALS: f"equals {short(condition.value, 80)}",
        EQUALS_FIELD: f"equals {condition.field} of the call",
        CONTAINS: f"contains {short(condition.value, 80)}",
    }
    return f"{place} {verbs[condition.test]}"

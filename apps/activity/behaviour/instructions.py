"""Text in a tool's result that tells somebody to do something. Pure; names no tool and no data set.

A result is data. A sentence in it that speaks to the assistant (`you must first`, `ignore the previous
instructions`) is strong; any other imperative is weak, for people do keep to-do lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from apps.activity.behaviour.texts import clauses, segments

WEAK_WEIGHT: Final = 0.6
CARRIES: Final = 6  # segments after one that speaks to the assistant which still belong to what it says
MOST: Final = 120
_VERBS: Final = (  # a word list is read more easily as a text
    "add append answer approve ask book buy call cancel change check click concatenate confirm contact copy create "
    "delete deliver deploy disable do download draft edit email enable ensure enter execute export fetch find finish "
    "follow forget forward generate get give go ignore include inform insert install invite join keep let list log look "
    "mail make mention message move notify open order pay perform place plan post prepare provide publish purchase put "
    "read rebook recommend refund register remember remove rename reply report reschedule reserve respond retrieve "
    "return review run save say schedule search send set share show sign start stop submit subscribe summarize switch "
    "take tell text transfer translate try turn unsubscribe update upload use verify visit wire withdraw write"
).replace(" ", "|")
_LEADS: Final = (
    r"(?:and|then|also|please|kindly|now|next|first|finally|instead|after|afterwards|immediately|before|so)"
)
IMPERATIVE: Final = re.compile(rf"^(?:\W*\d+[.)]\s*)?(?:{_LEADS}\b[\s,]*)*(?:{_VERBS})\b", re.IGNORECASE)
TO_THE_ASSISTANT: Final = re.compile(
    r"\b(?:you|the assistant|the agent|the model|the ai)\s+(?:must|have to|are required to|shall|will now)\b"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|previous|above|prior|rules|prompt)\b"
    r"|\bimportant (?:message|notice|instructions?)\b"
    r"|\b(?:this|the|dear|my|an?|your) (?:ai )?(?:assistant|language model|chatbot|ai)\b"
    r"|\bsystem (?:prompt|message|override)\b|\bnew instructions?\b|\bbefore you (?:can|may)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Instruction:
    """One sentence that tells to do something. `weight` is 1 where it speaks to the assistant."""

    text: str
    is_strong: bool

    @property
    def weight(self) -> float:
        return 1.0 if self.is_strong else WEAK_WEIGHT


def instructions_in(results: Iterable[str]) -> list[Instruction]:
    """The sentences in these results that tell to do something; the first 120, each once."""
    found: dict[str, Instruction] = {}
    for result in results:
        for one in _of_result(result):
            known = found.get(one.text)
            if known is None or (one.is_strong and not known.is_strong):
                found[one.text] = one
    return sorted(found.values(), key=lambda one: not one.is_strong)[:MOST]


def parts_of(instruction: Instruction) -> list[str]:
    return clauses(instruction.text)


@lru_cache(maxsize=2048)
def _of_result(result: str) -> tuple[Instruction, ...]:
    found, carried = [], 0
    for segment in segments(result):
        if TO_THE_ASSISTANT.search(segment):
            carried = CARRIES
        if carried or IMPERATIVE.match(segment):
            found.append(Instruction(segment, carried > 0))
        carried = max(0, carried - 1)
    return tuple(found)

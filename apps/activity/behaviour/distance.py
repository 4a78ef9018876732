"""How far a call is from what was asked, and how close to what a result told it to do. Pure.

Meaning is compared by the cosine of unit vectors; who makes them is the caller's affair. `score` adds four
signs with fixed weights, chosen once on recorded sessions (docs/behaviour.md): they are few because a new
agent has little to learn from, and what is usual for it is learnt afterwards, on the sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.activity.behaviour.instructions import Instruction, instructions_in, parts_of
from apps.activity.behaviour.provenance import Provenance, provenance_of, without_quotations
from apps.activity.behaviour.texts import call_words, clauses, leaves

Vectors = Mapping[str, NDArray[np.float32]]
OF_INSTRUCTION: Final = 2.0
OF_TAKEN: Final = 0.5
OF_UNASKED: Final = 0.2


@dataclass(frozen=True)
class Signs:
    """What a call's request and earlier results say of it.

    `distance` 0 to 1 from the nearest clause of the request; `pull` 0 to 1 towards the nearest instruction in
    a result, whose words are `instruction`.
    """

    distance: float
    pull: float
    instruction: str
    provenance: Provenance

    @property
    def parts(self) -> dict[str, float]:
        """The score by the detector each part belongs to."""
        return {
            "distance": self.distance,
            "instruction": OF_INSTRUCTION * self.pull,
            "provenance": OF_TAKEN * self.provenance.taken + OF_UNASKED * self.provenance.unasked,
        }


@dataclass(frozen=True)
class Situation:
    """A call in front of the request it serves and of the results that came before it, as texts."""

    tool: str
    arguments: Any
    request: str
    results: Sequence[str]

    @cached_property
    def instructions(self) -> list[Instruction]:
        return instructions_in(self.results)

    @cached_property
    def told(self) -> list[tuple[str, str]]:
        return without_quotations(leaves(self.arguments), self.instructions)

    @cached_property
    def words(self) -> str:
        return call_words(self.tool, self.told)

    def texts(self) -> list[str]:
        """Every text whose vector is needed."""
        parts = [part for one in self.instructions for part in parts_of(one)]
        return [self.words, *clauses(self.request), *parts]


def signs_of(situation: Situation, vectors: Vectors) -> Signs:
    """The signs of one call; `vectors` holds all its texts."""
    call = vectors[situation.words]
    asked = max(float(call @ vectors[text]) for text in clauses(situation.request))
    pull, words = 0.0, ""
    for one in situation.instructions:
        near = one.weight * max(float(call @ vectors[part]) for part in parts_of(one))
        if near > pull:
            pull, words = near, one.text
    found = provenance_of(situation.told, situation.request, situation.results, situation.instructions)
    return Signs(max(0.0, 1 - asked), pull, words, found)

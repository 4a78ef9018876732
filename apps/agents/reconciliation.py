"""Which of several sources is believed, field by field.

The strongest origin wins. Between sources of one origin the choice must not depend on which of them spoke
first, so the source whose name sorts first is shown and the others are listed as a conflict for a person
to settle. People count as one source: their last word stands, even when it is 'nothing'. A blueprint's definition
was decided by a person for all its instances: what a person says of the one agent is weightier, and it is
weightier than any file, scan or traffic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PERSON, BLUEPRINT = "person", "blueprint"
DECLARED, IMPORTED, DISCOVERED, OBSERVED = "declared", "imported", "discovered", "observed"
PRECEDENCE = (PERSON, BLUEPRINT, DECLARED, IMPORTED, DISCOVERED, OBSERVED)
# Where traffic or code knows better than another register does.
PRECEDENCE_OF_FIELD = {
    "framework": (PERSON, BLUEPRINT, DECLARED, OBSERVED, DISCOVERED, IMPORTED),
    "repository": (PERSON, BLUEPRINT, DECLARED, DISCOVERED, IMPORTED, OBSERVED),
    "endpoints": (PERSON, BLUEPRINT, DECLARED, DISCOVERED, IMPORTED, OBSERVED),
}


@dataclass(frozen=True)
class Statement:
    """One source's word on one field."""

    origin: str
    source: str
    value: Any
    claimed_at: datetime | None = None


def rank(field: str, origin: str) -> int:
    """0 for the strongest origin of this field."""
    return PRECEDENCE_OF_FIELD.get(field, PRECEDENCE).index(origin)


def believed(field: str, statements: Iterable[Statement]) -> Statement | None:
    """The statement to show, or None when nobody said anything. Any order of `statements` gives the same."""
    return min(statements, key=lambda one: (rank(field, one.origin), one.source), default=None)


def contradicting(field: str, statements: Iterable[Statement]) -> list[Statement]:
    """The statements that say otherwise than the believed one, the strongest first."""
    known = list(statements)
    shown = believed(field, known)
    differing = [one for one in known if shown is not None and one.value != shown.value]
    return sorted(differing, key=lambda one: (rank(field, one.origin), one.source))

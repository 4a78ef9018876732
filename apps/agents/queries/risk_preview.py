"""What a policy would do to the fleet, computed and not written: how many agents move from which tier to which.

One pass over the agents in the database's own order, in memory; facts come from what was last read of each agent, so
that no agent is asked about by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.agents.models import Agent, State
from apps.agents.risk import FIELDS, Rules, Sign, Stated, assess, fact_levels, judged, needs_certification
from apps.agents.signals import coverage_asked

COLUMNS = ("pk", "name", "number", "state", "tier", "ai_act_class", *FIELDS)
FOR_FACTS = ("oversight_level", "countries", "users_served", "risk_facts__signs")
CHUNK = 2000


@dataclass(frozen=True)
class Move:
    """One agent whose tier would change. `why` is the explanation by the proposed rules; `lacks`: it works in
    production, would need a certification and holds none that covers the new tier."""

    agent_id: UUID
    name: str
    number: int
    state: str
    before: int | None
    after: int
    why: str
    lacks: bool = False


@dataclass(frozen=True)
class Preview:
    """`counts` is {(tier now, tier then): agents} of all that are assessed, moving or not; `unassessed` have answers
    missing and keep no tier."""

    counts: Mapping[tuple[int | None, int], int]
    moves: list[Move]
    unassessed: int

    @property
    def assessed(self) -> int:
        return sum(self.counts.values())

    @property
    def raised(self) -> int:
        return sum(one.after > (one.before or 0) for one in self.moves)

    @property
    def lowered(self) -> int:
        return len(self.moves) - self.raised

    @property
    def lacking(self) -> list[Move]:
        return [one for one in self.moves if one.lacks]

    def summary(self) -> dict[str, int]:
        """The moves in words, as the ledger keeps them: {"2 to 3": 14}."""
        return {
            f"{before or 'none'} to {after}": count
            for (before, after), count in sorted(
                self.counts.items(), key=lambda one: (one[0][0] or 0, one[0][1])
            )
            if before != after
        }


def preview_of(rules: Rules) -> Preview:
    """Over every agent on record, whoever asks: this is for those who decide for the whole fleet. Two queries."""
    counts: Counter[tuple[int | None, int]] = Counter()
    moves: list[Move] = []
    unassessed = 0
    for row in _rows(rules):
        assessment = assess(row, rules, ai_act_class=row["ai_act_class"], facts=_facts(row, rules))
        if assessment is None:
            unassessed += 1
            continue
        counts[row["tier"], assessment.tier] += 1
        if assessment.tier != row["tier"]:
            moves.append(
                Move(
                    row["pk"], row["name"], row["number"], row["state"], row["tier"], assessment.tier, assessment.sentence,
                )
            )  # fmt: skip
    return Preview(counts, _with_gaps(moves), unassessed)


def _rows(rules: Rules) -> Iterator[dict[str, Any]]:
    columns = (*COLUMNS, *FOR_FACTS) if rules.facts_raise else COLUMNS
    yield from Agent.objects.on_record().order_by("name", "pk").values(*columns).iterator(chunk_size=CHUNK)


def _facts(row: Mapping[str, Any], rules: Rules) -> dict[str, int]:
    if not rules.facts_raise:
        return {}
    signs = [Sign(**one) for one in row["risk_facts__signs"] or ()]
    stated = Stated(row["ai_act_class"], row["oversight_level"], row["countries"], row["users_served"])
    return fact_levels(judged(signs, stated, rules))


def _with_gaps(moves: list[Move]) -> list[Move]:
    """The moves, those first that would lack a certification, then the steepest rises."""
    asked = {
        one.agent_id: one.after
        for one in moves
        if one.state == State.PRODUCTION and needs_certification(one.after)
    }
    answers = coverage_asked.send(sender=Agent, tiers=asked) if asked else []
    lacking = {pk for _, ids in answers for pk in ids or ()}
    marked = [_marked(one, one.agent_id in lacking) for one in moves]
    return sorted(marked, key=lambda one: (not one.lacks, (one.before or 0) - one.after, one.name))


def _marked(move: Move, lacks: bool) -> Move:
    return Move(**{**move.__dict__, "lacks": lacks})

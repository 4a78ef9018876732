"""The tier of an agent and why: its levels combined by the rules of a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apps.agents.risk.dimensions import DIMENSIONS, TIER_NAMES, Dimension
from apps.agents.risk.rules import AS_ANSWERED, HIGHEST, Rules, raise_words

CLASS_WORDS = {
    "prohibited": "a prohibited practice", "high_risk": "high risk", "limited": "transparency duties", "minimal": "minimal risk",
    "out_of_scope": "out of scope",
}  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """One line of the explanation. `decides` is True for the dimensions that set the tier; `answer` is what a person
    said, `level` what counts, which is above it where facts raise it."""

    dimension: Dimension
    level: int
    meaning: str
    decides: bool
    answer: int

    @property
    def is_raised(self) -> bool:
        return self.level > self.answer


@dataclass(frozen=True)
class Assessment:
    """The tier, one reason per dimension, the rules of the policy that had a say, and what would lower it (None at
    tier 1)."""

    tier: int
    reasons: tuple[Reason, ...]
    because: tuple[str, ...]
    to_lower: str | None

    @property
    def name(self) -> str:
        return TIER_NAMES[self.tier]

    @property
    def sentence(self) -> str:
        return f"Tier {self.tier} {self.name}, because {' and '.join(self.because)}."


@dataclass(frozen=True)
class _Holder:
    """Something that holds the tier where it is: why, what would end that, the dimensions it looks at."""

    tier: int
    why: str
    would_end: str
    dimensions: frozenset[str]


def assess(
    levels: Mapping[str, int | None],
    rules: Rules = AS_ANSWERED,
    *,
    ai_act_class: str = "",
    facts: Mapping[str, int] | None = None,
) -> Assessment | None:
    """The assessment of the four answers by field name; None while one of them is unanswered.

    `facts` are the levels that the record shows; they count where the rules let them, and only upward.
    """
    answers = {one.field: level for one in DIMENSIONS if (level := levels.get(one.field)) is not None}
    if len(answers) < len(DIMENSIONS):
        return None
    shown = facts if facts and rules.facts_raise else {}
    taken = {name: max(level, shown.get(name) or 0) for name, level in answers.items()}
    holders = _holders(taken, rules, ai_act_class)
    tier = max(one.tier for one in holders)
    holding = [one for one in holders if one.tier == tier]
    deciding = frozenset[str]().union(*(one.dimensions for one in holding))
    reasons = tuple(
        Reason(
            one, taken[one.field], one.meaning(taken[one.field]), one.field in deciding, answers[one.field]
        )
        for one in DIMENSIONS
    )
    return Assessment(tier, reasons, tuple(one.why for one in holding), _to_lower(tier, holding))


def _holders(taken: Mapping[str, int], rules: Rules, ai_act_class: str) -> list[_Holder]:
    base = _highest(taken) if rules.combination == HIGHEST else _weighted(taken, rules)
    found = [base, *_raised(taken, rules)]
    floor = rules.floors.get(ai_act_class)
    if floor:
        why = f"its EU AI Act class is {CLASS_WORDS[ai_act_class]}, at least tier {floor} by policy"
        found.append(_Holder(floor, why, "another EU AI Act class", frozenset()))
    return found


def _highest(taken: Mapping[str, int]) -> _Holder:
    tier = max(taken.values())
    top = [one for one in DIMENSIONS if taken[one.field] == tier]
    changes = [
        f"{one.name.lower()} at most {tier - 1} ({one.meaning(tier - 1).lower()})" for one in top if tier > 1
    ]
    why = f"of its {and_joined([one.name.lower() for one in top])}"
    return _Holder(tier, why, and_joined(changes), frozenset(one.field for one in top))


def _weighted(taken: Mapping[str, int], rules: Rules) -> _Holder:
    """The weighted mean against the thresholds; never more than one below the highest level, so that mild answers do
    not hide a grave one."""
    weight = sum(rules.weights.values())
    mean = sum(level * rules.weights[name] for name, level in taken.items()) / weight
    by_mean = 1 + sum(mean >= start for start in rules.thresholds)
    least = max(taken.values()) - 1
    top = frozenset(name for name, level in taken.items() if level == max(taken.values()))
    if by_mean < least:
        return _Holder(
            least, f"a level of {least + 1} counts for at least tier {least}", f"no level of {least + 1}", top
        )
    start = rules.thresholds[by_mean - 2] if by_mean > 1 else 0
    why = f"the weighted mean of its levels is {mean:.2f}"
    return _Holder(by_mean, why, f"a weighted mean below {start:g}", top)


def _raised(taken: Mapping[str, int], rules: Rules) -> list[_Holder]:
    found = []
    for one in rules.raises:
        reached = frozenset(name for name, level in taken.items() if level >= one.level)
        if len(reached) >= one.dimensions:
            fewer = f"fewer than {one.dimensions} dimensions at {one.level} or above"
            found.append(_Holder(one.tier, raise_words(one), fewer, reached))
    return found


def and_joined(words: Sequence[str]) -> str:
    """As in: a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _to_lower(tier: int, holding: list[_Holder]) -> str | None:
    if tier == 1:
        return None
    changes = " and ".join(one.would_end for one in holding)
    return f"Tier {tier - 1} {TIER_NAMES[tier - 1]} would need {changes}."

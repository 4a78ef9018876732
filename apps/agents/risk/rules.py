"""What a risk policy says, as data: how the dimensions combine, what raises the tier, what each fact amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from apps.agents.risk.dimensions import FIELDS

HIGHEST, WEIGHTED = "highest", "weighted"
COMBINATIONS = {
    HIGHEST: "The highest level",
    WEIGHTED: "The weighted mean, never more than one below the highest level",
}
DATA_CLASSES = {
    "public": 1, "internal": 2, "confidential": 3, "personal": 3, "financial": 4, "health": 4, "special": 4, "credentials": 4,
}  # fmt: skip
REGULATED = {"personal": 2, "financial": 3, "health": 3, "special": 3}
SIDE_EFFECTS = {"read": 1, "write": 3, "external": 3, "irreversible": 4}
OVERSIGHT_LIMITS = {"approves": 2, "human_only": 1}
AI_ACT = {"prohibited": 4, "high_risk": 4, "limited": 2, "minimal": 1, "out_of_scope": 1}
# What each table of levels may name.
KEYS: Mapping[str, tuple[str, ...]] = {
    "weights": FIELDS,
    "floors": tuple(AI_ACT),
    "data_classes": tuple(DATA_CLASSES),
    "regulated": tuple(DATA_CLASSES),
    "side_effects": tuple(SIDE_EFFECTS),
    "oversight_limits": ("autonomous", "notified", "approves", "human_only"),
    "ai_act": tuple(AI_ACT),
}
MOST_WEIGHT = 10


@dataclass(frozen=True)
class Raise:
    """So many dimensions at this level or above make this tier, where it is not higher already."""

    dimensions: int
    level: int
    tier: int


def _standing(values: Mapping[str, int]) -> Any:
    return field(default_factory=lambda: dict(values))


@dataclass(frozen=True)
class Rules:
    """A policy. Without arguments: the highest of the four answers, and nothing else.

    `thresholds` are the weighted means from which tiers 2, 3 and 4 begin. `floors` is the least tier of an EU AI
    Act class. `facts_raise`: a level that facts show counts where it is above the answer; facts never lower.
    The tables after it say which level a fact amounts to; `oversight_limits` is the most that the side effect of a
    tool counts for where the record names that level of oversight; `dependents` and `countries` are the numbers from
    which levels 2, 3 and 4 begin.
    """

    combination: str = HIGHEST
    weights: Mapping[str, int] = _standing(dict.fromkeys(FIELDS, 1))
    thresholds: tuple[float, float, float] = (1.5, 2.5, 3.5)
    raises: tuple[Raise, ...] = ()
    floors: Mapping[str, int] = _standing({})
    facts_raise: bool = False
    data_classes: Mapping[str, int] = _standing(DATA_CLASSES)
    regulated: Mapping[str, int] = _standing(REGULATED)
    side_effects: Mapping[str, int] = _standing(SIDE_EFFECTS)
    oversight_limits: Mapping[str, int] = _standing(OVERSIGHT_LIMITS)
    ai_act: Mapping[str, int] = _standing(AI_ACT)
    dependents: tuple[int, int, int] = (1, 5, 25)
    countries: tuple[int, int, int] = (2, 5, 15)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            name: list(getattr(self, name)) for name in ("thresholds", "dependents", "countries")
        } | {"raises": [asdict(one) for one in self.raises]}  # fmt: skip

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> Rules:
        """What `as_json` gave; a part that is missing is as in the plainest policy."""
        known = {part.name for part in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        for name in ("thresholds", "dependents", "countries"):
            if name in values:
                values[name] = tuple(values[name])
        values["raises"] = tuple(Raise(**one) for one in values.get("raises", ()))
        return cls(**values)


AS_ANSWERED = Rules()
STANDARD = replace(AS_ANSWERED, floors={"high_risk": 3, "prohibited": 4})


def problems_of(rules: Rules) -> dict[str, str]:
    """What keeps these rules from being a policy, by part; empty when nothing does."""
    problems = {}
    if rules.combination not in COMBINATIONS:
        problems["combination"] = f"Choose one of {', '.join(COMBINATIONS)}"
    for name, keys in KEYS.items():
        problem = _table_problem(getattr(rules, name), keys, MOST_WEIGHT if name == "weights" else 4)
        if problem:
            problems[name] = problem
    if set(rules.weights) != set(FIELDS) and "weights" not in problems:
        problems["weights"] = f"Give each of {', '.join(FIELDS)}"
    for name in ("thresholds", "dependents", "countries"):
        if not _rises(getattr(rules, name)):
            problems[name] = "Give three numbers, each above the one before"
    if not all(_is_sound(one) for one in rules.raises):
        problems["raises"] = "Name 1 to 4 dimensions, a level of 1 to 4 and a tier of 2 to 4"
    return problems


def _table_problem(table: Any, keys: tuple[str, ...], most: int) -> str:
    if not isinstance(table, Mapping):
        return "Send names with their numbers"
    unknown = sorted(set(table) - set(keys))
    if unknown:
        return f"There is no {', '.join(unknown)}"
    return (
        ""
        if all(_within(value, 1, most) for value in table.values())
        else f"Use whole numbers from 1 to {most}"
    )


def _rises(values: Any) -> bool:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return len(numbers) == len(values) == 3 and 0 < numbers[0] < numbers[1] < numbers[2]


def _is_sound(one: Raise) -> bool:
    return _within(one.dimensions, 1, 4) and _within(one.level, 1, 4) and _within(one.tier, 2, 4)


def _within(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def differences(before: Rules, after: Rules) -> list[str]:
    """What differs between two policies, part by part, in words."""
    found = []
    for part in fields(Rules):
        old, new = getattr(before, part.name), getattr(after, part.name)
        if old != new:
            found.append(f"{PART_WORDS[part.name]}: {_said(part.name, old)} becomes {_said(part.name, new)}")
    return found


PART_WORDS = {
    "combination": "Combination", "weights": "Weights", "thresholds": "Thresholds", "raises": "Rules that raise",
    "floors": "Least tier by EU AI Act class", "facts_raise": "Facts raise the tier", "data_classes": "Data sensitivity by class of data",
    "regulated": "Regulatory exposure by class of data", "side_effects": "Decision authority by side effect",
    "oversight_limits": "Most a side effect counts for under oversight", "ai_act": "Regulatory exposure by EU AI Act class",
    "dependents": "Blast radius by agents that need it", "countries": "Blast radius by countries served",
}  # fmt: skip


def _said(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {level}" for key, level in value.items()) or "none"
    if name == "raises":
        return "; ".join(raise_words(one) for one in value) or "none"
    return ", ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)


def raise_words(one: Raise) -> str:
    """As in: 2 dimensions at 3 or above make tier 4."""
    counted = "1 dimension" if one.dimensions == 1 else f"{one.dimensions} dimensions"
    makes = "makes" if one.dimensions == 1 else "make"
    return f"{counted} at {one.level} or above {makes} tier {one.tier}"

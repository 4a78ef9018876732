"""What the record says of each dimension, beside what a person answered.

A sign is something on record that no policy is needed to see: a tool it may use does what cannot be undone, a data
source it reads holds health data. Rules make a fact of a sign: the dimension it speaks to and the level it amounts to.
The words of a fact hold `{name}` for the thing it is about, so that whoever may not see that thing reads the fact
without its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apps.agents.risk.assessment import CLASS_WORDS
from apps.agents.risk.dimensions import FIELDS
from apps.agents.risk.rules import Rules

DATA, AUTHORITY, RADIUS, EXPOSURE = FIELDS
# The strongest first: what a person allowed, what was said, what was seen, what lies behind it.
GRANTED, DECLARED, OBSERVED, REACHED = HOWS = ("granted", "declared", "observed", "reached")
HOW_WORDS = {
    GRANTED: "May use {name}", DECLARED: "Uses {name} by its record", OBSERVED: "Was seen using {name}",
    REACHED: "Reaches {name} through what it uses",
}  # fmt: skip
EFFECT_WORDS = {
    "read": "which only reads", "write": "which writes what can be undone", "external": "which reaches people or parties outside",
    "irreversible": "which does what cannot be undone",
}  # fmt: skip
LIMIT_WORDS = {"approves": "a person approves each act", "human_only": "a person acts", "notified": "a person is notified",
               "autonomous": "nobody is asked"}  # fmt: skip
DATA_WORDS = {
    "public": "public data", "internal": "internal data", "confidential": "confidential data", "personal": "personal data",
    "financial": "financial data", "health": "health data", "special": "special category data", "credentials": "credentials",
}  # fmt: skip


@dataclass(frozen=True)
class Sign:
    """Something on record about an agent. `what` is one of the keys of READERS, `value` what it says (a class of data, a
    side effect, a number); `kind`, `id` and `name` are the thing it is about, '' where it is about none."""

    what: str
    value: str | int
    how: str = ""
    kind: str = ""
    id: str = ""
    name: str = ""

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value != ""}


@dataclass(frozen=True)
class Stated:
    """What the record itself says that bears on risk."""

    ai_act_class: str = ""
    oversight_level: str = ""
    countries: Sequence[str] = ()
    users_served: str = ""


@dataclass(frozen=True)
class Fact:
    """A sign as the rules read it. `level` is None for what is worth knowing and says no level."""

    dimension: str
    level: int | None
    template: str
    kind: str = ""
    id: str = ""
    name: str = ""

    @property
    def words(self) -> str:
        return self.template.replace("{name}", self.name)

    @property
    def halves(self) -> tuple[str, str]:
        """The words before and after the name, so that a page may link it; all of them before it where there is none."""
        before, _, after = self.template.partition("{name}")
        return before, after

    def unnamed(self, what: str) -> Fact:
        """The same for somebody who may not see the thing: `what` stands for its name, nothing links to it."""
        return Fact(self.dimension, self.level, self.template, name=what)


def judged(signs: Iterable[Sign], stated: Stated, rules: Rules) -> dict[str, tuple[Fact, ...]]:
    """The facts of each dimension, the gravest first; a thing told of twice counts once, by its gravest word."""
    found: dict[str, dict[tuple[str, str, str], Fact]] = {name: {} for name in FIELDS}
    for fact in (*_of_signs(signs, stated, rules), *_of_record(stated, rules)):
        key = (fact.kind, fact.id, "" if fact.id else fact.template)
        known = found[fact.dimension].get(key)
        if known is None or (fact.level or 0) > (known.level or 0):
            found[fact.dimension][key] = fact
    return {
        name: tuple(sorted(facts.values(), key=lambda fact: (-(fact.level or 0), fact.words)))
        for name, facts in found.items()
    }


def fact_levels(facts: Mapping[str, Sequence[Fact]]) -> dict[str, int]:
    """The level that the facts of each dimension amount to; a dimension of which they say nothing is left out."""
    tops = {name: max((fact.level or 0 for fact in told), default=0) for name, told in facts.items()}
    return {name: level for name, level in tops.items() if level}


def _of_signs(signs: Iterable[Sign], stated: Stated, rules: Rules) -> Iterator[Fact]:
    for sign in signs:
        for dimension, level, words in READERS[sign.what](sign, stated, rules):
            yield Fact(dimension, level, words, sign.kind, sign.id, sign.name)


Read = Iterator[tuple[str, int | None, str]]


def _data_class(sign: Sign, stated: Stated, rules: Rules) -> Read:
    value = str(sign.value)
    words = f"{HOW_WORDS[sign.how]}: {DATA_WORDS[value]}"
    yield DATA, rules.data_classes.get(value), words
    if value in rules.regulated:
        yield EXPOSURE, rules.regulated[value], words


def _side_effect(sign: Sign, stated: Stated, rules: Rules) -> Read:
    """What a tool leaves behind, as far as the oversight on record lets it count. Reached tools are others' decisions."""
    level = rules.side_effects.get(str(sign.value))
    words = f"{HOW_WORDS[sign.how]}, {EFFECT_WORDS[str(sign.value)]}"
    limit = rules.oversight_limits.get(stated.oversight_level)
    if level and limit and level > limit:
        level, words = (
            limit,
            f"{words}; by the record {LIMIT_WORDS[stated.oversight_level]}, which counts as {limit}",
        )
    if sign.how != REACHED:
        yield AUTHORITY, level, words


def _unstated(sign: Sign, stated: Stated, rules: Rules) -> Read:
    tools = "1 tool it uses has" if sign.value == 1 else f"{sign.value} tools it uses have"
    yield AUTHORITY, None, f"{tools} no side effect on record"


def _delegate_data(sign: Sign, stated: Stated, rules: Rules) -> Read:
    yield DATA, int(sign.value), f"Hands work to {{name}}, whose data sensitivity is {sign.value}"


def _delegate_authority(sign: Sign, stated: Stated, rules: Rules) -> Read:
    yield AUTHORITY, int(sign.value), f"Hands work to {{name}}, whose decision authority is {sign.value}"


def _needed_by(sign: Sign, stated: Stated, rules: Rules) -> Read:
    needs = "1 agent needs" if sign.value == 1 else f"{int(sign.value):,} agents need"
    yield RADIUS, _step(int(sign.value), rules.dependents), f"{needs} it, directly or through others"


def _needed_by_system(sign: Sign, stated: Stated, rules: Rules) -> Read:
    yield RADIUS, int(sign.value), f"{{name}}, a system of criticality {sign.value}, needs it"


def _writes_system(sign: Sign, stated: Stated, rules: Rules) -> Read:
    yield RADIUS, int(sign.value), f"Writes to {{name}}, a system of criticality {sign.value}"


READERS = {
    "data_class": _data_class, "side_effect": _side_effect, "unstated": _unstated, "delegate_data": _delegate_data,
    "delegate_authority": _delegate_authority, "needed_by": _needed_by, "needed_by_system": _needed_by_system,
    "writes_system": _writes_system,
}  # fmt: skip


def _of_record(stated: Stated, rules: Rules) -> Iterator[Fact]:
    if stated.countries:
        count = len(stated.countries)
        served = "1 country" if count == 1 else f"{count} countries"
        yield Fact(
            RADIUS, _step(count, rules.countries), f"Serves {served}: {', '.join(stated.countries[:8])}"
        )
    if stated.users_served:
        yield Fact(RADIUS, None, "Serves {name}", name=stated.users_served)
    if stated.ai_act_class:
        level = rules.ai_act.get(stated.ai_act_class)
        yield Fact(EXPOSURE, level, f"Its EU AI Act class is {CLASS_WORDS[stated.ai_act_class]}")


def _step(count: int, starts: Sequence[int]) -> int:
    return 1 + sum(count >= start for start in starts)

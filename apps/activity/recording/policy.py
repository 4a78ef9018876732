"""What is recorded of whom: rules of team, tier and class of data. Of those that fit the strictest holds. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FULL, REDACTED, HASHED, NONE = "full", "redacted", "hashed", "none"
MODES = (FULL, REDACTED, HASHED, NONE)  # from the least strict
TITLES = {FULL: "Full", REDACTED: "Redacted", HASHED: "Hashed", NONE: "Not at all"}
CHOICES = list(TITLES.items())


@dataclass(frozen=True)
class Subject:
    """Whose content it is: ids of teams (of the key, of the agent), the agent's tier, its tool's classes of data."""

    teams: frozenset[str] = frozenset()
    tier: int | None = None
    classes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rule:
    """What is recorded where everything that is named fits; '' and None name nothing."""

    mode: str
    team: str = ""
    tier: int | None = None
    data_class: str = ""

    def fits(self, subject: Subject) -> bool:
        return (
            (not self.team or self.team in subject.teams)
            and (self.tier is None or self.tier == subject.tier)
            and (not self.data_class or self.data_class in subject.classes)
        )

    def as_json(self) -> dict[str, Any]:
        return {"mode": self.mode, "team": self.team, "tier": self.tier, "data_class": self.data_class}


@dataclass(frozen=True)
class Policy:
    """`default` holds where no rule fits, and of agents nobody knows."""

    number: int = 0
    default: str = FULL
    rules: Sequence[Rule] = field(default_factory=tuple)

    @property
    def is_full(self) -> bool:
        """True when everything is recorded, of everybody."""
        return self.default == FULL and all(rule.mode == FULL for rule in self.rules)

    def mode_for(self, subject: Subject) -> str:
        return strictest([rule.mode for rule in self.rules if rule.fits(subject)] or [self.default])


def strictest(modes: Collection[str]) -> str:
    return max(modes, key=MODES.index, default=FULL)


def policy_of(number: int, default: str, rules: Sequence[Mapping[str, Any]]) -> Policy:
    """A stored policy."""
    return Policy(number, default, tuple(Rule(**rule) for rule in rules))

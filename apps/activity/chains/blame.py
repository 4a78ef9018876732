"""Where did it go wrong: the steps of a failed run by suspicion, with a probability and reasons, without any model.

A softmax over the steps of one run. `WEIGHTS` were fitted by `bench/blame.py --weights` on the 126 failed sessions of
Who&When (algorithm-generated part; each session weighted by one over the root of how often its place of the mistake
occurs, so that the early places of that file teach little; L2 penalty 10; half of the loss is for the agent). They are
plain numbers in units of one signal each, and the figures the bench tells are out of fold, from weights fitted
without the session. That file has no calls with arguments: `DOUBTS` are set by judgement, in the same unit (the
logarithm of the odds), and are measured by nothing but their tests. A doubt weighs more the further the step's values
reach in the recorded data flow, at most by `FURTHEST`.

No signal is a place in the run, the order of speakers or the length of the run. When the ranking is flat, so that
naming one step would be a guess, it abstains and says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from apps.activity.chains.acts import acts_of
from apps.activity.chains.contradictions import Told, doubts_in, reach_of
from apps.activity.chains.signals import Signals, signals_of
from apps.activity.chains.steps import Chain

WEIGHTS: Mapping[str, float] = {
    "report": -1.318,
    "slight": -1.633,
    "acts": 0.397,
    "act_fails": 0.559,
    "act_empty": 1.038,
    "assumes": 0.644,
    "claims": -0.084,
    "plans": -0.152,
    "by_hand": 0.508,
    "lacks": -0.366,
    "reach_final": 0.429,
    "from_results": 0.722,
    "covers_request": 0.928,
    "after_result": -1.015,
    "takes_over": 0.353,
    "repeats": 1.084,
}
DOUBTS: Mapping[str, float] = {
    "contradiction": 1.8,
    "policy": 1.5,
    "nowhere": 1.2,
    "new_tool": 1.2,
    "loss": 1.2,
    "unusual": 0.8,
    "failed_by_it": 0.9,
    "loop": 0.7,
}
FURTHEST = 0.6
WORDS: Mapping[str, str] = {
    "acts": "it acted on the world, by a tool or by code",
    "act_fails": "what it ran failed",
    "act_empty": "what it ran brought back next to nothing",
    "assumes": "it rests on an assumption, an example or a placeholder",
    "by_hand": "it says it looks something up, and nothing shows that it did",
    "reach_final": "values it brought in stand in the end result",
    "from_results": "it interprets what results said",
    "covers_request": "it restates what was asked, so a slip in it changes the task",
    "takes_over": "another agent takes over here",
    "repeats": "it says again what was said shortly before",
    "claims": "it claims that something is verified or final",
    "plans": "it sets out a plan that others follow",
    "lacks": "it notes that something is missing and goes on",
}
PEOPLE = re.compile(r"^(human|user|customer|person)\b", re.I)
MOST_REASONS = 4
LEAST_REASON = 0.1
# Flat: the first is hardly likelier than an even share, or than the second.
LEAST_LIFT, LEAST_LEAD = 1.6, 1.12


@dataclass(frozen=True)
class Suspect:
    """A step, how probable it is that it was the decisive mistake, and why, the strongest reason first."""

    at: int
    agent: str
    probability: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Ranking:
    """Steps and agents by suspicion. `abstains` when naming one would be a guess."""

    suspects: Sequence[Suspect]
    agents: Sequence[tuple[str, float]]
    abstains: bool

    @property
    def first(self) -> Suspect | None:
        """The step to name; None when it abstains."""
        return None if self.abstains or not self.suspects else self.suspects[0]


def rank(chain: Chain, request: str = "") -> Ranking:
    """The steps of a run by suspicion."""
    signals = signals_of(acts_of(chain.steps), request)
    doubts = doubts_in(chain, request)
    places = [
        at for at, step in enumerate(chain.steps) if not step.is_hidden and not PEOPLE.match(step.agent)
    ]
    reaches = reach_of(chain)
    scores = [
        score(signals[at], WEIGHTS)
        + sum(DOUBTS[name] for name in doubts.get(at, ())) * (1 + FURTHEST * reaches[at])
        for at in places
    ]
    shares = probabilities(scores)
    usual = _means([signals[at] for at in places])
    suspects = [
        Suspect(at, chain.steps[at].agent, share, _reasons(signals[at], usual, at, doubts))
        for at, share in zip(places, shares, strict=True)
    ]
    suspects.sort(key=lambda one: -one.probability)
    return Ranking(suspects, by_agent(suspects), is_flat([one.probability for one in suspects]))


def score(signals: Signals, weights: Mapping[str, float]) -> float:
    """The weighted sum of a step's signals."""
    return sum(weight * signals[name] for name, weight in weights.items())


def probabilities(scores: Sequence[float]) -> list[float]:
    """Softmax."""
    highest = max(scores, default=0.0)
    parts = [exp(one - highest) for one in scores]
    return [part / sum(parts) for part in parts]


def by_agent(suspects: Sequence[Suspect]) -> list[tuple[str, float]]:
    """An agent is as suspect as its steps together."""
    sums: dict[str, float] = defaultdict(float)
    for one in suspects:
        sums[one.agent] += one.probability
    return sorted(sums.items(), key=lambda pair: -pair[1])


def is_flat(ordered: Sequence[float]) -> bool:
    """Whether probabilities, the highest first, are too even for one of them to be named."""
    if len(ordered) < 2:
        return not ordered
    return ordered[0] < LEAST_LIFT / len(ordered) or ordered[0] < LEAST_LEAD * ordered[1]


def _means(signals: Sequence[Signals]) -> dict[str, float]:
    return {name: sum(one[name] for one in signals) / max(1, len(signals)) for name in WEIGHTS}


def _reasons(signals: Signals, usual: Mapping[str, float], at: int, doubts: Told) -> tuple[str, ...]:
    """What raises a step above the run's own mean; doubts first, for they name their fact."""
    told = doubts.get(at, {})
    facts = sorted(told, key=lambda name: -DOUBTS[name])
    raising = {name: WEIGHTS[name] * (signals[name] - usual[name]) for name in WEIGHTS if signals[name]}
    named = sorted(
        (name for name in raising if name in WORDS and raising[name] >= LEAST_REASON),
        key=lambda name: -raising[name],
    )
    return tuple([told[name] for name in facts] + [WORDS[name] for name in named])[:MOST_REASONS]

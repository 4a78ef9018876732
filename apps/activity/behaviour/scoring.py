"""One agent's calls in their order: judged, alarmed, learnt. The one place where that happens. Pure.

The job of the product and bench/anomaly.py both run this.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from apps.activity.behaviour.acts import Act
from apps.activity.behaviour.calibration import DEFAULT_RATE, Bar, bar_of, is_over_its_rate
from apps.activity.behaviour.combining import Judgement, judge
from apps.activity.behaviour.profile import Profile
from apps.kit.ui.formats import number

LEAST_CALLS: Final = 30
BAR_HOLDS: Final = 25  # calls until the bar is set anew
COLD: Final = 10  # calls whose scores tell nothing: all was new then
ROUTINE: Final = 2
MOST_ALARMS: Final = 200
OF_REQUEST: Final = frozenset({"distance", "instruction", "provenance"})


@dataclass(frozen=True)
class Rules:
    """What holds for an agent: its false-positive rate, the silent detectors, how many calls make a baseline."""

    rate: float = DEFAULT_RATE
    off: frozenset[str] = frozenset()
    least_calls: int = LEAST_CALLS

    @property
    def rate_words(self) -> str:
        """`one call in 1,000`, for people."""
        return f"one call in {number(round(1 / self.rate))}" if self.rate > 0 else "no call"


@dataclass(frozen=True)
class Scored:
    """A call with its judgement; `cause` is that of its alarm, '' where it gave none."""

    act: Act
    judgement: Judgement
    bar: float
    cause: str = ""


@dataclass
class Watch:
    """An agent under watch: its profile and the bar, which changes as it learns."""

    profile: Profile
    rules: Rules = Rules()
    _bar: Bar | None = None
    _since: int = field(default=0)

    @property
    def is_ready(self) -> bool:
        return self.profile.learnt >= self.rules.least_calls

    def consider(self, act: Act) -> Scored:
        """Judge a call by what came before it, then learn from it."""
        profile, bar = self.profile, self._bar_now()
        judgement = judge(act, profile, self.rules.off)
        cause = self._cause(act, judgement, bar) if self.is_ready else ""
        profile.scored += 1
        is_usual = not cause or self._may_be_usual(judgement, bar)
        if is_usual and judgement.score <= bar.far and profile.learnt >= COLD:
            profile.remember(judgement.score)
        if is_usual or not _is_of_request(judgement):
            profile.learn(act)
        return Scored(act, judgement, bar.alarm, cause)

    def _bar_now(self) -> Bar:
        if self._bar is None or self._since >= BAR_HOLDS:
            self._bar, self._since = bar_of(self.profile.reference, self.rules.rate), 0
        self._since += 1
        return self._bar

    def _may_be_usual(self, judgement: Judgement, bar: Bar) -> bool:
        """True for the few alarms that usual calls give by chance: as many as the rate says, none far out.

        Were they left out, the bar would sink with every alarm; were all taken in, an attack would lift it.
        """
        profile = self.profile
        if judgement.score > bar.far or profile.chance_alarms >= 1 + self.rules.rate * profile.scored:
            return False
        profile.chance_alarms += 1
        return True

    def _cause(self, act: Act, judgement: Judgement, bar: Bar) -> str:
        """The cause of an alarm: '' below the bar, for a new cause of an agent over its rate, and for a call that
        was alarmed before for the same request: routine, until somebody answers."""
        if judgement.score <= bar.alarm or self._is_routine(act):
            return ""
        profile, cause = self.profile, cause_of(judgement)
        if cause in profile.open_causes:
            return cause
        if is_over_its_rate(profile.opened + 1, profile.scored, self.rules.rate):
            return ""
        profile.opened += 1
        profile.open_causes.append(cause)
        return cause

    def _is_routine(self, act: Act) -> bool:
        alarms = self.profile.alarms
        if alarms.get(act.fingerprint, 0) >= ROUTINE:
            return True
        alarms[act.fingerprint] = alarms.pop(act.fingerprint, 0) + 1
        if len(alarms) > MOST_ALARMS:
            del alarms[next(iter(alarms))]
        return False


def cause_of(judgement: Judgement) -> str:
    """Detector and subject. Being led off the request is one cause, whichever tool it ended in."""
    first = judgement.causes[0]
    return first.detector if first.detector in OF_REQUEST else first.cause


def _is_of_request(judgement: Judgement) -> bool:
    return judgement.causes[0].detector in OF_REQUEST


def begun_with(profile: Profile, acts: Collection[Act], rules: Rules = Rules()) -> Watch:
    """A watch over an agent whose first calls are these, taken as usual."""
    watch = Watch(profile, rules)
    for act in acts:
        profile.remember(judge(act, profile, rules.off).score)
        profile.learn(act)
        profile.scored += 1
    return watch

"""Every sign of a call as one score, and which detectors stand behind it. Pure.

score = how far the request's signs lie above what is usual for the agent, in its own widths
      + the strongest single surprise, in nats.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

from apps.activity.behaviour.acts import Act
from apps.activity.behaviour.distance import Signs
from apps.activity.behaviour.profile import Profile, signed_exp
from apps.activity.behaviour.surprise import Surprise, surprises

# Where an agent starts whose own signs are not known yet: (usual, width) by detector, worth 10 calls.
START: Final[Mapping[str, tuple[float, float]]] = {
    "distance": (0.50, 0.15),
    "instruction": (0.10, 0.20),
    "provenance": (0.10, 0.10),
}
WORTH: Final = 10.0
LEAST_WIDTH: Final = 0.15
SHOWN: Final = 120


@dataclass(frozen=True)
class Judgement:
    """A call's score and the causes behind it, the strongest first."""

    score: float
    causes: tuple[Surprise, ...]


def judge(act: Act, profile: Profile, off: Collection[str] = ()) -> Judgement:
    """The combined score of one call against what is usual for its agent; `off` are silent detectors."""
    found = surprises(act, profile, off)
    strongest = found[0].nats if found else 0.0
    if act.signs is None:
        return Judgement(strongest, tuple(found))
    asked = _of_request(act, act.signs, profile, off)
    beyond = asked[0].nats if asked else 0.0
    return Judgement(beyond + strongest, tuple(sorted([*found, *asked], key=lambda one: -one.nats)))


def usual(profile: Profile, name: str) -> tuple[float, float]:
    """Where one sign usually lies and how widely: the agent's own, begun from the common start."""
    middle, width = START[name]
    spread = profile.signs.get(name)
    if spread is None or not spread.count:
        return middle, width
    own = spread.count / (spread.count + WORTH)
    mean = signed_exp(spread.mean)
    return own * mean + (1 - own) * middle, own * spread.width * (1 + mean) + (1 - own) * width


def _of_request(act: Act, signs: Signs, profile: Profile, off: Collection[str]) -> list[Surprise]:
    parts = {name: value for name, value in signs.parts.items() if name not in off}
    if not parts:
        return []
    known = {name: usual(profile, name) for name in parts}
    above = {name: value - known[name][0] for name, value in parts.items()}
    width = max(LEAST_WIDTH, sqrt(sum(width**2 for _, width in known.values())))
    lead = max(above, key=lambda name: above[name])
    subject = act.tool if lead != "provenance" else f"{act.tool}: {_argument(signs)}"
    return [Surprise(lead, subject, max(0.0, sum(above.values()) / width), _reason(lead, act, signs))]


def _argument(signs: Signs) -> str:
    """The argument that is furthest from what was asked."""
    origins = signs.provenance.origins
    return min(origins, key=lambda one: one.request).name if origins else ""


def _reason(lead: str, act: Act, signs: Signs) -> str:
    if lead == "instruction":
        said = _cut(signs.instruction)
        return f"{act.tool} does what a result of an earlier call says, \u201c{said}\u201d, more than what was asked for."
    if lead == "provenance":
        return _reason_of_provenance(act, signs)
    return f"{act.tool} is {signs.distance:.2f} away from the nearest part of the request (0 the same, 1 unrelated)."


def _reason_of_provenance(act: Act, signs: Signs) -> str:
    led = signs.provenance.told_from("instruction")
    strange = led or signs.provenance.told_from("nowhere") or signs.provenance.told_from("result")
    place = "came from an instruction in an earlier result" if led else "is not in the request"
    if not strange:
        return f"The arguments of {act.tool} are not those the request names."
    return f"{strange[0].name} of {act.tool}, \u201c{_cut(strange[0].value)}\u201d, {place}."


def _cut(words: str) -> str:
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}\u2026"

"""What held when a call was made: the present, with what the ledger tells of later acts taken back. Pure.

The columns of an agent say what holds now. A call reported late is judged by what held when it started,
within the delay that an agent's own clock is believed for; beyond it, by what held when it was reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from apps.oversight.rules import Situation

BELIEVED_FOR = timedelta(minutes=10)
CERTIFICATION = "compliance.certification."
Detail = Mapping[str, Any]


@dataclass(frozen=True)
class Act:
    """One entry of the ledger about an agent: when, what, and its detail."""

    at: datetime
    action: str
    detail: Detail


@dataclass(frozen=True)
class Moment:
    """When a call is judged for. Not believed: its clock is too far from when it was heard of."""

    at: datetime
    is_believed: bool


def moment_of(started_at: datetime, heard_at: datetime) -> Moment:
    """An agent's clock is believed up to ten minutes from when its report arrived, and never ahead of that."""
    if abs(heard_at - started_at) > BELIEVED_FOR:
        return Moment(heard_at, is_believed=False)
    return Moment(min(started_at, heard_at), is_believed=True)


def situation_at(now: Situation, acts: Iterable[Act], moment: datetime) -> Situation:
    """The situation at `moment`. `acts` are the agent's: all since then, and every one on its certifications."""
    known = sorted(acts, key=lambda act: act.at, reverse=True)
    then = now
    for act in known:
        if act.at > moment:
            then = _without(then, act)
    certifications = [act for act in reversed(known) if act.action.startswith(CERTIFICATION)]
    if len(certifications) == 0:
        return then
    return replace(then, certified_until=_certified_until(certifications, moment, then.tier))


def _without(later: Situation, act: Act) -> Situation:
    undo = UNDO.get(act.action, _moved if act.action.startswith("lifecycle.agent.") else _nothing)
    return undo(later, act.detail)


def _nothing(later: Situation, detail: Detail) -> Situation:
    return later


def _moved(later: Situation, detail: Detail) -> Situation:
    return replace(later, state=detail["from"])


def _tripped(later: Situation, detail: Detail) -> Situation:
    return replace(later, tripped_at=None, trip_reason="")


def _reset(later: Situation, detail: Detail) -> Situation:
    tripped_at = datetime.fromisoformat(detail["tripped_at"])
    return replace(later, tripped_at=tripped_at, trip_reason=detail.get("trip_reason", ""))


def _policy_changed(later: Situation, detail: Detail) -> Situation:
    before = detail["before"]
    allowed = None if before is None else frozenset(before)
    return replace(later, allowed_tools=allowed, policy_version=None)


def _edited(later: Situation, detail: Detail) -> Situation:
    return replace(later, tier=detail["tier"][0]) if "tier" in detail else later


UNDO: dict[str, Callable[[Situation, Detail], Situation]] = {
    "oversight.breaker.tripped": _tripped,
    "oversight.breaker.reset": _reset,
    "oversight.policy.set": _policy_changed,
    "oversight.policy.dropped": _policy_changed,
    "agents.agent.edited": _edited,
    "agents.agent.reconciled": _edited,
    "agents.blueprint.attached": _edited,
}


def _certified_until(acts: Iterable[Act], moment: datetime, tier: int | None) -> datetime | None:
    """Until when the certifications held at `moment` cover this tier; `acts` oldest first."""
    held: dict[str, datetime] = {}
    for act in acts:
        if act.at > moment or tier is None:
            break
        held.pop(act.detail["certification"], None)
        if act.action == CERTIFICATION + "issued" and act.detail["tier"] >= tier:
            held[act.detail["certification"]] = datetime.fromisoformat(act.detail["expires_at"])
    return max(held.values(), default=None)

"""May it do the next thing, and was what it did in order? Pure rules, first match ends it.

Both questions read the same `Situation`, so that what is denied beforehand and what is called a violation
afterwards cannot drift apart. Order: kill switch, breaker, lifecycle state, certification, tool policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.agents.risk import needs_certification, tier_words
from apps.agents.toolnames import ToolName
from apps.oversight.kill_switches import Switch, widest_pulled

STOPPED_STATES = {
    "suspended": "is suspended",
    "quarantined": "is quarantined",
    "retired": "is retired",
}
WORKING_STATES = frozenset({"production", "deprecated"})


@dataclass(frozen=True)
class Trial:
    """An agent on trial after a reset: calls allowed in the last minute, and how many may be."""

    calls: int
    most_per_minute: int


@dataclass(frozen=True)
class Situation:
    """What is known of an agent at a moment. `allowed_tools` are written as `ToolName` writes them; None: no policy limits it.

    `certified_until` comes from certifications that cover the agent's tier; `models` are those it is answered by, looked up only
    while a kill switch stops a model; `switches` those pulled now or lately; `trial` is told where a call is asked about.
    """

    name: str
    state: str
    tier: int | None
    tripped_at: datetime | None
    trip_reason: str
    certified_until: datetime | None
    allowed_tools: frozenset[str] | None
    policy_version: int | None = None
    team_id: UUID | None = None
    models: frozenset[str] = frozenset()
    switches: tuple[Switch, ...] = ()
    trial: Trial | None = None


@dataclass(frozen=True)
class Objection:
    """Why a call may not happen: a stable code and a sentence."""

    code: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What is said of a call that happened: allowed, flagged, violation or blocked."""

    outcome: str
    code: str
    reason: str


def objection_to(situation: Situation, tool: ToolName, at: datetime) -> Objection | None:
    """The first rule that forbids `tool` at `at`; None when nothing does."""
    return standing_objection(situation, at, tool) or _trial(situation) or _policy(situation, tool)


def standing_objection(situation: Situation, at: datetime, tool: ToolName | None = None) -> Objection | None:
    """What forbids the agent to do anything at all, or to use this tool whatever its policy says; None when nothing does."""
    return (
        kill_switch_on(situation, tool, at)
        or _breaker(situation, at)
        or _state(situation)
        or _certification(situation, at)
    )


def kill_switch_on(situation: Situation, tool: ToolName | None, at: datetime) -> Objection | None:
    """The widest kill switch that stops this call; None when none does. `tool` None: whatever the tool."""
    pulled = widest_pulled(situation.switches, situation.team_id, tool, situation.models, at)
    if pulled is None:
        return None
    return Objection(f"kill_switch.{pulled.scope}", pulled.sentence)


def objection_to_calling(situation: Situation, at: datetime) -> Objection | None:
    """Why no other agent may rely on this one; None when it is in production, in order and not stopped."""
    if situation.state not in WORKING_STATES | STOPPED_STATES.keys():
        return Objection("lifecycle.not_in_production", f"{situation.name} is not in production.")
    return standing_objection(situation, at)


def verdict_on(situation: Situation, tool: ToolName, at: datetime, *, status: str, error: str) -> Verdict:
    """What a reported call was. `status` is what its reporter said: ok, error, denied or unset."""
    objection = objection_to(situation, tool, at)
    if status == "denied":
        reason = objection.reason if objection else "It was refused where the agent runs."
        return Verdict("blocked", objection.code if objection else "enforcement.denied", reason)
    if objection:
        return Verdict("violation", objection.code, objection.reason)
    if status == "error":
        return Verdict("flagged", "call.failed", f"The tool failed: {error or 'it gave no reason'}.")
    return Verdict("allowed", "", "")


def _breaker(situation: Situation, at: datetime) -> Objection | None:
    if situation.tripped_at is None or at < situation.tripped_at:
        return None
    return Objection("breaker.tripped", f"{situation.name} is stopped. {situation.trip_reason}")


def _trial(situation: Situation) -> Objection | None:
    trial = situation.trial
    if trial is None or trial.calls < trial.most_per_minute:
        return None
    words = f"{situation.name} is on trial after a stop: at most {trial.most_per_minute} calls a minute."
    return Objection("breaker.trial_limit", words)


def _state(situation: Situation) -> Objection | None:
    words = STOPPED_STATES.get(situation.state)
    return Objection(f"lifecycle.{situation.state}", f"{situation.name} {words}.") if words else None


def _certification(situation: Situation, at: datetime) -> Objection | None:
    needed = situation.state in WORKING_STATES and needs_certification(situation.tier)
    if not needed or (situation.certified_until and at < situation.certified_until):
        return None
    return Objection(
        "certification.lapsed",
        f"{situation.name} is {tier_words(situation.tier)} in {situation.state} and holds no active "
        "certification that covers it.",
    )


def _policy(situation: Situation, tool: ToolName) -> Objection | None:
    allowed = situation.allowed_tools
    if allowed is None or str(tool) in allowed:
        return None
    return Objection(
        "policy.tool_not_allowed",
        f"{tool} is not among the {len(allowed)} tools that {situation.name} may call."
        if len(allowed) != 1
        else f"{tool} is not {next(iter(allowed))}, the only tool that {situation.name} may call.",
    )

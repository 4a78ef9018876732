"""The life of an agent: every state, every move, who may make it and what must hold, in one table.

The state machine, the menus, the REST description and the documentation are all read from `MOVES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from auditlog.registry import auditlog
from django_fsm import transition

from apps.agents.models import Agent, State
from apps.identity.roles import Permission
from apps.lifecycle.gates import GATES, Gate

LIVE = (
    State.REGISTERED,
    State.IN_REVIEW,
    State.CERTIFIED,
    State.STAGING,
    State.PRODUCTION,
    State.DEPRECATED,
)


@dataclass(frozen=True)
class Move:
    """One transition. `gates` name entries of `GATES`; all must pass or not apply."""

    name: str
    label: str
    sources: tuple[str, ...]
    target: str
    meaning: str
    gates: tuple[str, ...] = ()
    needs_reason: bool = False
    permission: str = Permission.LIFECYCLE_MOVE
    by_system_only: bool = False


RECORD = ("people", "purpose", "risk")
RUNNING = (*RECORD, "practice")
MOVES: tuple[Move, ...] = (
    Move(
        "register",
        "Register",
        (State.DRAFT, State.DISCOVERED),
        State.REGISTERED,
        "Somebody answers for it and its risk is known.",
        RECORD,
    ),
    Move(
        "submit",
        "Submit for review",
        (State.REGISTERED,),
        State.IN_REVIEW,
        "It waits for certification.",
        RECORD,
    ),
    Move(
        "accredit",
        "Accredit",
        (State.REGISTERED, State.IN_REVIEW),
        State.CERTIFIED,
        "Follows by itself when a certification is given.",
        (*RUNNING, "certification"),
        by_system_only=True,
    ),
    Move(
        "stage",
        "Move to staging",
        (State.REGISTERED, State.IN_REVIEW, State.CERTIFIED, State.PRODUCTION),
        State.STAGING,
        "It runs, but not for real work.",
        RUNNING,
    ),
    Move(
        "release",
        "Move to production",
        (State.REGISTERED, State.IN_REVIEW, State.CERTIFIED, State.STAGING),
        State.PRODUCTION,
        "It does real work.",
        (*RUNNING, "certification", "breaker"),
    ),
    Move(
        "suspend",
        "Suspend",
        LIVE,
        State.SUSPENDED,
        "Every call is refused until it resumes.",
        needs_reason=True,
    ),
    Move(
        "resume",
        "Resume in staging",
        (State.SUSPENDED, State.QUARANTINED),
        State.STAGING,
        "It runs again, outside real work.",
        (*RUNNING, "breaker"),
        needs_reason=True,
    ),
    Move(
        "quarantine",
        "Quarantine",
        (State.DISCOVERED, *LIVE, State.SUSPENDED),
        State.QUARANTINED,
        "It is suspected; every call is refused.",
        needs_reason=True,
    ),
    Move(
        "deprecate",
        "Deprecate",
        (State.PRODUCTION, State.STAGING),
        State.DEPRECATED,
        "It still runs; nothing new should depend on it.",
        needs_reason=True,
    ),
    Move(
        "retire",
        "Retire",
        tuple(state for state in State.values if state != State.RETIRED),
        State.RETIRED,
        "It is over; every call is refused for good.",
        needs_reason=True,
    ),
)
BY_NAME = {move.name: move for move in MOVES}


def moves_from(state: str) -> list[Move]:
    """The moves a person may choose in this state, in the table's order."""
    return [move for move in MOVES if state in move.sources and not move.by_system_only]


def gates_of(move: Move) -> list[Gate]:
    return [GATES[name] for name in move.gates]


def _passes(move: Move) -> Any:
    def holds(agent: Agent) -> bool:
        return all(gate.look(agent).outcome != "fail" for gate in gates_of(move))

    return holds


def governed(name: str) -> Any:
    """The state machine's method for a move. The gates are its condition: no door goes around them."""
    move = BY_NAME[name]

    def change(self: GovernedAgent) -> None:
        """The state machine sets the new state; services record and announce it."""

    change.__name__ = name
    return transition(
        field="state", source=list(move.sources), target=move.target, conditions=[_passes(move)]
    )(change)


class GovernedAgent(Agent):
    """An agent with its moves: the only class through which `state` changes."""

    class Meta:
        proxy = True

    register = governed("register")
    submit = governed("submit")
    accredit = governed("accredit")
    stage = governed("stage")
    release = governed("release")
    suspend = governed("suspend")
    resume = governed("resume")
    quarantine = governed("quarantine")
    deprecate = governed("deprecate")
    retire = governed("retire")


auditlog.register(GovernedAgent, include_fields=["state"])

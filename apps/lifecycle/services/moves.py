"""Moving an agent from state to state, and taking it into the register."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django_fsm import TransitionNotAllowed

from apps.agents.access import may, require_for
from apps.agents.models import Agent, State
from apps.agents.services.grants import end_grants
from apps.agents.services.registry import Adoption, adopt_agent, lock_agent
from apps.identity.models import Principal
from apps.identity.services.ledger import record_act
from apps.identity.services.principals import close_principal
from apps.kit.errors import Conflict, InvalidInput, NotPermitted
from apps.lifecycle.gates import GateResult
from apps.lifecycle.machine import BY_NAME, GovernedAgent, Move, gates_of, moves_from

# The key of a merged record lives on: what stops it stays possible.
STOPPED = (State.SUSPENDED, State.QUARANTINED, State.RETIRED)


@dataclass(frozen=True)
class Prospect:
    """A move that could be asked for now, with what its gates say."""

    move: Move
    gates: tuple[GateResult, ...]
    permitted: bool

    @property
    def open(self) -> bool:
        return all(gate.outcome != "fail" for gate in self.gates)


def prospects(agent: Agent, *, actor: Principal) -> list[Prospect]:
    """Every move from the agent's state, each with its gates and whether this actor may make it."""
    return [
        Prospect(move, tuple(gate.look(agent) for gate in gates_of(move)), may(actor, move.permission, agent))
        for move in moves_from(agent.state)
    ]


@transaction.atomic
def adopt(agent: Agent, adoption: Adoption, *, actor: Principal, version: int | None = None) -> Agent:
    """Take a discovered or drafted agent into the register: its record and its move, or neither."""
    adopted = adopt_agent(agent, adoption, actor=actor, version=version)
    governed = lock_agent(adopted, kind=GovernedAgent)
    return _perform(governed, BY_NAME["register"], actor=actor, reason="Adopted into the register.")


@transaction.atomic
def move_agent(
    agent: Agent, move_name: str, *, actor: Principal, reason: str = "", version: int | None = None
) -> Agent:
    """Make a move of the table; Conflict names every gate that refuses it, in words."""
    move = BY_NAME.get(move_name)
    if move is None:
        raise InvalidInput("There is no such move.", fields={"move": f"Choose one of {', '.join(BY_NAME)}"})
    require_for(actor, move.permission, agent)
    if move.by_system_only:
        raise NotPermitted(
            f"{move.label} is not chosen by hand. {move.meaning}", code="lifecycle.system_move"
        )
    if move.needs_reason and not reason.strip():
        raise InvalidInput(f"{move.label} needs a reason.", fields={"reason": "Say why"})
    locked = lock_agent(agent, version=version, kind=GovernedAgent, off_record_too=move.target in STOPPED)
    return _perform(locked, move, actor=actor, reason=reason.strip())


def follow_certification(agent: Agent, *, actor: Principal) -> Agent:
    """After a certification: a registered agent or one in review becomes certified; others stay."""
    if agent.state not in BY_NAME["accredit"].sources:
        return agent
    return _perform(
        lock_agent(agent, kind=GovernedAgent),
        BY_NAME["accredit"],
        actor=actor,
        reason="A certification was given.",
    )


def _perform(agent: GovernedAgent, move: Move, *, actor: Principal, reason: str) -> Agent:
    """Change the state of a locked agent, record it. The caller holds the transaction."""
    if agent.state not in move.sources:
        raise Conflict(
            f"{move.label} is not possible from {State(agent.state).label.lower()}.",
            code="lifecycle.not_from_here",
        )
    before = agent.state
    try:
        getattr(agent, move.name)()  # asks the gates: no door goes around them, and no gate is asked twice
    except TransitionNotAllowed as error:
        raise _refused(agent, move) from error
    agent.version += 1
    agent.save(update_fields=["state", "version", "updated_at"])
    record_act(
        f"lifecycle.agent.{move.target}",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason,
        detail={"move": move.name, "from": before, "to": move.target},
    )
    _after(agent, move, actor=actor, reason=reason)
    return agent


def _refused(agent: GovernedAgent, move: Move) -> Conflict:
    """The refusal, naming every gate that stands in the way in its words."""
    refusals = [result for gate in gates_of(move) if (result := gate.look(agent)).outcome == "fail"]
    return Conflict(
        f"{move.label} is refused. {' '.join(refusal.words for refusal in refusals)}",
        code="lifecycle.gate_refused",
        fields={refusal.gate: refusal.words for refusal in refusals},
    )


def _after(agent: Agent, move: Move, *, actor: Principal, reason: str) -> None:
    """What a move takes with it. Retirement ends everything the agent could act with."""
    if move.target == State.RETIRED:
        close_principal(agent.principal, actor=actor, reason=f"{agent.name} is retired. {reason}")
        end_grants(agent, actor=actor, reason=f"{agent.name} is retired.")

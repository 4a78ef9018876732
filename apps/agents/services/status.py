"""The governed columns of an agent: each is written here, by the app that owns its rule.

`state` is written by the state machine of `apps.lifecycle`, which saves that column alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.agents.models import Agent, BreakerState
from apps.agents.services.auditing import write_agents
from apps.identity.models import Principal


def write_breaker(agent: Agent, state: BreakerState, *, tripped_at: datetime | None, reason: str) -> None:
    """For `apps.oversight`: the breaker's position and why. The row must be locked."""
    agent.breaker_state, agent.breaker_tripped_at, agent.breaker_reason = state, tripped_at, reason
    _save(agent, "breaker_state", "breaker_tripped_at", "breaker_reason")


def write_breakers(
    agents: Sequence[Agent],
    state: BreakerState,
    *,
    tripped_at: datetime | None,
    reason: str,
    actor: Principal,
) -> None:
    """As above for many locked rows, in two queries."""
    values = {"breaker_state": state, "breaker_tripped_at": tripped_at, "breaker_reason": reason}
    _save_many(dict.fromkeys(agents, values), actor)


def write_certified_until(agent: Agent, until: datetime | None) -> None:
    """For `apps.compliance`: until when an active certification holds; None when none does."""
    agent.certified_until = until
    _save(agent, "certified_until")


def write_many_certified_until(until: Mapping[Agent, datetime | None], *, actor: Principal) -> None:
    """As above for many locked rows, in two queries; those that stand so already are left."""
    changed = {
        agent: {"certified_until": end} for agent, end in until.items() if agent.certified_until != end
    }
    _save_many(changed, actor)


def _save(agent: Agent, *columns: str) -> None:
    agent.version += 1
    agent.save(update_fields=[*columns, "version", "updated_at"])


def _save_many(values: Mapping[Agent, Mapping[str, Any]], actor: Principal) -> None:
    changes = []
    for agent, said in values.items():
        changes.append((agent, {name: (getattr(agent, name), value) for name, value in said.items()}))
        for name, value in {**said, "version": agent.version + 1}.items():
            setattr(agent, name, value)
    write_agents(changes, {name for said in values.values() for name in said}, actor=actor)

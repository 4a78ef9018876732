"""The governed columns of an agent: each is written here, by the app that owns its rule.

`state` is written by the state machine of `apps.lifecycle`, which saves that column alone.
"""

from __future__ import annotations

from datetime import datetime

from apps.agents.models import Agent, BreakerState


def write_breaker(agent: Agent, state: BreakerState, *, tripped_at: datetime | None, reason: str) -> None:
    """For `apps.oversight`: the breaker's position and why. The row must be locked."""
    agent.breaker_state, agent.breaker_tripped_at, agent.breaker_reason = state, tripped_at, reason
    _save(agent, "breaker_state", "breaker_tripped_at", "breaker_reason")


def write_certified_until(agent: Agent, until: datetime | None) -> None:
    """For `apps.compliance`: until when an active certification holds; None when none does."""
    agent.certified_until = until
    _save(agent, "certified_until")


def _save(agent: Agent, *columns: str) -> None:
    agent.version += 1
    agent.save(update_fields=[*columns, "version", "updated_at"])

"""What a process holds in memory of the agents it decides about.

Nothing here decides how long something holds: whoever writes a decision has the database compare the numbers that the
memory was made under (`Held.stamp`) in the same statement, and makes it anew where they differ.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chancery_sdk.policy.bundle import Bundle, ToolFacts
from chancery_sdk.policy.deciding import Engine
from django.utils import timezone

from apps.oversight.bundles import (
    POLICIES,
    Shared,
    agent_key,
    agent_row,
    bundle_of,
    stamps_of,
    tool_facts,
    tool_key,
)

MOST_AGENTS = 4096
MOST_TOOLS = 2000


@dataclass
class Held:
    """One agent's bundle, its engine, and the numbers they were made under."""

    agent_id: UUID
    team_id: UUID | None
    updated_at: datetime
    stamps: dict[str, int]
    engine: Engine
    tools: dict[str, ToolFacts]  # the bundle's own
    ref: dict[str, str]  # the agent as answers name it

    @property
    def bundle(self) -> Bundle:
        return self.engine.bundle

    @property
    def is_over(self) -> bool:
        until = self.bundle.expires_at
        return until is not None and until <= timezone.now()

    @property
    def standing_code(self) -> str:
        """What forbids the agent everything now; '' while nothing does."""
        began = [one.code for one in self.bundle.standing if one.since <= timezone.now()]
        return began[-1] if began else ""

    def keys(self, tool: str) -> list[str]:
        return [POLICIES, agent_key(self.agent_id), tool_key(tool)]

    def stamp(self, tool: str) -> int:
        """The sum that these keys had."""
        return sum(self.stamps[key] for key in self.keys(tool))

    def know(self, tool: str) -> ToolFacts:
        """What is on record of the tool, read once. Numbers first: what is read after may be newer, never older."""
        if tool not in self.tools:
            if len(self.tools) >= MOST_TOOLS:
                self.tools.clear()
            self.stamps |= stamps_of([tool_key(tool)])
            self.tools[tool] = tool_facts(tool)
        return self.tools[tool]


_held: OrderedDict[UUID, Held] = OrderedDict()
_shared: list[Shared] = []


def held(agent_id: UUID) -> Held:
    """From memory, or read anew. Raises Agent.DoesNotExist."""
    found = _held.get(agent_id)
    if found is None or found.is_over:
        found = _held[agent_id] = _load(agent_id)
        while len(_held) > MOST_AGENTS:
            _held.popitem(last=False)
    else:
        _held.move_to_end(agent_id)
    return found


def at_hand(agent_id: UUID) -> Held | None:
    """From memory alone."""
    found = _held.get(agent_id)
    return None if found is None or found.is_over else found


def forget(agent_id: UUID) -> None:
    """Read it anew when it is next asked for."""
    _held.pop(agent_id, None)


def _load(agent_id: UUID) -> Held:
    own = agent_key(agent_id)
    stamps = stamps_of([POLICIES, own])
    agent = agent_row(agent_id)
    if agent.pk != agent_id:  # it was merged into another, which answers for it
        own = agent_key(agent.pk)
        stamps = stamps_of([POLICIES, own])
    shared = _shared_as_of(stamps[POLICIES])
    tools: dict[str, ToolFacts] = {}
    engine = Engine(bundle_of(agent, shared, stamps[own], tools))
    ref = {"id": str(agent.pk), "ref": agent.ref, "name": agent.name}
    return Held(agent.pk, agent.team_id, agent.updated_at, stamps, engine, tools, ref)


def _shared_as_of(stamp: int) -> Shared:
    if not _shared or _shared[0].stamp != stamp:
        _shared[:] = [Shared.load(stamp)]
    return _shared[0]

"""Is a kill switch pulled that stops this call? Pure: what stands is given, as `apps.oversight.standing` holds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from uuid import UUID

from chancery_sdk.policy.bundle import names_tool

from apps.agents.toolnames import ToolName

WIDEST_FIRST = ("fleet", "team", "tool", "model")


@dataclass(frozen=True)
class Switch:
    """A pulled kill switch. `teams` are the team it names and those below it; `until` None: it stands."""

    scope: str
    teams: frozenset[UUID]
    target: str
    words: str
    reason: str
    since: datetime
    until: datetime | None = None

    @property
    def sentence(self) -> str:
        return f"A kill switch stops {self.words}. {self.reason.rstrip('.')}."

    def holds(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)

    def stops(self, team_id: UUID | None, tool: ToolName | None, models: Iterable[str]) -> bool:
        if self.scope == "fleet":
            return True
        if self.scope == "team":
            return team_id in self.teams
        if self.scope == "tool":
            return tool is not None and names_tool(self.target, str(tool))
        return any(fnmatchcase(model.lower(), self.target.lower()) for model in models)


def widest_pulled(
    switches: Iterable[Switch],
    team_id: UUID | None,
    tool: ToolName | None,
    models: Iterable[str],
    at: datetime,
) -> Switch | None:
    """The widest switch that stops this call at `at`; None when none does. `tool` None: whatever the tool."""
    found = [one for one in switches if one.holds(at) and one.stops(team_id, tool, models)]
    return min(found, key=lambda one: WIDEST_FIRST.index(one.scope), default=None)

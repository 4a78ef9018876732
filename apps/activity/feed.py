"""Reading the feed: what is new since a position, once for all who watch or for one who stands further back;
who may see what of it; what is told when more comes than anybody can read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson
from django.contrib.sessions.backends.db import SessionStore
from django.http import QueryDict

from apps.activity.filters import CallFilter, holds_for
from apps.activity.models import Outcome, ToolCall, sees_every_call
from apps.agents.models import Agent
from apps.identity.access import access_of, act_through
from apps.identity.models import ApiKey, Person, Principal
from apps.identity.roles import Permission
from apps.kit.ui.marks import sign_path

MOST_AT_ONCE = 200
MOST_BEHIND = 5000  # of what a reader may see and asked for
MOST_PASSED = 200_000  # of everybody's
MOST_TOLD, TOLD_OF_MANY = 1000, 200
FOLDED = Outcome.ALLOWED  # of the others not one is ever left out


AgentKey = tuple[UUID | None, UUID | None, UUID | None, UUID | None]


@dataclass(frozen=True)
class Entry:
    """One change of one call, rendered once for all who watch."""

    call: ToolCall

    @property
    def position(self) -> int:
        return self.call.position

    @property
    def agent_key(self) -> AgentKey:
        """The agent with what decides who may see it: as soon as that changes, it is asked again."""
        agent = self.call.agent
        return (agent.pk, agent.team_id, agent.owner_id, agent.deputy_id) if agent else (None,) * 4

    @cached_property
    def json(self) -> str:
        return orjson.dumps(line(self.call)).decode()


@dataclass
class Sight:
    """What of the feed one reader may see, by agent; asked of the database once for each agent."""

    actor: Principal
    sees_all: bool
    known: dict[AgentKey, bool] = field(default_factory=dict)

    def unknown(self, entries: Sequence[Entry]) -> set[AgentKey]:
        """Agents that still have to be asked about."""
        return set() if self.sees_all else {entry.agent_key for entry in entries} - self.known.keys()

    def ask(self, agents: set[AgentKey]) -> None:
        """One query."""
        told = [pk for pk, *_ in agents if pk is not None]
        visible = set(Agent.objects.visible_to(self.actor).filter(pk__in=told).values_list("pk", flat=True))
        self.known |= {key: key[0] in visible for key in agents}

    def of(self, entries: Sequence[Entry], fits: Callable[[ToolCall], bool]) -> list[Entry]:
        return [one for one in entries if (self.sees_all or self.known[one.agent_key]) and fits(one.call)]


@dataclass
class FeedQuery:
    """Where a reader stands, and the filters it chose."""

    after: int
    filters: QueryDict

    @cached_property
    def without_words(self) -> QueryDict:
        filters = self.filters.copy()
        filters.pop("q", None)
        return filters

    @cached_property
    def fits(self) -> Callable[[ToolCall], bool]:
        return holds_for(self.filters)


@dataclass(frozen=True)
class Seen:
    """What is new: `full` when more may follow at once, `gap` when too much was missed to replay."""

    position: int
    entries: list[Entry]
    full: bool = False
    gap: bool = False


@dataclass(frozen=True)
class Folded:
    """Allowed calls that are only counted, because more came than anybody reads: from whom, up to where."""

    calls: int
    agents: int
    after: int
    upto: int


def sight_of(actor: Principal) -> Sight:
    """What this principal, freshly read, may see. One query."""
    return Sight(actor, sees_every_call(actor))


def read_entries(after: int, upto: int, most: int) -> list[Entry]:
    """Everybody's changes in a range of positions, oldest first. One query."""
    rows = ToolCall.objects.filter(position__gt=after, position__lte=upto).select_related("agent")
    return [Entry(call) for call in rows.order_by("position")[:most]]


def read_feed(query: FeedQuery, newest: int, actor: Principal) -> Seen:
    """The next calls after `query.after` up to `newest` for one reader, oldest first; at most 200. Three queries."""
    if newest - query.after > MOST_PASSED:
        return Seen(newest, [], gap=True)
    visible = ToolCall.objects.visible_to(actor)
    fresh = visible.filter(position__gt=query.after, position__lte=newest).select_related("agent")
    # Words are looked for here: their index is some seconds behind what was committed.
    wanted = CallFilter(query.without_words, fresh).qs.order_by("position")
    if newest - query.after > MOST_BEHIND and wanted[MOST_BEHIND : MOST_BEHIND + 1].exists():
        return Seen(newest, [], gap=True)
    rows = list(wanted[:MOST_AT_ONCE])
    full = len(rows) == MOST_AT_ONCE
    found = [Entry(call) for call in rows if query.fits(call)]
    return Seen(rows[-1].position if full else newest, found, full)


def folded(entries: Sequence[Entry]) -> tuple[list[Entry], Folded | None]:
    """What is told of so many: all up to 1,000; of more the newest 200 allowed ones, and all that are not."""
    if len(entries) <= MOST_TOLD:
        return list(entries), None
    quiet = [entry for entry in entries if entry.call.outcome == FOLDED]
    left_out = quiet[:-TOLD_OF_MANY]
    if not left_out:
        return list(entries), None
    gone = {entry.position for entry in left_out}
    told = Folded(
        len(left_out),
        len({entry.agent_key[0] for entry in left_out}),
        entries[0].position - 1,
        entries[-1].position,
    )
    return [entry for entry in entries if entry.position not in gone], told


def line(call: ToolCall) -> dict[str, Any]:
    """A call as a line of the feed."""
    agent = call.agent
    return {
        "id": str(call.pk),
        "position": call.position,
        "at": call.started_at.isoformat(),
        "agent": _agent(agent) if agent else None,
        "agent_name": call.agent_name or call.service_name,
        "tool": call.tool_name,
        "mcp_server": call.mcp_server,
        "arguments": short(call.arguments),
        "outcome": call.outcome,
        "reason": call.outcome_reason,
        "status": call.status,
        "effect": call.effect,
        "duration_ms": call.duration_ms,
        "conversation_id": call.conversation_id,
        "replaces": [str(pk) for pk in call.replaces or ()],
    }


def _agent(agent: Agent) -> dict[str, str]:
    return {"id": str(agent.pk), "ref": agent.ref, "name": agent.name, "sign": sign_path(agent.pk)}


def short(arguments: Any, limit: int = 120) -> str:
    """Arguments as `name: value, name: value`, for one line."""
    if isinstance(arguments, dict):
        words = ", ".join(f"{key}: {value}" for key, value in arguments.items())
    else:
        words = "" if arguments is None else str(arguments)
    return words if len(words) <= limit else words[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def person_actor(person_id: int, session_key: str | None) -> Principal | None:
    """Who watches, freshly read, while the session lives and they may see activity. Three queries."""
    if not session_key or not SessionStore(session_key).exists(session_key):
        return None
    person = Person.objects.select_related("principal").filter(pk=person_id, is_active=True).first()
    return _who_may_watch(person.principal) if person else None


def key_actor(key_id: UUID) -> Principal | None:
    """Who watches through an API key, freshly read and narrowed to it, while it is good. Three queries."""
    key = ApiKey.objects.select_related("principal").filter(pk=key_id).first()
    return _who_may_watch(act_through(key.principal, key)) if key and key.is_live else None


def _who_may_watch(actor: Principal) -> Principal | None:
    may = actor.is_active and access_of(actor).allows_somewhere(Permission.ACTIVITY_VIEW)
    return actor if may else None

"""Reading the feed for one person: what is new since a position, of agents they may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.sessions.backends.db import SessionStore
from django.http import QueryDict

from apps.activity.filters import CallFilter
from apps.activity.models import ToolCall
from apps.agents.models import Agent
from apps.identity.access import access_of
from apps.identity.models import Person
from apps.identity.roles import Permission
from apps.kit.ui.marks import sign_path

MOST_AT_ONCE = 200
MOST_BEHIND = 5000


@dataclass
class FeedQuery:
    """Where a client stands, and the filters it chose."""

    after: int
    filters: QueryDict


@dataclass(frozen=True)
class Seen:
    """What is new: `full` when more may follow at once, `gap` when too much was missed to replay."""

    position: int
    calls: list[dict[str, Any]]
    full: bool = False
    gap: bool = False


def read_feed(query: FeedQuery, newest: int, person_id: int) -> Seen:
    """The next calls after `query.after` up to `newest`, oldest first; at most 200. Two queries."""
    if newest - query.after > MOST_BEHIND:
        return Seen(newest, [], gap=True)
    person = Person.objects.select_related("principal").get(pk=person_id)
    visible = ToolCall.objects.visible_to(person.principal)
    fresh = visible.filter(position__gt=query.after, position__lte=newest).select_related("agent")
    rows = list(CallFilter(query.filters, fresh).qs.order_by("position")[:MOST_AT_ONCE])
    full = len(rows) == MOST_AT_ONCE
    return Seen(rows[-1].position if full else newest, [line(call) for call in rows], full)


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
        "duration_ms": call.duration_ms,
        "conversation_id": call.conversation_id,
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


def still_signed_in(person_id: int, session_key: str | None) -> bool:
    """True while the session lives and its person is active and may see activity. Three queries."""
    if not session_key or not SessionStore(session_key).exists(session_key):
        return False
    person = Person.objects.select_related("principal").filter(pk=person_id, is_active=True).first()
    if person is None or not person.principal.is_active:
        return False
    return access_of(person.principal).allows_somewhere(Permission.ACTIVITY_VIEW)

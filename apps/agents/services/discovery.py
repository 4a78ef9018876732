"""Agents that appear by themselves: recognised by natural key, never created twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from apps.agents.models import Agent, AgentAlias, ObservedModel, ObservedTool, State, agent_id_of
from apps.agents.services.dependencies import Seen, observe_models, observe_tools
from apps.agents.services.indexing import index_words
from apps.agents.services.registry import new_agent
from apps.agents.signals import agents_discovered
from apps.identity.models import Principal
from apps.identity.services.ledger import record_act, system_principal

Observed = ObservedTool | ObservedModel


@dataclass(frozen=True)
class Sighting:
    """An agent as telemetry names it. `declared_id` is `chancery.agent.id`: an id or AGT-0412.

    Equality ignores when and with what framework it was seen: the key is who reported it and its names.
    """

    source_id: UUID
    service_name: str
    agent_name: str
    declared_id: str = ""
    framework: str = field(default="", compare=False)
    seen_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ToolUse:
    """`calls` new calls of one tool by one agent, first and last at these times."""

    agent_id: UUID
    tool_name: str
    mcp_server: str
    calls: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class ModelUse:
    """`calls` new answers of one model to one agent."""

    agent_id: UUID
    provider: str
    model: str
    calls: int
    first_seen: datetime
    last_seen: datetime


@transaction.atomic
def resolve_agents(sightings: Iterable[Sighting]) -> dict[Sighting, Agent]:
    """The agent of each sighting, found or created as *discovered*.

    In order: the agent whose own credential reported it; the agent it declares to be, when the source
    belongs to the same team; the agent known by this source, service and agent name; a new one. About
    five queries however many sightings; one more per new agent.
    """
    wanted = list(dict.fromkeys(sightings))
    sources = {source.pk: source for source in Principal.objects.filter(pk__in={s.source_id for s in wanted})}
    found = _by_own_credential(wanted, sources)
    found |= _by_declaration([s for s in wanted if s not in found], sources)
    found |= _by_alias([s for s in wanted if s not in found])
    found = _of_record(found)
    fresh = [s for s in wanted if s not in found]
    if fresh:
        found |= _discover(fresh, sources)
    _mark_seen(found)
    return found


def record_tool_uses(uses: Sequence[ToolUse]) -> None:
    """Add calls to what the agents were seen to use. Call it once for each new call."""
    new = _upsert(ObservedTool, uses, ("tool_name", "mcp_server"))
    observe_tools(
        [
            Seen(
                use.agent_id,
                (use.tool_name[:255], use.mcp_server[:255]),
                use.calls,
                use.first_seen,
                use.last_seen,
            )
            for use in uses
        ]
    )
    index_words(Agent.objects.filter(pk__in=new))


def record_model_uses(uses: Sequence[ModelUse]) -> None:
    _upsert(ObservedModel, uses, ("provider", "model"))
    observe_models(
        [
            Seen(
                use.agent_id, (use.provider[:120], use.model[:255]), use.calls, use.first_seen, use.last_seen
            )
            for use in uses
        ]
    )


def _of_record(found: dict[Sighting, Agent]) -> dict[Sighting, Agent]:
    """Each sighting's agent, or the one it was merged into; one query where any was."""
    merged = {agent.merged_into_id for agent in found.values()} - {None}
    kept = Agent.objects.in_bulk(merged) if merged else {}
    return {s: kept.get(agent.merged_into_id, agent) for s, agent in found.items()}


def _by_own_credential(wanted: list[Sighting], sources: dict[UUID, Principal]) -> dict[Sighting, Agent]:
    own = {pk for pk, source in sources.items() if source.kind == Principal.Kind.AGENT}
    agents = (
        {agent.principal_id: agent for agent in Agent.objects.filter(principal_id__in=own)} if own else {}
    )
    return {s: agents[s.source_id] for s in wanted if s.source_id in agents}


def _by_declaration(wanted: list[Sighting], sources: dict[UUID, Principal]) -> dict[Sighting, Agent]:
    declared = [s for s in wanted if s.declared_id]
    if not declared:
        return {}
    keys = {_declared_key(s.declared_id) for s in declared}
    numbers = {key for key in keys if isinstance(key, int)}
    ids = {key for key in keys if isinstance(key, UUID)}
    known: dict[int | UUID, Agent] = {}
    for agent in Agent.objects.filter(Q(number__in=numbers) | Q(pk__in=ids)):
        known[agent.number] = known[agent.pk] = agent
    found = {s: known.get(_declared_key(s.declared_id) or 0) for s in declared}
    return {s: agent for s, agent in found.items() if agent and _may_speak_for(sources[s.source_id], agent)}


def _may_speak_for(source: Principal, agent: Agent) -> bool:
    """Only for agents of its own team: a claim alone must not write into another's record. No team is no common one."""
    return source.team_id is not None and agent.team_id == source.team_id


def _declared_key(declared_id: str) -> int | UUID | None:
    number = agent_id_of(declared_id)
    if number is not None:
        return number
    try:
        return UUID(declared_id)
    except ValueError:
        return None


def _by_alias(wanted: list[Sighting]) -> dict[Sighting, Agent]:
    if not wanted:
        return {}
    rows = AgentAlias.objects.select_related("agent").filter(
        source_id__in={s.source_id for s in wanted},
        service_name__in={s.service_name for s in wanted},
        agent_name__in={s.agent_name for s in wanted},
    )
    known = {(row.source_id, row.service_name, row.agent_name): row.agent for row in rows}
    keys = {s: (s.source_id, s.service_name, s.agent_name) for s in wanted}
    return {s: known[key] for s, key in keys.items() if key in known}


def _discover(fresh: list[Sighting], sources: dict[UUID, Principal]) -> dict[Sighting, Agent]:
    system, made = system_principal(), {}
    by_key: dict[tuple[UUID, str, str], Agent] = {}
    for sighting in fresh:
        key = (sighting.source_id, sighting.service_name, sighting.agent_name)
        if key not in by_key:
            by_key[key] = _create(sighting, sources[sighting.source_id], system)
        made[sighting] = by_key[key]
    agents_discovered.send(sender=Agent, agents=list(by_key.values()))
    return made


def _create(sighting: Sighting, source: Principal, system: Principal) -> Agent:
    name = _display_name(sighting)
    agent = new_agent(
        name,
        team=source.team,
        state=State.DISCOVERED,
        framework=sighting.framework[:80],
        first_seen=sighting.seen_at,
        last_seen=sighting.seen_at,
    )
    AgentAlias.objects.create(
        agent=agent,
        source=source,
        service_name=sighting.service_name,
        agent_name=sighting.agent_name,
        first_seen=sighting.seen_at or timezone.now(),
    )
    record_act(
        "agents.agent.discovered",
        actor=system,
        target=("agent", agent.pk),
        detail={
            "ref": agent.ref,
            "source": source.name,
            "service_name": sighting.service_name,
            "agent_name": sighting.agent_name,
        },
    )
    return agent


def _display_name(sighting: Sighting) -> str:
    """The agent's own name; a path within its program (Codex: /root) says nothing without the program."""
    name = sighting.agent_name or sighting.service_name or "Unnamed agent"
    return (f"{sighting.service_name} {name}" if name.startswith("/") else name)[:200]


def _mark_seen(found: dict[Sighting, Agent]) -> None:
    latest: dict[UUID, datetime] = {}
    for sighting, agent in found.items():
        if sighting.seen_at and (agent.last_seen is None or sighting.seen_at > agent.last_seen):
            latest[agent.pk] = max(latest.get(agent.pk, sighting.seen_at), sighting.seen_at)
    for pk in sorted(latest):  # in key order: two writers then wait for each other, never in a ring
        Agent.objects.filter(pk=pk).update(
            last_seen=Greatest(F("last_seen"), latest[pk]), first_seen=Least(F("first_seen"), latest[pk])
        )


def _upsert(model: type[Observed], uses: Sequence[ToolUse | ModelUse], names: tuple[str, ...]) -> set[UUID]:
    """Add the uses up; returns the agents that used something for the first time."""
    merged: dict[tuple[object, ...], list[ToolUse | ModelUse]] = {}
    for use in uses:
        merged.setdefault((use.agent_id, *(getattr(use, name) for name in names)), []).append(use)
    return {merged[key][0].agent_id for key in sorted(merged, key=str) if _add(model, merged[key], names)}


def _add(model: type[Observed], uses: list[ToolUse | ModelUse], names: tuple[str, ...]) -> bool:
    calls = sum(use.calls for use in uses)
    first, last = min(use.first_seen for use in uses), max(use.last_seen for use in uses)
    natural_key = {"agent_id": uses[0].agent_id} | {
        name: getattr(uses[0], name)[: _longest(model, name)] for name in names
    }
    row, created = model._default_manager.get_or_create(
        **natural_key, defaults={"calls": calls, "first_seen": first, "last_seen": last}
    )
    if not created:
        model._default_manager.filter(pk=row.pk).update(
            calls=F("calls") + calls,
            first_seen=Least(F("first_seen"), first),
            last_seen=Greatest(F("last_seen"), last),
        )
    return created


def _longest(model: type[Observed], name: str) -> int:
    return int(getattr(model._meta.get_field(name), "max_length", None) or 255)

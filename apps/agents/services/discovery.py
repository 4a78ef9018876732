"""Agents that appear by themselves: recognised by natural key, never created twice."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from apps.agents.models import (
    BEYOND,
    Agent,
    AgentAlias,
    Dependency,
    ObservedModel,
    ObservedTool,
    Origin,
    State,
    Tool,
    agent_id_of,
)
from apps.agents.services.dependencies import Seen, observe_models, observe_tools
from apps.agents.services.indexing import index_words
from apps.agents.services.registry import new_agent
from apps.agents.signals import agents_discovered
from apps.agents.wording import visibly
from apps.identity.models import Principal
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.ids import first_id_at

Observed = ObservedTool | ObservedModel
logger = logging.getLogger(__name__)
BEYOND_PURPOSE = (
    "Stands for the agents that {source} showed beyond {most} new ones within an hour. Usually service.name "
    "carries the id of a pod or a run: let it name the agent, and these will be told apart."
)
LONGEST_NAME: int = AgentAlias._meta.get_field("agent_name").max_length or 255


@dataclass(frozen=True)
class Sighting:
    """An agent as telemetry names it. `declared_id` is `chancery.agent.id`: an id or AGT-0412.

    Equality ignores when and with what framework it was seen: the key is who reported it and its names,
    each as long as an alias keeps it.
    """

    source_id: UUID
    service_name: str
    agent_name: str
    declared_id: str = ""
    framework: str = field(default="", compare=False)
    seen_at: datetime | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("service_name", "agent_name"):
            object.__setattr__(self, name, getattr(self, name)[:LONGEST_NAME])


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


@dataclass(frozen=True)
class Standing:
    """What is certain of a sighting: `agent_id` by its reporter's own credential or by a declaration the reporter may
    make, else None; `team_id` is the team within which its ids are believed, None where there is none in common."""

    agent_id: UUID | None = None
    team_id: UUID | None = None


def standings_of(sightings: Iterable[Sighting]) -> dict[Sighting, Standing]:
    """How each sighting stands, before anyone is created for it. At most six queries however many there are."""
    wanted = list(dict.fromkeys(sightings))
    sources = _sources_of(wanted)
    bound = _of_record(_by_certainty(wanted, sources))
    known = _of_record(_by_alias([s for s in wanted if s not in bound]))
    return {s: _standing(bound.get(s), known.get(s), sources[s.source_id]) for s in wanted}


def _standing(bound: Agent | None, known: Agent | None, source: Principal) -> Standing:
    if bound is not None:
        return Standing(bound.pk, bound.team_id)
    is_common = known is None or known.team_id == source.team_id
    return Standing(None, source.team_id if is_common else None)


@transaction.atomic
def resolve_agents(sightings: Iterable[Sighting]) -> dict[Sighting, Agent]:
    """The agent of each sighting, found or created as *discovered*.

    In order: the agent whose own credential reported it; the agent it declares to be, when the source
    belongs to the same team; the agent known by this source, service and agent name; a new one; the one
    that stands for the rest, when the source showed too many new ones within the hour. About five queries
    however many sightings; a few more per new agent. Whoever resolves says at the end of its transaction
    with `mark_seen` that they were seen.
    """
    wanted = list(dict.fromkeys(sightings))
    sources = _sources_of(wanted)
    found = _by_certainty(wanted, sources)
    found |= _by_alias([s for s in wanted if s not in found])
    found = _of_record(found)
    fresh = [s for s in wanted if s not in found]
    if fresh:
        found |= _discover(fresh, sources)
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


def take_back_tool_uses(uses: Sequence[ToolUse]) -> None:
    """Take calls off again that were added twice: two calls that proved to be one. Two queries a use."""
    for use in uses:
        tool, server = use.tool_name[:255], use.mcp_server[:255]
        less = {"calls": Greatest(F("calls") - use.calls, 0)}
        ObservedTool.objects.filter(agent_id=use.agent_id, tool_name=tool, mcp_server=server).update(**less)
        Dependency.objects.filter(
            source_id=use.agent_id,
            target_id__in=Tool.objects.filter(name=tool, server=server).values("pk"),
            relation=Dependency.Relation.CALLS,
            origin=Origin.OBSERVED,
        ).update(**less)


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


def _sources_of(wanted: list[Sighting]) -> dict[UUID, Principal]:
    return Principal.objects.in_bulk({sighting.source_id for sighting in wanted})


def _by_certainty(wanted: list[Sighting], sources: dict[UUID, Principal]) -> dict[Sighting, Agent]:
    found = _by_own_credential(wanted, sources)
    return found | _by_declaration([s for s in wanted if s not in found], sources)


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
    """New agents, as many as their source may still show; one that stands for the rest."""
    system, made = system_principal(), {}
    by_key: dict[tuple[UUID, str, str], Agent] = {}
    room = {pk: _room_of(pk) for pk in {sighting.source_id for sighting in fresh}}
    for sighting in fresh:
        key = (sighting.source_id, sighting.service_name, sighting.agent_name)
        if key not in by_key and room[sighting.source_id] <= 0:
            key = (sighting.source_id, BEYOND, "")
        if key not in by_key:
            source = sources[sighting.source_id]
            by_key[key] = (_stand_in if key[1] == BEYOND else _create)(sighting, source, system)
            room[sighting.source_id] -= 1
        made[sighting] = by_key[key]
    agents_discovered.send(sender=Agent, agents=list(by_key.values()))
    return made


def _room_of(source_id: UUID) -> int:
    """How many more agents this source may show for the first time within this hour."""
    since = first_id_at(timezone.now() - timedelta(hours=1))
    lately = AgentAlias.objects.filter(source_id=source_id, agent__pk__gte=since).exclude(service_name=BEYOND)
    return max(0, settings.MOST_NEW_AGENTS_PER_HOUR - lately.count())


def _create(sighting: Sighting, source: Principal, system: Principal) -> Agent:
    agent = _new(visibly(_display_name(sighting)), sighting, source)
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


def _stand_in(sighting: Sighting, source: Principal, system: Principal) -> Agent:
    """The agent that stands for those a source shows beyond its limit; made the first time."""
    most = settings.MOST_NEW_AGENTS_PER_HOUR
    logger.warning("%s showed more than %s new agents within an hour: %s", source.name, most, sighting)
    alias = AgentAlias.objects.select_related("agent").filter(source=source, service_name=BEYOND).first()
    if alias is not None:
        return alias.agent
    agent = _new(f"More agents of {source.name}", sighting, source)
    agent.purpose = BEYOND_PURPOSE.format(source=source.name, most=most)
    agent.save(update_fields=["purpose"])
    AgentAlias.objects.create(
        agent=agent, source=source, service_name=BEYOND, first_seen=sighting.seen_at or timezone.now()
    )
    detail = {"ref": agent.ref, "source": source.name, "most_per_hour": most}
    record_act("agents.discovery.limited", actor=system, target=("agent", agent.pk), detail=detail)
    return agent


def _new(name: str, sighting: Sighting, source: Principal) -> Agent:
    return new_agent(
        name[:200],
        team=source.team,
        state=State.DISCOVERED,
        framework=sighting.framework[:80],
        first_seen=sighting.seen_at,
        last_seen=sighting.seen_at,
    )


def _display_name(sighting: Sighting) -> str:
    """The agent's own name; a path within its program (Codex: /root) says nothing without the program."""
    name = sighting.agent_name or sighting.service_name or "Unnamed agent"
    return (f"{sighting.service_name} {name}" if name.startswith("/") else name)[:200]


def mark_seen(found: Mapping[Sighting, Agent]) -> None:
    """Note when these agents were seen. It locks their rows: to be called last in a transaction."""
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

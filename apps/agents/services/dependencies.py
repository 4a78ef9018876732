"""What depends on what: stated by people and files, seen in traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.agents.access import require_for
from apps.agents.models import ASSETS, Agent, Dependency, ModelEndpoint, NodeKind, Origin, Tool
from apps.agents.services.registry import lock_agent
from apps.agents.services.risk import refresh_risk
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput

# Added up in the database: two pipelines' batches never overwrite each other's counts.
OBSERVED = """
INSERT INTO agents_dependency (source_kind, source_id, target_kind, target_id, relation, origin, calls, first_seen, last_seen)
SELECT 'agent', s, %s, t, 'calls', 'observed', c, f, l
FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS seen (s, t, c, f, l)
ORDER BY s, t
ON CONFLICT (source_id, target_id, relation, origin) DO UPDATE SET calls = agents_dependency.calls + EXCLUDED.calls,
  first_seen = least(agents_dependency.first_seen, EXCLUDED.first_seen),
  last_seen = greatest(agents_dependency.last_seen, EXCLUDED.last_seen)
"""


@dataclass(frozen=True)
class Node:
    """One end of a dependency."""

    kind: str
    id: UUID


@dataclass(frozen=True)
class Seen:
    """`calls` uses of something by one agent; `name` is (name, server) of a tool, (provider, model) of a model."""

    agent_id: UUID
    name: tuple[str, str]
    calls: int
    first_seen: datetime
    last_seen: datetime


@transaction.atomic
def declare_dependency(
    source: Node, target: Node, relation: str, *, actor: Principal, origin: str = Origin.PERSON
) -> Dependency:
    """State that `source` needs `target`. Stating it again changes nothing but when it was last said."""
    _require_to_curate(source, actor)
    problems = _problems(source, target, relation, actor)
    if problems:
        raise InvalidInput("The dependency was not stated.", fields=problems)
    edge, created = Dependency.objects.get_or_create(
        source_id=source.id,
        target_id=target.id,
        relation=relation,
        origin=origin,
        defaults={"source_kind": source.kind, "target_kind": target.kind, "stated_by": actor},
    )
    if created:
        record_act(
            "agents.dependency.stated",
            actor=actor,
            target=(source.kind, source.id),
            detail=_told(edge, _named(target, actor)),
        )
        _follow(source, actor)
    return edge


@transaction.atomic
def withdraw_dependency(edge: Dependency, *, actor: Principal, reason: str = "") -> None:
    """Take back what was stated. What was seen in traffic cannot be taken back."""
    _require_to_curate(Node(edge.source_kind, edge.source_id), actor)
    if edge.origin == Origin.OBSERVED:
        raise InvalidInput(
            "The dependency stays.", fields={"origin": "It was seen in traffic, nobody stated it"}
        )
    record_act(
        "agents.dependency.withdrawn",
        actor=actor,
        target=(edge.source_kind, edge.source_id),
        reason=reason,
        detail=_told(edge, _named(Node(edge.target_kind, edge.target_id), actor)),
    )
    edge.delete()
    _follow(Node(edge.source_kind, edge.source_id), actor)


def _follow(source: Node, actor: Principal) -> None:
    """What an agent uses says how risky it is; what else changed on the map, the worker reads."""
    if source.kind == NodeKind.AGENT:
        refresh_risk([lock_agent(Agent(pk=source.id))], actor=actor)


def observe_tools(seen: Sequence[Seen]) -> None:
    """Put tools that agents were seen to call into the catalogue, and the calls on the map. Three queries."""
    if not seen:
        return
    wanted = sorted({one.name for one in seen})
    Tool.objects.bulk_create(
        [
            Tool(name=name, server=server, kind=Tool.Kind.MCP if server else Tool.Kind.OTHER)
            for name, server in wanted
        ],
        ignore_conflicts=True,
    )
    rows = Tool.objects.filter(name__in={name for name, _ in wanted}).values_list("name", "server", "pk")
    _observe(NodeKind.TOOL, seen, {(name, server): pk for name, server, pk in rows})


def observe_models(seen: Sequence[Seen]) -> None:
    """As above for models that answered agents. The snapshot is part of the name providers give."""
    if not seen:
        return
    wanted = sorted({one.name for one in seen})
    ModelEndpoint.objects.bulk_create(
        [ModelEndpoint(provider=provider, model=model) for provider, model in wanted], ignore_conflicts=True
    )
    rows = ModelEndpoint.objects.filter(model__in={model for _, model in wanted}, snapshot="", region="")
    known = {(provider, model): pk for provider, model, pk in rows.values_list("provider", "model", "pk")}
    _observe(NodeKind.MODEL, seen, known)


def _observe(kind: str, seen: Sequence[Seen], ids: dict[tuple[str, str], UUID]) -> None:
    merged: dict[tuple[UUID, UUID], list[Seen]] = {}
    for one in seen:
        merged.setdefault((one.agent_id, ids[one.name]), []).append(one)
    with connection.cursor() as cursor:
        cursor.execute(
            OBSERVED,
            [
                kind,
                [source for source, _ in merged],
                [target for _, target in merged],
                [sum(one.calls for one in group) for group in merged.values()],
                [min(one.first_seen for one in group) for group in merged.values()],
                [max(one.last_seen for one in group) for group in merged.values()],
            ],
        )


def _require_to_curate(source: Node, actor: Principal) -> None:
    if source.kind == NodeKind.AGENT:
        agent = Agent.objects.visible_to(actor).on_record().filter(pk=source.id).first()
        if agent is None:
            raise InvalidInput("The dependency was not stated.", fields={"source": "There is no such agent"})
        require_for(actor, Permission.AGENTS_CURATE, agent)
    else:
        require(actor, Permission.AGENTS_CURATE)


def _problems(source: Node, target: Node, relation: str, actor: Principal) -> dict[str, str]:
    problems = {}
    if relation not in Dependency.Relation.values:
        problems["relation"] = f"Choose one of {', '.join(Dependency.Relation.values)}"
    if source.id == target.id:
        problems["target"] = "Nothing depends on itself"
    for name, node in (("source", source), ("target", target)):
        if node.kind not in NodeKind.values:
            problems[name] = f"Choose a kind of {', '.join(NodeKind.values)}"
        elif _named(node, actor) is None:
            problems[name] = f"There is no such {NodeKind(node.kind).label.lower()}"
    return problems


def _named(node: Node, actor: Principal) -> Any:
    """What stands at this end, of what the actor may know of; None where nothing does."""
    model: Any = Agent if node.kind == NodeKind.AGENT else ASSETS[node.kind]
    return model._default_manager.visible_to(actor).filter(pk=node.id).first()


def _told(edge: Dependency, target: Any) -> dict[str, str]:
    return {
        "target": f"{NodeKind(edge.target_kind).label.lower()} {target}",
        "target_id": str(edge.target_id),
        "relation": Dependency.Relation(edge.relation).label,
        "origin": edge.origin,
    }

"""What depends on what, walked outward from one thing: bounded in hops, in nodes and in time.

An edge says that its source needs its target. *Down* follows what a thing needs, *up* what needs it: a failure
travels up. Each hop is one query over an index, so a walk costs as many queries as it has hops, and ends early
at MOST_NODES: it then says that it was cut. What a path carries (the highest tier, the most sensitive class of
data) is the worst of what stands on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from apps.agents.models import (
    ASSETS,
    SENSITIVITY,
    Agent,
    DataClass,
    Dependency,
    NodeKind,
    Origin,
    ref_of,
)
from apps.agents.queries.lists import edges_visible_to
from apps.identity.models import Principal

UP, DOWN, BOTH = "up", "down", "both"
MOST_HOPS = 8
MOST_NODES = 5000
MOST_EDGES_A_HOP = 20_000
TIMEOUT_MS = 2000
CLASS_ORDER = {name: number for number, name in enumerate(DataClass.values)}
COLUMNS = ("source_kind", "source_id", "target_kind", "target_id", "relation", "origin", "calls", "last_seen")
TRAITS = ("pk", "name", "number", "tier", "state", "certified_until", "team_id", "data_sensitivity")
Key = tuple[str, UUID]
Row = tuple[Any, ...]  # of COLUMNS
NO_TEAM = UUID(int=0)


@dataclass(frozen=True)
class Node:
    """One thing of the graph. `hops` is its distance from the focus, negative for what is below it; `worst_tier` and
    `worst_class` are the gravest on the way there, itself included."""

    kind: str
    id: UUID
    name: str
    hops: int
    sub: str = ""
    tier: int | None = None
    state: str = ""
    certified_until: datetime | None = None
    data_class: str = ""
    team_id: UUID | None = None
    worst_tier: int | None = None
    worst_class: str = ""
    via: Key | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.id

    @property
    def focus(self) -> str:
        """How addresses name it: kind:id."""
        return f"{self.kind}:{self.id}"

    @property
    def kind_words(self) -> str:
        return str(NodeKind(self.kind).label)

    @property
    def distance(self) -> int:
        return abs(self.hops)


@dataclass(frozen=True)
class Edge:
    """`origins` tells how the edge came to be known; `last_seen` is of the traffic, None where none was seen."""

    source: Key
    target: Key
    relation: str
    origins: tuple[str, ...]
    calls: int = 0
    last_seen: datetime | None = None

    def was_seen_since(self, moment: datetime) -> bool:
        return self.last_seen is not None and self.last_seen >= moment


@dataclass(frozen=True)
class Graph:
    """Nodes by key and the edges between them. `is_cut`: there is more than was read."""

    nodes: Mapping[Key, Node]
    edges: Sequence[Edge]
    focus: Key | None = None
    is_cut: bool = False

    def of_kind(self, kind: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.kind == kind]


@dataclass
class _Walk:
    """What a walk has met so far: distance and predecessor of each node, edges by their ends and relation."""

    hops: dict[Key, int]
    via: dict[Key, Key | None]
    rows: list[Row] = field(default_factory=list)
    is_cut: bool = False


@transaction.atomic
def neighbourhood(
    focus: Key, *, actor: Principal, direction: str = BOTH, hops: int = 2, since_days: int | None = None
) -> Graph:
    """What is within `hops` of the focus, of what the actor may know of. `since_days`: only edges that were stated, or
    seen in traffic within so many days. A query a hop and direction, and one for each kind of thing met."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
    edges = edges_visible_to(actor)
    if since_days is not None:
        recent = timezone.now() - timedelta(days=since_days)
        edges = edges.exclude(origin=Origin.OBSERVED, last_seen__lt=recent)
    walk = _Walk({focus: 0}, {focus: None})
    for way in (UP, DOWN) if direction == BOTH else (direction,):
        _walk(walk, focus, way, min(hops, MOST_HOPS), edges)
    return _graph(walk, focus, actor)


def _walk(walk: _Walk, focus: Key, way: str, hops: int, edges: QuerySet[Dependency]) -> None:
    near = "target" if way == UP else "source"
    frontier = [focus]
    for hop in range(1, hops + 1):
        if not frontier or len(walk.hops) >= MOST_NODES:
            break
        # One array instead of a parameter for each of thousands of ids.
        here = edges.extra(where=[f"{near}_id = ANY(%s)"], params=[[pk for _, pk in frontier]])  # noqa: S610
        rows = list(here.values_list(*COLUMNS)[: MOST_EDGES_A_HOP + 1])
        walk.is_cut |= len(rows) > MOST_EDGES_A_HOP
        frontier = _met(walk, rows[:MOST_EDGES_A_HOP], near, hop if way == UP else -hop)
    walk.is_cut |= bool(frontier) and len(walk.hops) >= MOST_NODES


def _met(walk: _Walk, rows: Sequence[Row], near: str, hop: int) -> list[Key]:
    found = []
    for row in rows:
        source, target = row[0:2], row[2:4]
        here, there = (target, source) if near == "target" else (source, target)
        if there not in walk.hops:
            if len(walk.hops) >= MOST_NODES:
                walk.is_cut = True
                continue
            walk.hops[there], walk.via[there] = hop, here
            found.append(there)
        walk.rows.append(row)
    return found


def _graph(walk: _Walk, focus: Key, actor: Principal) -> Graph:
    told = _told(walk.hops, actor)
    nodes: dict[Key, Node] = {}
    for key in sorted(walk.hops, key=lambda one: abs(walk.hops[one])):  # predecessors come first
        if key in told:
            nodes[key] = _node(key, told[key], walk, nodes)
    return Graph(nodes, merged_edges(walk.rows, nodes), focus, walk.is_cut)


def _node(key: Key, values: dict[str, Any], walk: _Walk, known: Mapping[Key, Node]) -> Node:
    via = walk.via[key]
    before = known.get(via) if via else None
    tiers = [one for one in (values.get("tier"), before.worst_tier if before else None) if one]
    classes = [one for one in (values.get("data_class"), before.worst_class if before else "") if one]
    return Node(
        key[0], key[1], hops=walk.hops[key], via=via, worst_tier=max(tiers, default=None),
        worst_class=max(classes, key=CLASS_ORDER.__getitem__, default=""), **values,
    )  # fmt: skip


def merged_edges(rows: Iterable[Row], nodes: Mapping[Key, Node]) -> list[Edge]:
    """One edge for each pair and relation between known nodes, however many origins told of it."""
    grouped: dict[tuple[Key, Key, str], dict[str, Row]] = {}
    for row in rows:  # a pair met from both ends is told twice: once an origin is enough
        if row[0:2] in nodes and row[2:4] in nodes:
            grouped.setdefault((row[0:2], row[2:4], row[4]), {})[row[5]] = row
    return [_edge(source, target, relation, told) for (source, target, relation), told in grouped.items()]


def _edge(source: Key, target: Key, relation: str, told: Mapping[str, Row]) -> Edge:
    seen = told.get(Origin.OBSERVED.value)
    return Edge(
        source, target, relation, tuple(sorted(told)), seen[6] if seen else 0, seen[7] if seen else None
    )


def _told(keys: Iterable[Key], actor: Principal) -> dict[Key, dict[str, Any]]:
    """Name and traits of each thing the actor may know of; one query for each kind."""
    wanted: dict[str, list[UUID]] = {}
    for kind, pk in keys:
        wanted.setdefault(kind, []).append(pk)
    found: dict[Key, dict[str, Any]] = {}
    for kind, ids in wanted.items():
        if kind == NodeKind.AGENT:
            agents = Agent.objects.visible_to(actor).extra(where=["agents_agent.id = ANY(%s)"], params=[ids])
            found |= {(kind, row["pk"]): _agent(row) for row in agents.values(*TRAITS)}
        else:
            assets: Any = ASSETS[kind]
            found |= {
                (kind, row.pk): _asset(row) for row in assets.objects.visible_to(actor).filter(pk__in=ids)
            }
    return found


def _agent(row: dict[str, Any]) -> dict[str, Any]:
    level = row["data_sensitivity"]
    return {
        "name": row["name"], "sub": ref_of(row["number"]), "tier": row["tier"], "state": row["state"],
        "certified_until": row["certified_until"], "team_id": row["team_id"],
        "data_class": "" if level is None else _class_of_level(level),
    }  # fmt: skip


def _asset(asset: Any) -> dict[str, Any]:
    classes = [*getattr(asset, "data_classes", ()), *filter(None, [getattr(asset, "data_class", "")])]
    return {
        "name": str(asset), "team_id": asset.team_id, "tier": getattr(asset, "criticality", None),
        "data_class": max(classes, key=CLASS_ORDER.__getitem__, default=""),
    }  # fmt: skip


def _class_of_level(level: int) -> str:
    """The mildest class of data that amounts to this answer."""
    return next(name.value for name in DataClass if SENSITIVITY[name] >= level)


@dataclass(frozen=True)
class Impact:
    """What stopping or changing a thing reaches: agents by gravity, other things, certifications that rest on it."""

    agents: Sequence[Node]
    others: Sequence[Node]
    certified: Sequence[Node]
    in_production: int
    by_tier: Mapping[int, int]
    is_cut: bool


def impact_of(focus: Key, *, actor: Principal, since_days: int | None = None) -> tuple[Graph, Impact]:
    """Everything that needs the focus, over any number of hops up to MOST_HOPS."""
    graph = neighbourhood(focus, actor=actor, direction=UP, hops=MOST_HOPS, since_days=since_days)
    return graph, told_impact(graph)


def told_impact(graph: Graph) -> Impact:
    """The reach of a graph's focus upward, gravest first."""
    reached = [node for node in graph.nodes.values() if node.hops > 0]
    agents = sorted(
        (n for n in reached if n.kind == NodeKind.AGENT), key=lambda n: (-(n.tier or 0), n.hops, n.name)
    )
    itself = graph.nodes.get(graph.focus) if graph.focus else None
    now, tiers = timezone.now(), [node.tier for node in agents if node.tier]
    resting = [*agents, *([itself] if itself and itself.kind == NodeKind.AGENT else [])]
    return Impact(
        agents, [n for n in reached if n.kind != NodeKind.AGENT],
        [n for n in resting if n.certified_until and n.certified_until > now],
        sum(node.state == "production" for node in agents),
        {tier: tiers.count(tier) for tier in sorted(set(tiers), reverse=True)}, graph.is_cut,
    )  # fmt: skip


def overview(*, actor: Principal, most: int = 24, since_days: int | None = None) -> Graph:
    """The fleet at a glance: each team as one node, and the things that most agents need. Four queries.

    A team's node has the team's id under the kind *agent*; `sub` counts its agents that need something shown.
    """
    edges = edges_visible_to(actor).filter(source_kind=NodeKind.AGENT).exclude(target_kind=NodeKind.AGENT)
    if since_days is not None:
        recent = timezone.now() - timedelta(days=since_days)
        edges = edges.exclude(origin=Origin.OBSERVED, last_seen__lt=recent)
    hubs = edges.values("target_kind", "target_id").annotate(agents=Count("source_id", distinct=True))
    wanted = [(one["target_kind"], one["target_id"]) for one in hubs.order_by("-agents", "target_id")[:most]]
    rows = list(
        edges.filter(target_id__in=[pk for _, pk in wanted]).values_list(*COLUMNS)[: MOST_EDGES_A_HOP + 1]
    )
    teams = Agent.objects.filter(pk__in={row[1] for row in rows}).select_related("team")
    return _by_team(
        rows[:MOST_EDGES_A_HOP], {agent.pk: agent for agent in teams}, _told(wanted, actor), len(rows)
    )


def _by_team(
    rows: Sequence[Row], agents: Mapping[UUID, Agent], told: Mapping[Key, dict[str, Any]], total: int
) -> Graph:
    members: dict[Key, set[UUID]] = {}
    of_teams: list[Row] = []
    for row in rows:
        agent = agents.get(row[1])
        if agent is not None:
            team: Key = (NodeKind.AGENT.value, agent.team_id or NO_TEAM)
            members.setdefault(team, set()).add(agent.pk)
            of_teams.append((*team, *row[2:]))
    nodes = {key: Node(key[0], key[1], hops=-1, **values) for key, values in told.items()}
    for key, ids in members.items():
        some = [agents[pk] for pk in ids]
        tier = max((agent.tier or 0 for agent in some), default=0) or None
        name = some[0].team.name if some[0].team else "No team"
        sub = f"{len(ids):,} agent{'' if len(ids) == 1 else 's'}"
        nodes[key] = Node(key[0], key[1], name, 1, sub=sub, tier=tier, team_id=some[0].team_id)
    return Graph(nodes, merged_edges(of_teams, nodes), None, total > MOST_EDGES_A_HOP)

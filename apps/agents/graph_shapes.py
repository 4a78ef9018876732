"""Shapes in a graph: rings of things that need each other, and single points on which much hangs. Pure."""

from __future__ import annotations

import networkx as nx

from apps.agents.graph import Graph, Key, Node
from apps.agents.models import NodeKind

MANY = 3


def as_networkx(graph: Graph) -> nx.DiGraph:
    """The graph for networkx; nodes are keys, edges carry nothing."""
    made: nx.DiGraph = nx.DiGraph()
    made.add_nodes_from(graph.nodes)
    made.add_edges_from((edge.source, edge.target) for edge in graph.edges)
    return made


def rings(graph: Graph) -> list[list[Node]]:
    """Groups of things each of which needs every other of its group (strongly connected), the largest first."""
    found = [part for part in nx.strongly_connected_components(as_networkx(graph)) if len(part) > 1]
    return [
        sorted((graph.nodes[key] for key in part), key=lambda node: node.name)
        for part in sorted(found, key=len, reverse=True)
    ]


def single_points(graph: Graph) -> list[tuple[Node, int]]:
    """Things without which MANY agents or more lose something they need, with how many; the gravest first.

    Counted over the graph as it stands: an agent counts when a path of needs leads from it to the thing.
    """
    needs = as_networkx(graph)
    found = []
    for key, node in graph.nodes.items():
        if node.kind == NodeKind.AGENT and needs.in_degree(key) == 0:
            continue
        agents = (
            sum(kind == NodeKind.AGENT for kind, _ in nx.ancestors(needs, key)) if needs.in_degree(key) else 0
        )
        if agents >= MANY:
            found.append((node, agents))
    return sorted(found, key=lambda one: (-one[1], one[0].name))


def clustered(graph: Graph, most: int) -> tuple[Graph, dict[Key, list[Node]]]:
    """The graph with alike nodes folded into one until at most `most` are drawn, and what each fold holds.

    Alike: same kind, same team, same distance and the same things they need. Folded again without the last,
    where that does not suffice. The focus is never folded.
    """
    if len(graph.nodes) <= most:
        return graph, {}
    needs: dict[Key, frozenset[Key]] = {}
    for edge in graph.edges:
        needs[edge.source] = needs.get(edge.source, frozenset()) | {edge.target}
    for finely in (True, False):
        groups: dict[tuple[object, ...], list[Node]] = {}
        for key, node in graph.nodes.items():
            same = (key,) if key == graph.focus else (node.kind, node.team_id, node.hops)
            groups.setdefault((*same, needs.get(key) if finely else None), []).append(node)
        if len(groups) <= most:
            break
    else:
        groups = _by_kind(graph)
    return _folded(graph, list(groups.values()))


def _by_kind(graph: Graph) -> dict[tuple[object, ...], list[Node]]:
    groups: dict[tuple[object, ...], list[Node]] = {}
    for key, node in graph.nodes.items():
        groups.setdefault((key,) if key == graph.focus else (node.kind, node.hops), []).append(node)
    return groups


def _folded(graph: Graph, groups: list[list[Node]]) -> tuple[Graph, dict[Key, list[Node]]]:
    stands_for: dict[Key, Key] = {}
    nodes: dict[Key, Node] = {}
    folds: dict[Key, list[Node]] = {}
    for group in groups:
        first = min(group, key=lambda node: node.name)
        nodes[first.key] = first
        stands_for |= {node.key: first.key for node in group}
        if len(group) > 1:
            folds[first.key] = sorted(group, key=lambda node: (-(node.tier or 0), node.name))
    edges = {}
    for edge in graph.edges:
        source, target = stands_for[edge.source], stands_for[edge.target]
        if source != target:
            edges[(source, target)] = type(edge)(
                source, target, edge.relation, edge.origins, edge.calls, edge.last_seen
            )
    return Graph(nodes, list(edges.values()), graph.focus, graph.is_cut), folds

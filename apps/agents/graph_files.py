"""A dependency graph as a file: GraphML for graph tools, JSON for programs."""

from __future__ import annotations

import io
from typing import Any

import networkx as nx
import orjson

from apps.agents.graph import Edge, Graph, Node

FILES = {"graphml": "application/graphml+xml", "json": "application/json"}


def as_file(graph: Graph, kind: str) -> bytes:
    """The whole graph; `kind` is a key of FILES."""
    return _graphml(graph) if kind == "graphml" else orjson.dumps(as_json(graph), option=orjson.OPT_INDENT_2)


def as_json(graph: Graph) -> dict[str, Any]:
    """{focus, is_cut, nodes, edges}; a node is named kind:id throughout."""
    return {
        "focus": _name(graph.focus) if graph.focus else None,
        "is_cut": graph.is_cut,
        "nodes": [_told(node) for node in graph.nodes.values()],
        "edges": [_edge(edge) for edge in graph.edges],
    }


def _graphml(graph: Graph) -> bytes:
    made: nx.MultiDiGraph = nx.MultiDiGraph()
    for node in graph.nodes.values():
        made.add_node(
            _name(node.key), **{k: v for k, v in _told(node).items() if v is not None and k != "id"}
        )
    for edge in graph.edges:
        values = _edge(edge) | {"origins": ",".join(edge.origins)}
        source, target = values.pop("source"), values.pop("target")
        made.add_edge(source, target, **{k: v for k, v in values.items() if v is not None})
    file = io.BytesIO()
    nx.write_graphml(made, file)
    return file.getvalue()


def _name(key: tuple[str, Any]) -> str:
    return f"{key[0]}:{key[1]}"


def _told(node: Node) -> dict[str, Any]:
    return {
        "id": _name(node.key), "kind": str(node.kind), "name": node.name, "hops": node.hops, "tier": node.tier,
        "state": node.state or None, "data_class": node.data_class or None, "worst_tier": node.worst_tier,
        "worst_class": node.worst_class or None,
        "certified_until": node.certified_until.isoformat() if node.certified_until else None,
    }  # fmt: skip


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "source": _name(edge.source), "target": _name(edge.target), "relation": edge.relation, "calls": edge.calls,
        "origins": list(edge.origins), "last_seen": edge.last_seen.isoformat() if edge.last_seen else None,
    }  # fmt: skip

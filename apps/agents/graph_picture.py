"""A dependency graph as SVG: layers from what is served, on the left, to what everything rests on, on the right.

Every node is a link and carries its name as text; the page shows the same as a table. Positions stand in
attributes, colours in classes: the content security policy allows no inline style.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from fast_sugiyama import from_edges

from apps.agents.graph import Edge, Graph, Key, Node
from apps.agents.models import NodeKind

WIDTH, HEIGHT, COLUMN, ROW, MARGIN = 168, 42, 236, 56, 16
ICONS: Mapping[str, str] = {
    NodeKind.AGENT: "agent", NodeKind.TOOL: "tools", NodeKind.MODEL: "llm", NodeKind.PREDICTIVE_MODEL: "outcomes",
    NodeKind.DATA_SOURCE: "data", NodeKind.SYSTEM: "service",
}  # fmt: skip
LONGEST_NAME = 19


@dataclass(frozen=True)
class Placed:
    """Where a node's box begins, in pixels."""

    x: float
    y: float


def placed(graph: Graph) -> tuple[dict[Key, Placed], float, float]:
    """A place for every node, and the width and height of the whole. Layered by Sugiyama's method (fast-sugiyama)."""
    numbers = {key: number for number, key in enumerate(graph.nodes)}
    pairs = sorted({(numbers[e.source], numbers[e.target]) for e in graph.edges if e.source != e.target})
    spots: dict[int, tuple[float, float]] = {}
    if pairs:
        spots = from_edges(pairs, minimum_length=1, vertex_spacing=1.0, dummy_vertices=True).to_dict()
    keys = list(numbers)
    layers = sorted({-round(y, 3) for _, y in spots.values()})
    column = {layer: at for at, layer in enumerate(layers)}
    found = {
        keys[number]: (column[-round(y, 3)], x) for number, (x, y) in spots.items() if number < len(keys)
    }
    return _spread(keys, found)


def _spread(keys: list[Key], found: dict[Key, tuple[int, float]]) -> tuple[dict[Key, Placed], float, float]:
    """Keep each layer's order and close its gaps, so that boxes neither overlap nor stray."""
    layers: dict[int, list[Key]] = {}
    for key in keys:
        layers.setdefault(found.get(key, (0, 0.0))[0], []).append(key)
    tallest = max((len(layer) for layer in layers.values()), default=1)
    places = {}
    for at, layer in layers.items():
        layer.sort(key=lambda key: found.get(key, (0, 0.0))[1])
        top = MARGIN + (tallest - len(layer)) * ROW / 2
        for row, key in enumerate(layer):
            places[key] = Placed(MARGIN + at * COLUMN, top + row * ROW)
    wide = MARGIN * 2 + max(layers, default=0) * COLUMN + WIDTH
    return places, float(wide), float(MARGIN * 2 + tallest * ROW)


def graph_picture(
    graph: Graph,
    folds: Mapping[Key, list[Node]],
    *,
    href: Callable[[Node], str],
    recent: datetime,
    title: str,
    lit: frozenset[Key] | None = None,
) -> SafeString:
    """The SVG. `lit` are the nodes drawn in ink (all when None), the rest is faint; `recent` parts edges seen in
    traffic since then from those only stated."""
    places, width, height = placed(graph)
    shown = lit if lit is not None else frozenset(graph.nodes)
    inked = (
        shown if graph.focus else frozenset[Key]()
    )  # without a focus all would be ink, and none would speak
    edges = format_html_join("", "{}", ((_edge(edge, places, inked, recent),) for edge in graph.edges))
    nodes = format_html_join(
        "",
        "{}",
        (
            (_node(n, places[n.key], folds.get(n.key), graph.focus, shown, href(n)),)
            for n in graph.nodes.values()
        ),
    )
    return format_html(
        '<svg viewBox="0 0 {} {}" width="{}" height="{}" role="group" aria-label="{}" data-graph>{}{}</svg>',
        f"{width:.0f}", f"{height:.0f}", f"{width:.0f}", f"{height:.0f}", title, edges, nodes,
    )  # fmt: skip


def _edge(edge: Edge, places: Mapping[Key, Placed], lit: frozenset[Key], recent: datetime) -> SafeString:
    start, end = places[edge.source], places[edge.target]
    x1, y1, x2, y2 = start.x + WIDTH, start.y + HEIGHT / 2, end.x - 6, end.y + HEIGHT / 2
    if x2 < x1:  # against the layers: out and back on the same side
        x2 = end.x + WIDTH + 6
    bend = max(abs(x2 - x1) / 2, 24)
    curve = f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend if x2 > x1 else x2 + bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    hit = " is-hit" if edge.source in lit and edge.target in lit else ""
    stated = "" if edge.was_seen_since(recent) else " edge-data"
    tip = 6 if x2 > x1 or end.x > start.x else -6
    return format_html(
        '<path class="edge{}{}" d="{}"/><path class="{}" d="M{} {}l{} 3.5 {} 3.5z"/>',
        stated, hit, curve, "c-blocked" if hit else "edge-tip", f"{x2:.0f}", f"{y2 - 3.5:.0f}", tip, -tip,
    )  # fmt: skip


def _node(
    node: Node, at: Placed, fold: list[Node] | None, focus: Key | None, lit: frozenset[Key], href: str
) -> SafeString:
    name = f"{len(fold):,} {NodeKind(node.kind).label.lower()}s" if fold else node.name
    below = _below(node, fold)
    css = "is-focus" if node.key == focus else ("is-hit" if node.key in lit else "is-out")
    x, y = at.x, at.y
    return format_html(
        '<a class="node {}" href="{}" data-name="{}"><title>{}, {}</title><rect x="{}" y="{}" width="{}" height="{}" rx="2"/>'
        '<svg class="i" x="{}" y="{}" width="16" height="16" aria-hidden="true"><use href="{}#{}"/></svg>'
        '<text x="{}" y="{}" class="nm">{}</text><text x="{}" y="{}" class="sub">{}</text></a>',
        css, href, name, name, below, f"{x:.0f}", f"{y:.0f}", WIDTH, HEIGHT, f"{x + 7:.0f}", f"{y + 13:.0f}",
        static("icons.svg"), ICONS[node.kind], f"{x + 29:.0f}", f"{y + 18:.0f}", _cut(name), f"{x + 29:.0f}", f"{y + 33:.0f}", _cut(below, 21),
    )  # fmt: skip


def _below(node: Node, fold: list[Node] | None) -> str:
    if fold:
        highest = max((one.tier or 0 for one in fold), default=0)
        return f"up to tier {highest}" if highest else f"{node.name} and others"
    parts = [node.sub or NodeKind(node.kind).label]
    if node.kind == NodeKind.AGENT:
        parts.append(f"tier {node.tier}" if node.tier else "not assessed")
    elif node.data_class:
        parts.append(node.data_class)
    return ", ".join(parts)


def _cut(text: str, longest: int = LONGEST_NAME) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"

"""The map of what depends on what: the fleet at a glance, one thing in focus, what a failure or change reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.agents import graph as graphs
from apps.agents.graph import BOTH, DOWN, MOST_HOPS, UP, Graph, Key, Node
from apps.agents.graph_files import FILES, as_file
from apps.agents.graph_picture import graph_picture
from apps.agents.graph_shapes import clustered, rings, single_points
from apps.agents.models import ASSETS, Agent, DataClass, NodeKind
from apps.agents.risk import TIER_NAMES
from apps.identity.models import Team
from apps.identity.pages import PageRequest, page
from apps.identity.roles import Permission
from apps.kit.ui.query import query_with

DRAWN = 60
LISTED = 200
DIRECTIONS = ((UP, "What depends on it"), (DOWN, "What it depends on"), (BOTH, "Both"))
DAYS = (7, 30, 90)


@dataclass(frozen=True)
class Asked:
    """What the address asks for. `tier`, `data_class` and `team` say what is drawn in ink; the rest is faint."""

    focus: Key | None
    direction: str
    hops: int
    days: int
    tier: int | None
    data_class: str
    team: str


@require_safe
@page(Permission.AGENTS_VIEW)
def graph(request: PageRequest) -> HttpResponse:
    """The graph of `?focus=kind:id` within `?hops=`, or the whole fleet by team without a focus."""
    asked = _asked(request)
    found = _graph_of(request, asked)
    drawn, folds = clustered(found, DRAWN)
    focus = found.nodes.get(found.focus) if found.focus else None
    recent = timezone.now() - timedelta(days=asked.days)
    lit = frozenset(key for key, node in drawn.nodes.items() if _is_lit(node, asked))
    title = (
        f"What depends on what around {focus.name}" if focus else "Teams and what most of their agents need"
    )
    context = {
        "asked": asked,
        "focus": focus,
        "graph": found,
        "picture": graph_picture(
            drawn, folds, href=_href(request, asked), recent=recent, title=title, lit=lit
        ),
        "folds": [(drawn.nodes[key], nodes) for key, nodes in folds.items()],
        "rows": _rows(found, asked),
        "impact": graphs.told_impact(found) if focus and asked.direction != DOWN else None,
        "rings": rings(found)[:10] if focus else [],
        "points": single_points(found)[:10],
        "directions": DIRECTIONS,
        "hops": range(1, 6),
        "most_hops": MOST_HOPS,
        "days": DAYS,
        "tiers": sorted(TIER_NAMES.items(), reverse=True),
        "classes": DataClass.choices,
        "teams": Team.objects.all() if not focus else (),
        "list_url": reverse("agents:list"),
    }
    return render(request, "agents/graph.html", context)


@require_safe
@page(Permission.AGENTS_VIEW)
def graph_export(request: PageRequest, kind: str) -> HttpResponse:
    """The same graph, every node and edge of it, as GraphML or JSON."""
    if kind not in FILES:
        raise Http404
    found = _graph_of(request, _asked(request))
    response = HttpResponse(as_file(found, kind), content_type=FILES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="dependencies.{kind}"'
    return response


@require_safe
@page(Permission.AGENTS_VIEW)
def graph_search(request: PageRequest) -> HttpResponse:
    """Things to focus on whose name holds `?q=`, at most eight of a kind."""
    text = request.GET.get("find", "").strip()[:100]
    return render(request, "agents/_graph_found.html", {"found": _found(request, text), "text": text})


def _found(request: PageRequest, text: str) -> list[tuple[str, str, str]]:
    """(kind, name, focus) of what fits; one query for each kind."""
    if not text:
        return []
    agents = Agent.objects.visible_to(request.actor).on_record().filter(name__icontains=text)[:8]
    found = [(NodeKind.AGENT.label, one.name, f"agent:{one.pk}") for one in agents]
    for kind, model in ASSETS.items():
        names = {field.name for field in model._meta.fields} & {"name", "model", "server"}
        condition = Q()
        for name in names:
            condition |= Q(**{f"{name}__icontains": text})
        rows = model.objects.visible_to(request.actor).filter(condition)[:8]
        found += [(str(NodeKind(kind).label), str(one), f"{kind}:{one.pk}") for one in rows]
    return found


def _graph_of(request: PageRequest, asked: Asked) -> Graph:
    if asked.focus is None:
        return graphs.overview(actor=request.actor, since_days=asked.days)
    found = graphs.neighbourhood(
        asked.focus, actor=request.actor, direction=asked.direction, hops=asked.hops, since_days=asked.days
    )
    if asked.focus not in found.nodes:
        raise Http404
    return found


def _asked(request: PageRequest) -> Asked:
    kind, _, pk = request.GET.get("focus", "").partition(":")
    focus: Key | None = None
    if kind:
        try:
            focus = (NodeKind(kind).value, UUID(pk))
        except ValueError as error:
            raise Http404 from error
    direction = request.GET.get("direction", BOTH)
    return Asked(
        focus,
        direction if direction in (UP, DOWN, BOTH) else BOTH,
        _number(request, "hops", 2, MOST_HOPS),
        _number(request, "days", 90, 3650),
        _number(request, "tier", 0, 4) or None,
        request.GET.get("class", "") if request.GET.get("class", "") in DataClass.values else "",
        request.GET.get("team", ""),
    )


def _number(request: PageRequest, name: str, default: int, most: int) -> int:
    text = request.GET.get(name, "")
    return min(max(int(text), 1), most) if text.isdecimal() and len(text) < 6 else default


def _is_lit(node: Node, asked: Asked) -> bool:
    if asked.tier and (node.worst_tier or node.tier or 0) < asked.tier:
        return False
    order = graphs.CLASS_ORDER
    if asked.data_class and order.get(node.worst_class or node.data_class, -1) < order[asked.data_class]:
        return False
    return not asked.team or str(node.team_id) == asked.team


def _href(request: PageRequest, asked: Asked) -> Callable[[Node], str]:
    def to(node: Node) -> str:
        if asked.focus is None and node.kind == NodeKind.AGENT:
            return f"{reverse('agents:list')}?team={node.team_id}" if node.team_id else reverse("agents:list")
        return query_with(request.GET, {"focus": f"{node.kind}:{node.id}"})

    return to


def _rows(found: Graph, asked: Asked) -> list[tuple[Node, str]]:
    """The nodes as a table: (node, the name of what leads to it), nearest first."""
    ordered = sorted(found.nodes.values(), key=lambda node: (abs(node.hops), -(node.tier or 0), node.name))
    kept = [node for node in ordered if node.key != found.focus and _is_lit(node, asked)]
    return [
        (node, found.nodes[node.via].name if node.via and node.via in found.nodes else "")
        for node in kept[:LISTED]
    ]

"""The dependency graph: bounded walks, what a failure reaches, rings, folding, the picture and its files."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.agents import graph as graphs
from apps.agents.graph import BOTH, DOWN, UP, Graph, Key, Node
from apps.agents.graph_picture import HEIGHT, placed
from apps.agents.graph_shapes import clustered, rings, single_points
from apps.agents.models import Agent, DataSource, Dependency, System, Tool
from apps.identity.models import Principal, Team
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> Principal:
    return factories.make_person(Role.VIEWER)


def page_of(actor: Principal) -> Client:
    client = Client()
    client.force_login(actor.person, backend="apps.identity.auth.PersonBackend")
    return client


def key(thing: Any) -> Key:
    kind = {Agent: "agent", Tool: "tool", System: "system", DataSource: "data_source"}[type(thing)]
    return kind, thing.pk


def needs(source: Any, target: Any, **values: Any) -> Dependency:
    ends = {
        "source_kind": key(source)[0],
        "source_id": source.pk,
        "target_kind": key(target)[0],
        "target_id": target.pk,
    }
    return Dependency.objects.create(**{"relation": "calls", "origin": "declared"} | ends | values)


class World:
    """desk (tier 2) > clerk (tier 4) > refund (financial) > core; helper > search."""

    def __init__(self, team: Team | None = None) -> None:
        self.desk = factories.make_agent("production", tier=2, team=team, name="desk")
        self.clerk = factories.make_agent("production", tier=4, team=team, name="clerk")
        self.helper = factories.make_agent("registered", tier=1, name="helper")
        self.refund = Tool.objects.create(name="refund", data_classes=["financial"])
        self.search = Tool.objects.create(name="search")
        self.core = System.objects.create(name="core", criticality=4)
        needs(self.desk, self.clerk, relation="delegates_to")
        needs(self.clerk, self.refund)
        needs(self.refund, self.core)
        needs(self.helper, self.search)


def names(graph: Graph) -> set[str]:
    return {node.name for node in graph.nodes.values()}


def test_a_failure_travels_to_whoever_needs_the_thing_over_every_hop(viewer: Principal) -> None:
    world = World()
    factories.certify(world.clerk)
    graph, impact = graphs.impact_of(key(world.core), actor=viewer)
    assert names(graph) == {"core", "refund", "clerk", "desk"}
    assert [(node.name, node.hops) for node in impact.agents] == [("clerk", 2), ("desk", 3)]
    assert (impact.in_production, impact.by_tier) == (2, {4: 1, 2: 1})
    assert [node.name for node in impact.certified] == ["clerk"]


def test_a_path_carries_the_worst_that_stands_on_it(viewer: Principal) -> None:
    world = World()
    graph = graphs.neighbourhood(key(world.core), actor=viewer, direction=UP, hops=5)
    desk = graph.nodes[key(world.desk)]
    assert (desk.tier, desk.worst_tier) == (2, 4)
    assert graph.nodes[key(world.refund)].worst_class == "financial"
    assert graph.nodes[desk.via].name == "clerk"


@pytest.mark.parametrize(
    ("direction", "hops", "expected"),
    [(DOWN, 1, {"clerk", "refund"}), (UP, 5, {"clerk", "desk"}), (BOTH, 1, {"clerk", "desk", "refund"})],
)
def test_a_walk_goes_as_far_and_the_way_it_is_asked(
    direction: str, hops: int, expected: set[str], viewer: Principal
) -> None:
    world = World()
    assert (
        names(graphs.neighbourhood(key(world.clerk), actor=viewer, direction=direction, hops=hops))
        == expected
    )


def test_rings_end_and_are_found(viewer: Principal) -> None:
    world = World()
    needs(world.clerk, world.desk, relation="delegates_to")
    graph = graphs.neighbourhood(key(world.desk), actor=viewer, direction=DOWN, hops=8)
    assert [[node.name for node in ring] for ring in rings(graph)] == [["clerk", "desk"]]


def test_what_was_not_seen_lately_is_left_out_and_what_was_stated_stays(viewer: Principal) -> None:
    world = World()
    old = timezone.now() - timedelta(days=40)
    needs(world.desk, world.search, origin="observed", calls=3, last_seen=old)
    recent = graphs.neighbourhood(key(world.desk), actor=viewer, hops=1, since_days=30)
    assert names(recent) == {"desk", "clerk"}
    both = graphs.neighbourhood(key(world.desk), actor=viewer, hops=1, since_days=90)
    edge = next(one for one in both.edges if one.target == key(world.search))
    assert (edge.origins, edge.calls, edge.was_seen_since(old)) == (("observed",), 3, True)


def test_the_same_edge_told_by_two_sources_is_one(viewer: Principal) -> None:
    world = World()
    needs(world.clerk, world.refund, origin="observed", calls=7)
    graph = graphs.neighbourhood(key(world.clerk), actor=viewer, direction=DOWN, hops=1)
    (edge,) = graph.edges
    assert (edge.origins, edge.calls) == (("declared", "observed"), 7)


def test_agents_of_other_teams_are_not_shown_and_not_walked_through() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    world = World(theirs)
    mine = factories.make_agent("registered", tier=1, team=ours, name="mine")
    needs(mine, world.refund)
    System.objects.filter(pk=world.core.pk).update(team=ours)  # a stranger's system would not be shown either
    actor = factories.make_person(Role.VIEWER, ours)
    assert names(graphs.neighbourhood(key(world.core), actor=actor, direction=UP, hops=8)) == {
        "core",
        "refund",
        "mine",
    }
    page = page_of(actor)
    assert page.get(reverse("agents:graph"), {"focus": f"agent:{world.clerk.pk}"}).status_code == 404
    assert b"clerk" not in page.get(reverse("agents:graph-search"), {"find": "cl"}).content


def test_a_walk_stops_at_its_bounds_and_says_so(viewer: Principal, settings: Any) -> None:
    tool = Tool.objects.create(name="hub")
    for number in range(30):
        needs(factories.make_agent("registered", tier=1, name=f"a{number}"), tool)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        graph = graphs.neighbourhood(key(tool), actor=viewer, direction=UP, hops=8)
    assert len(graph.nodes) == 31
    assert not graph.is_cut
    assert len(queries) <= 10, "a query a hop and a kind, however many agents"


def grid(count: int, team: UUID | None = None) -> Graph:
    nodes: dict[Key, Node] = {}
    tool = Node("tool", UUID(int=1), "hub", 0)
    nodes[tool.key] = tool
    for number in range(count):
        node = Node("agent", UUID(int=100 + number), f"a{number}", 1, team_id=team, tier=1 + number % 4)
        nodes[node.key] = node
    edges = [graphs.Edge(one, tool.key, "calls", ("observed",)) for one in nodes if one != tool.key]
    return Graph(nodes, edges, tool.key)


def test_alike_things_are_folded_into_one_and_nothing_is_lost() -> None:
    drawn, folds = clustered(grid(5000), 90)
    assert len(drawn.nodes) == 2
    (fold,) = folds.values()
    assert len(fold) == 5000
    assert fold[0].tier == 4
    small, none = clustered(grid(20), 90)
    assert (len(small.nodes), none) == (21, {})


def test_boxes_do_not_overlap() -> None:
    places, width, height = placed(grid(40))
    spots = sorted((spot.x, spot.y) for spot in places.values())
    assert len(set(spots)) == 41
    assert all(b[1] - a[1] >= HEIGHT for a, b in itertools.pairwise(spots) if a[0] == b[0])
    assert all(0 <= spot.x < width and 0 <= spot.y < height for spot in places.values())


def test_single_points_are_those_much_hangs_on() -> None:
    assert [(node.name, count) for node, count in single_points(grid(5))] == [("hub", 5)]
    assert single_points(grid(2)) == []


class TestPage:
    def test_the_picture_and_the_table_tell_the_same(self, viewer: Principal) -> None:
        world = World()
        page = page_of(viewer)
        answer = page.get(
            reverse("agents:graph"), {"focus": f"system:{world.core.pk}", "direction": "up", "hops": "8"}
        )
        text = answer.content.decode()
        assert "If core stops" in text
        picture = text[text.index("data-graph>") : text.index("data-graph-tools")]
        table = text[text.index('id="table"') :]
        for name in ("refund", "clerk", "desk"):
            assert re.search(rf'class="node [^"]*" href="[^"]+" data-name="{name}"', picture)
            assert f">{name}</a>" in table

    def test_the_fleet_is_shown_by_team(self, viewer: Principal) -> None:
        World(factories.make_team("Payments"))
        text = page_of(viewer).get(reverse("agents:graph")).content.decode()
        assert "Payments" in text
        assert "refund" in text

    def test_names_are_escaped(self, viewer: Principal) -> None:
        agent = factories.make_agent("registered", tier=1, name='<script>"x"')
        needs(agent, Tool.objects.create(name="</svg><b>"))
        text = page_of(viewer).get(reverse("agents:graph"), {"focus": f"agent:{agent.pk}"}).content.decode()
        assert "<b>" not in text[text.index("data-graph>") : text.index("data-graph-tools")]
        assert '<script>"x"' not in text

    @pytest.mark.parametrize(
        "asked",
        [{"focus": "agent:x"}, {"focus": "moon:00000000-0000-0000-0000-000000000001"},
         {"focus": "agent:00000000-0000-0000-0000-000000000001"}],
    )  # fmt: skip
    def test_a_focus_that_is_none_is_not_found(self, asked: dict[str, str], viewer: Principal) -> None:
        assert page_of(viewer).get(reverse("agents:graph"), asked).status_code == 404

    def test_odd_numbers_are_kept_in_bounds(self, viewer: Principal) -> None:
        world = World()
        odd = {
            "focus": f"agent:{world.desk.pk}",
            "hops": "999999999999",
            "days": "-1",
            "tier": "9",
            "class": "x",
        }
        assert page_of(viewer).get(reverse("agents:graph"), odd).status_code == 200

    def test_it_is_exported(self, viewer: Principal) -> None:
        world = World()
        page = page_of(viewer)
        asked = {"focus": f"system:{world.core.pk}", "direction": "up", "hops": "8"}
        data = orjson.loads(page.get(reverse("agents:graph-export", args=["json"]), asked).content)
        assert {node["name"] for node in data["nodes"]} == {"core", "refund", "clerk", "desk"}
        xml = ElementTree.fromstring(
            page.get(reverse("agents:graph-export", args=["graphml"]), asked).content
        )
        assert len(xml.findall(".//{http://graphml.graphdrawing.org/xmlns}edge")) == 3
        assert page.get(reverse("agents:graph-export", args=["pdf"]), asked).status_code == 404


class TestRest:
    def test_the_reach_of_a_failure_is_told(self, viewer: Principal) -> None:
        world = World()
        api = factories.client_of(viewer, "read")
        told = api.get("/api/v1/graph/impact", {"focus": f"system:{world.core.pk}"}).json()
        assert told["agents"] == [str(world.clerk.pk), str(world.desk.pk)]
        assert told["by_tier"] == {"4": 1, "2": 1}
        around = api.get("/api/v1/graph", {"focus": f"agent:{world.desk.pk}", "hops": 1}).json()
        assert [edge["relation"] for edge in around["edges"]] == ["delegates_to"]

    @pytest.mark.parametrize(
        ("asked", "status", "field"),
        [({"focus": "x"}, 400, "focus"), ({}, 400, "focus"), ({"focus": f"agent:{UUID(int=5)}"}, 404, None),
         ({"focus": f"agent:{UUID(int=5)}", "hops": "99"}, 400, "hops")],
    )  # fmt: skip
    def test_a_wrong_question_is_told(
        self, asked: dict[str, str], status: int, field: str, viewer: Principal
    ) -> None:
        answer = factories.client_of(viewer, "read").get("/api/v1/graph", asked)
        assert answer.status_code == status
        if field:
            assert field in answer.json()["fields"]

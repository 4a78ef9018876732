"""Walking the dependency graph: what a thing needs, what needs it, with 100,000 agents and 500,000 edges.

    python bench/graph.py            100,000 agents, 500,000 edges, 200 walks of each kind
    python bench/graph.py --quick    5,000 agents, 25,000 edges, 60 walks

Each walk is `apps.agents.graph.neighbourhood`, the product's own door, with names and traits of everything met.
Keys: `p50_ms`, `p95_ms` (an agent with all around it within two hops), `impact_p95_ms` (all that needs a tool, every
hop, up to 5,000 things), `page_p95_ms` (the page of an agent, drawn), `team_p95_ms` (somebody who sees one team of
forty), `agents`, `edges`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django

import tests.services  # starts servers and sets the environment before Django loads

django.setup()

from django.test import Client
from django.urls import reverse

from apps.agents import graph as graphs
from apps.agents.models import Agent, Dependency, Tool
from apps.identity.models import Team
from apps.identity.roles import Role
from bench import fleet
from bench.rig import arguments, percentile, result, say
from tests import factories


def timed(things: list[Any], act: Callable[[Any], object]) -> list[float]:
    """Milliseconds of each call; the first ten warm up and do not count."""
    taken = []
    for thing in things:
        begun = time.perf_counter()
        act(thing)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken[10:]


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    agents, edges, walks = (5000, 25_000, 60) if given.quick else (100_000, 500_000, 200)
    fleet.load_agents(fleet.sketches(agents))
    fleet.load_edges(edges)
    admin = factories.make_person(Role.ADMINISTRATOR)
    member = factories.make_person(Role.VIEWER, Team.objects.order_by("pk").first())
    some = list(Agent.objects.order_by("?").values_list("pk", flat=True)[:walks])
    own = list(Agent.objects.visible_to(member).order_by("?").values_list("pk", flat=True)[:walks])
    tools = list(Tool.objects.order_by("?").values_list("pk", flat=True)[:walks])
    client = Client()
    client.force_login(admin.person, backend="apps.identity.auth.PersonBackend")
    say("walking")
    near = timed(some, lambda pk: graphs.neighbourhood(("agent", pk), actor=admin, hops=2, since_days=90))
    impact = timed(tools, lambda pk: graphs.impact_of(("tool", pk), actor=admin))
    team = timed(own, lambda pk: graphs.neighbourhood(("agent", pk), actor=member, hops=2))
    url = reverse("agents:graph")
    pages = timed(some[:60], lambda pk: client.get(url, {"focus": f"agent:{pk}"}))
    result(
        p50_ms=round(percentile(near, 0.5), 1), p95_ms=round(percentile(near, 0.95), 1),
        impact_p95_ms=round(percentile(impact, 0.95), 1), page_p95_ms=round(percentile(pages, 0.95), 1),
        team_p95_ms=round(percentile(team, 0.95), 1), agents=agents, edges=Dependency.objects.count(),
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    assert tests.services
    sys.exit(main())

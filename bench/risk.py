"""Risk over a large fleet: reading facts, previewing a policy, recalculating every tier.

    python bench/risk.py            20,000 agents, 100,000 edges
    python bench/risk.py --quick    2,000 agents, 10,000 edges

Keys: `record_p95_ms` (one agent's risk with all its facts, as its page shows it), `facts_per_s` (agents whose facts are read
again), `preview_s` (a policy over the whole fleet, by answers), `preview_facts_s` (the same with facts that raise),
`recalculated_per_s` (agents brought under a new policy, `moved` of them to another tier), `agents`, `edges`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django

import tests.services  # starts servers and sets the environment before Django loads

django.setup()

from apps.agents.models import Agent, Dependency
from apps.agents.queries.risk import risk_record
from apps.agents.queries.risk_preview import preview_of
from apps.agents.risk import Raise, Rules
from apps.agents.services.risk import read_fleet
from apps.agents.services.risk_policies import apply_policy, draft_policy, recalculate
from apps.identity.roles import Role
from bench import fleet
from bench.rig import arguments, percentile, result, say
from tests import factories

RULES = Rules(raises=(Raise(2, 3, 4),))


def seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    agents, edges = (2000, 10_000) if given.quick else (20_000, 100_000)
    fleet.load_agents(fleet.sketches(agents))
    fleet.load_edges(edges)
    officer = factories.make_person(Role.ADMINISTRATOR)
    say("reading facts")
    reading = seconds(read_fleet)
    some = Agent.objects.with_people().order_by("?")[:60]
    records = [seconds(lambda agent=agent: risk_record(agent, actor=officer)) for agent in some]
    say("previewing")
    preview = seconds(lambda: preview_of(RULES))
    with_facts = seconds(lambda: preview_of(Rules(facts_raise=True)))
    say("recalculating")
    policy = apply_policy(
        draft_policy("Bench", RULES.as_json(), actor=officer), actor=officer, reason="Bench"
    )
    recalculating = seconds(lambda: recalculate(policy.pk))
    policy.refresh_from_db()
    result(
        record_p95_ms=round(percentile(records[10:], 0.95) * 1000, 1), facts_per_s=round(agents / reading),
        preview_s=round(preview, 2), preview_facts_s=round(with_facts, 2), recalculated_per_s=round(agents / recalculating),
        moved=policy.moved, agents=agents, edges=Dependency.objects.count(),
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    assert tests.services
    sys.exit(main())

"""A decision chain of 2,000 steps: building it, drawing its page, opening its steps, comparing it with another.

    python bench/chains.py            2,000 steps, 12 times
    python bench/chains.py --quick    2,000 steps, 3 times

The calls stand in PostgreSQL; pages are asked through the product's own views. Keys (milliseconds): `read_p50_ms`, `read_p95_ms`
(query, steps and the graph with its data flow), `rank_p50_ms` (where it went wrong), `first_page_p50_ms`, `first_page_p95_ms`
(the whole page when nothing is kept), `page_p50_ms`, `page_p95_ms` (again within the minute a run is kept), `step_p50_ms`,
`step_p95_ms` (one step opened), `compare_p50_ms`, `compare_p95_ms` (with a run of as many steps, both kept), `list_p95_ms` (the
list of runs); `page_bytes`, `steps`, `flows`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django

import tests.services  # starts servers and sets the environment before Django loads

django.setup()

from django.test import Client
from django.utils import timezone

from apps.activity.chains import keeping
from apps.activity.chains.blame import rank
from apps.activity.chains.reading import read_run
from apps.activity.chains.steps import Link
from apps.activity.models import ToolCall
from apps.identity.roles import Role
from bench.rig import arguments, percentile, result, say
from tests import factories

STEPS = 2_000
RUNS = ("bench-run-number-one-of-two", "bench-run-number-two-of-two")
TOOLS = ("read_stock", "update_price", "check_order", "list_items")


def load(run: str, shift: int) -> None:
    """A run of four agents whose every step uses something of a step a little before it."""
    agents = [factories.make_agent(name=f"bench_{run[-10:]}_{at}") for at in range(4)] if shift == 0 else list(
        ToolCall.objects.filter(conversation_id=RUNS[0]).order_by().values_list("agent", flat=True).distinct()
    )  # fmt: skip
    source, begin = factories.make_source(), timezone.now() - timedelta(hours=1)
    calls = []
    for at in range(STEPS):
        agent = agents[at // 25 % len(agents)]
        failed = at % 400 == 399
        calls.append(
            ToolCall(
                position=at, agent_id=getattr(agent, "pk", agent), source_id=source.pk, trace_id=b"t" * 16,
                span_id=at.to_bytes(8), started_at=begin + timedelta(seconds=at), duration_ms=300.0,
                ended_at=begin + timedelta(seconds=at + 0.3), conversation_id=run, service_name="bench",
                tool_name=TOOLS[(at + (shift if at > 1500 else 0)) % 4], arguments=_given(at), result=_result(at),
                status="error" if failed else "ok", outcome="flagged" if failed else "allowed",
            )
        )  # fmt: skip
    ToolCall.objects.bulk_create(calls, batch_size=500)


def _given(at: int) -> dict[str, object]:
    return {
        "ref": f"REF-{100_000 + max(0, at - 1 - at % 7)}",
        "amount": f"{17_000 + at % 999:,}.50",
        "note": "check the amount",
    }


def _result(at: int) -> dict[str, object]:
    items = [{"sku": f"S-{at}-{item}", "price": item * 1.5 + at} for item in range(6)]
    return {"ref": f"REF-{100_000 + at}", "items": items, "note": f"{at} things were counted"}


def timed(what: str, times: int, act: Callable[[], object]) -> list[float]:
    say(what)
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def shares(name: str, taken: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50_ms": round(percentile(taken, 0.5), 1),
        f"{name}_p95_ms": round(percentile(taken, 0.95), 1),
    }


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    times = 3 if given.quick else 12
    officer = factories.make_person(Role.OPERATOR)
    for shift, run in enumerate(RUNS):
        load(run, shift)
    client = Client()
    client.force_login(officer.person, backend="apps.identity.auth.PersonBackend")
    address = f"/chains/{RUNS[0]}/"

    def ask(path: str, **headers: str) -> bytes:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer.status_code
        return answer.content

    def first_page() -> None:
        keeping._kept.clear()
        ask(address)

    reading = timed("reading and building", times, lambda: read_run(RUNS[0], actor=officer))
    run = read_run(RUNS[0], actor=officer)
    ranking = timed("ranking", times, lambda: rank(run.chain, run.request))
    first = timed("the page, nothing kept", times, first_page)
    again = timed("the page again", times, lambda: ask(address))
    numbers = iter(range(2, STEPS))
    opened = timed(
        "steps", times * 5, lambda: ask(f"{address}steps/{next(numbers)}/", **{"HX-Request": "true"})
    )
    ask(f"{address}compare/?with={RUNS[1]}")
    compared = timed("comparing", times, lambda: ask(f"{address}compare/?with={RUNS[1]}"))
    listed = timed("the list", times, lambda: ask("/chains/"))
    result(
        **shares("read", reading), **shares("rank", ranking), **shares("first_page", first), **shares("page", again),
        **shares("step", opened), **shares("compare", compared), list_p95_ms=round(percentile(listed, 0.95), 1),
        page_bytes=len(ask(address)), steps=len(run.steps), flows=sum(edge.kind == Link.FLOW for edge in run.chain.edges),
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    assert tests.services
    sys.exit(main())

"""Seconds from the violation that is too much to the block, at each enforcement point.

    python bench/breaker.py                         30 agents, one after the other, 20 points that wait beside them
    python bench/breaker.py --quick                 4 agents
    python bench/breaker.py --agents 100 --waiting 200

Each agent reports violations by OTLP until one is over its limit; from the moment that report is sent the clock runs. It stops
at the decision API with the first denial of a question that is asked every 20 ms, at the credentials with the first refusal
of what the agent's own key opened before, at the client library with the order that a waiting long poll hears. `by_hand`
is the same from the POST that trips, to the order. Keys: block_p50_s and block_p99_s by point, agents, waiting, contained_p99_s
(until every point had confirmed, as the page of the stop says).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from bench.rig import Stack, arguments, manage, percentile, result, running, say

LIMIT = 5
ASKS_EVERY_S = 0.02
WITHIN_S = 15.0
MAKE = """
import sys
from apps.agents import risk
from apps.agents.services.registry import new_agent
from apps.identity.models import Person, Team
from apps.identity.roles import Scope
from apps.identity.services.keys import KeyRequest, mint_key, mint_source_key
from apps.oversight.services.policies import set_tool_policy
actor = Person.objects.get(email='bench@example.org').principal
team = Team.objects.create(name='Bench')
print('source', mint_source_key(KeyRequest('Reports', [Scope.INGEST, Scope.DECIDE]), team=team, actor=actor).token)
for number in range({agents}):
    agent = new_agent(f'bench {{number}}', team=team, state='production', tier=1, **dict.fromkeys(risk.FIELDS, 1))
    set_tool_policy(agent, ['allowed'], actor=actor)
    key = mint_key(agent.principal, KeyRequest('own', [Scope.READ, Scope.DECIDE]), actor=actor)
    print('agent', agent.pk, key.token)
"""
Times = dict[str, list[float]]


def make_agents(stack: Stack, agents: int) -> tuple[str, list[tuple[str, str]]]:
    """The key that reports for all, and each agent with its own key."""
    lines = [
        line.split()
        for line in manage(stack.folder, "shell", "-v", "0", "-c", MAKE.format(agents=agents)).splitlines()
    ]
    source = next(line[1] for line in lines if line[0] == "source")
    return source, [(line[1], line[2]) for line in lines if line[0] == "agent"]


def violations(agent: str, calls: int) -> bytes:
    """Calls of a tool that the agent may not call."""
    told = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "forbidden", "gen_ai.agent.name": "bench",
        "chancery.agent.id": agent,
    }  # fmt: skip
    attributes = [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in told.items()]
    now = time.time_ns()
    spans = [
        Span(
            trace_id=os.urandom(16), span_id=os.urandom(8), name="execute_tool forbidden", start_time_unix_nano=now,
            end_time_unix_nano=now + 1_000_000, attributes=attributes,
        )
        for _ in range(calls)
    ]  # fmt: skip
    group = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


async def measure(stack: Stack, agents: int, waiting: int) -> tuple[Times, list[float]]:
    """Times by point, and until all had confirmed."""
    source, made = make_agents(stack, agents + 1)
    times: Times = defaultdict(list)
    contained: list[float] = []
    limits = httpx.Limits(max_connections=waiting + 50)
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, limits=limits) as http:
        crowd = [asyncio.create_task(_wait_on(http, source)) for _ in range(waiting)]
        await _one(http, stack, source, *made.pop(), by_hand=False)  # the first of a process is not counted
        for number, (agent, key) in enumerate(made):
            by_hand = number % 3 == 2
            found = await _one(http, stack, source, agent, key, by_hand)
            for point, seconds in found.items():
                (contained if point == "contained" else times[point]).append(seconds)
            say(f"{number + 1} of {agents}: " + ", ".join(f"{k} {v * 1000:.0f} ms" for k, v in found.items()))
        for task in crowd:
            task.cancel()
    return times, contained


async def _one(
    http: httpx.AsyncClient, stack: Stack, source: str, agent: str, key: str, by_hand: bool
) -> dict[str, float]:
    beat = {"point": "bench", "kind": "sdk"}
    began = await http.post("/api/v1/enforcement/heartbeats", json=beat, headers=_bearer(key))
    if not by_hand:
        await _report(http, source, agent, LIMIT - 1)
    listening = asyncio.create_task(_listen(http, key, began.json()["next"]))
    question = {"tool": "allowed", "agent": agent}
    asking = asyncio.create_task(
        _until(lambda: http.post("/api/v1/decisions", json=question, headers=_bearer(source)), _is_denied)
    )
    opening = asyncio.create_task(
        _until(
            lambda: http.get(f"/api/v1/agents/{agent}", headers=_bearer(key)), lambda a: a.status_code == 403
        )
    )
    await asyncio.sleep(0.3)  # all of them wait
    start = time.monotonic()
    if by_hand:
        trip = {"reason": "A measurement"}
        await http.post(f"/api/v1/agents/{agent}/breaker/trip", json=trip, headers=_bearer(stack.api_key))
    else:
        await _report(http, source, agent, 1)
    heard, denied, closed = await asyncio.gather(listening, asking, opening)
    names = ("by_hand",) if by_hand else ("sdk", "decision_api", "credentials")
    found = dict(zip(names, (heard - start, denied - start, closed - start), strict=False))
    return found | {"contained": await _contained(http, stack, agent)}


async def _report(http: httpx.AsyncClient, source: str, agent: str, calls: int) -> None:
    headers = _bearer(source) | {"content-type": "application/x-protobuf"}
    answer = await http.post("/v1/traces", content=violations(agent, calls), headers=headers)
    answer.raise_for_status()


async def _listen(http: httpx.AsyncClient, key: str, after: int) -> float:
    """When the stop was heard; it is confirmed at once."""
    orders: list[dict[str, Any]] = []
    while not orders:
        query = {"after": after, "wait": 25}
        answer = await http.get("/api/v1/enforcement/orders", params=query, headers=_bearer(key))
        orders = answer.json()["orders"]
    heard = time.monotonic()
    done = {"point": "bench", "seqs": [order["seq"] for order in orders]}
    await http.post("/api/v1/enforcement/acknowledgements", json=done, headers=_bearer(key))
    return heard


async def _until(ask: Callable[[], Any], is_blocked: Callable[[httpx.Response], bool]) -> float:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        if is_blocked(await ask()):
            return time.monotonic()
        await asyncio.sleep(ASKS_EVERY_S)
    raise SystemExit(f"nothing was blocked within {WITHIN_S:g} s")


async def _contained(http: httpx.AsyncClient, stack: Stack, agent: str) -> float:
    """As the page of the stop says: until the last point had confirmed."""
    headers = _bearer(stack.api_key)
    trips = (await http.get(f"/api/v1/agents/{agent}/breaker", headers=headers)).json()["trips"]
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        trip = (await http.get(f"/api/v1/breaker-trips/{trips[0]['id']}", headers=headers)).json()
        if trip["containment"]["is_contained"]:
            return float(trip["containment"]["contained_after_s"])
        await asyncio.sleep(0.05)
    raise SystemExit(f"the stop was not contained within {WITHIN_S:g} s: {trip['containment']['silent']}")


async def _wait_on(http: httpx.AsyncClient, source: str) -> None:
    """One of the crowd: a hook of the team that hears every order."""
    after = 0
    while True:
        query = {"after": after, "wait": 25}
        answer = await http.get("/api/v1/enforcement/orders", params=query, headers=_bearer(source))
        after = answer.json()["next"]


def _is_denied(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.json()["outcome"] == "deny"


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--agents", type=int, help="how many are stopped (30; 4 with --quick)")
    parser.add_argument("--waiting", type=int, default=20, help="points that wait beside them (20)")
    chosen = parser.parse_args()
    agents = chosen.agents or (4 if chosen.quick else 30)
    with running() as stack:
        times, contained = asyncio.run(measure(stack, agents, chosen.waiting))
    result(
        block_p50_s={point: round(percentile(found, 0.5), 3) for point, found in sorted(times.items())},
        block_p99_s={point: round(percentile(found, 0.99), 3) for point, found in sorted(times.items())},
        contained_p99_s=round(percentile(contained, 0.99), 3),
        agents=agents,
        waiting=chosen.waiting,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

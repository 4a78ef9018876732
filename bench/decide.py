"""What asking costs: the time of a decision next to that of an empty Django view, one after the other on one connection.

    python bench/decide.py                 3,000 pairs
    python bench/decide.py --quick         600 pairs
    python bench/decide.py --policies 50   with so many policies in force for the agent (default 10)

Ten policies are in force, two of which speak of the tool, as is usual. Keys: p50_ratio_to_empty_view, p99_ratio_to_empty_view, p50_ms and p99_ms of
decisions, view_p50_ms, per_s (decisions a second over 8 connections), sdk_us (median of one decision from a bundle in the agent's
own process).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from chancery_sdk.policy.bundle import AgentFacts, Bundle, Grant, Policy, ToolFacts
from chancery_sdk.policy.deciding import Engine
from chancery_sdk.policy.question import Past, Question

from bench.rig import Stack, arguments, manage, percentile, result, running, say

CAP = (
    'forbid(principal, action, resource == Tool::"{tool}") '
    'when {{ context.arguments has amount && context.arguments.amount.greaterThan(decimal("{most}.0")) }};'
)
MAKE = """
from apps.agents.models import Tool
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.agents.services.registry import new_agent
from apps.identity.models import Person
from apps.oversight.models import Policy, PolicyVersion
actor = Person.objects.get(email='bench@example.org').principal
agent = new_agent('bench_agent', team=None, state='production')
for n in range({policies}):
    name = 'refund' if n < 2 else f'tool{{n}}'
    tool, _ = Tool.objects.get_or_create(name=name, server='pay', defaults={{'side_effect': 'write'}})
    policy = Policy.objects.create(slug=f'cap-{{n}}', name=f'Cap {{n}}', mode='enforce')
    text = {cap!r}.format(tool=f'pay/{{name}}', most=1000 + n)
    version = PolicyVersion.objects.create(policy=policy, number=1, text=text, effect='forbid', outcome='deny',
        tool=f'pay/{{name}}', digest='0' * 64, author=actor, state='approved')
    policy.active = version
    policy.save()
grant_tool(agent, GrantRequest(Tool.objects.get(name='refund', server='pay'), 'Its work.'), actor=actor)
print(agent.slug)
"""


async def paired(stack: Stack, agent: str, pairs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of empty views and of decisions, taken in turn."""
    views, decisions = [], []
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as client:
        for at in range(pairs + 50):
            view = await _timed(client, "GET", "/healthz")
            decision = await _timed(client, "POST", "/api/v1/decisions", **_question(stack, agent, at))
            if at >= 50:
                views.append(view)
                decisions.append(decision)
            if at % 500 == 499:
                say(f"{at + 1} of {pairs + 50}")
    return views, decisions


async def _timed(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> float:
    began = time.perf_counter()
    answer = await client.request(method, path, **more)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, answer.text
    return took


def _question(stack: Stack, agent: str, at: int) -> dict[str, Any]:
    body = {
        "agent": agent,
        "tool": "pay/refund",
        "call_id": f"c{at}-{time.time_ns()}",
        "arguments": {"amount": at % 900, "to": "A"},
    }
    return {"json": body, "headers": {"Authorization": f"Bearer {stack.api_key}"}}


async def together(stack: Stack, agent: str, connections: int, seconds: float) -> float:
    """Decisions a second over several connections."""
    until, done = time.monotonic() + seconds, 0

    async def one() -> None:
        nonlocal done
        async with httpx.AsyncClient(base_url=stack.url, timeout=30) as client:
            while time.monotonic() < until:
                await _timed(client, "POST", "/api/v1/decisions", **_question(stack, agent, done))
                done += 1

    await asyncio.gather(*(one() for _ in range(connections)))
    return done / seconds


def sdk_us(policies: int) -> float:
    """Median microseconds of a decision from a bundle."""
    made = tuple(_policy(n) for n in range(policies))
    tool = ToolFacts("pay/refund", "pay", side_effect="write", is_known=True)
    bundle = Bundle(
        AgentFacts("1", "bench", "Bench", 1), "1", datetime.now(UTC), grants={"pay/refund": Grant()},
        tools={"pay/refund": tool}, policies=made,
    )  # fmt: skip
    engine, past, at = Engine(bundle), Past(), datetime.now(UTC)
    took = []
    for n in range(3000):
        question = Question("pay/refund", arguments={"amount": n % 900, "to": "A"})
        began = time.perf_counter()
        engine.decide(question, past, at)
        took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took[200:])


def _policy(n: int) -> Policy:
    tool = "pay/refund" if n < 2 else f"pay/tool{n}"
    return Policy(f"cap-{n}", f"Cap {n}", 1, CAP.format(tool=tool, most=1000 + n), tool=tool)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--policies", type=int, default=10)
    chosen = parser.parse_args()
    pairs, seconds = (600, 4.0) if chosen.quick else (3000, 15.0)
    own = sdk_us(chosen.policies)
    say(f"in the agent's own process: {own:.0f} us")
    with running(CHANCERY_LOG_LEVEL=os.environ.get("CHANCERY_LOG_LEVEL", "WARNING")) as stack:
        agent = manage(
            stack.folder, "shell", "-v", "0", "-c", MAKE.format(policies=chosen.policies, cap=CAP)
        ).split()[-1]
        views, decisions = asyncio.run(paired(stack, agent, pairs))
        rate = asyncio.run(together(stack, agent, 8, seconds))
    result(
        p50_ratio_to_empty_view=round(percentile(decisions, 0.5) / percentile(views, 0.5), 2),
        p99_ratio_to_empty_view=round(percentile(decisions, 0.99) / percentile(views, 0.99), 2),
        sdk_us=round(own, 1),
        p50_ms=round(percentile(decisions, 0.5), 2),
        p99_ms=round(percentile(decisions, 0.99), 2),
        view_p50_ms=round(percentile(views, 0.5), 2),
        view_p99_ms=round(percentile(views, 0.99), 2),
        per_s=round(rate),
    )


if __name__ == "__main__":
    main()

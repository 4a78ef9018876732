"""What the MCP gateway adds to a call: the same real MCP server asked directly and through the gateway, in turn.

    python bench/gateway.py [--quick]

The server is made with the MCP SDK and runs as a process of its own, as do Chancery and its gateway. Calls are raw HTTP on
connections that are kept, in the newer era of the protocol, so that no client library is measured. Each call through the gateway
is decided over the decision API, carried, and reported; a tool policy limits the agent, as it would.

`added_p50_ms`: the median through the gateway less the direct median, one call after the other; asked is at most 5.
`decision_p50_ms`: of that, the decision alone, asked as the gateway asks; `own_p50_ms`: what is left for the gateway.
`_8`: with 8 callers at once. `gateway_cpu_ms`: processor time of the gateway's process for one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp
import httpx
import psutil

from bench.rig import ROOT, Stack, arguments, manage, percentile, result, running, say
from config.embedded.state import any_free_port

MODERN = "2026-07-28"
SETUP = """
from apps.agents.services.registry import new_agent
from apps.identity.models import Person
from apps.identity.services.keys import KeyRequest, mint_key
from apps.oversight.services.policies import set_tool_policy
actor = Person.objects.get(email='bench@example.org').principal
agent = new_agent('gateway_bench', state='registered', team=None, owner=actor)
set_tool_policy(agent, ['orders/lookup_order'], actor=actor)
print(mint_key(agent.principal, KeyRequest('bench', ['decide', 'ingest']), actor=actor).token)
"""
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "lookup_order", "arguments": {"order_id": "A-17"}, "_meta": META},
}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": MODERN,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "lookup_order",
}
Call = Callable[[], Awaitable[None]]


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A real MCP server in a process of its own."""
    port = any_free_port()
    code = (
        "import uvicorn; from tests.mcp_servers import Orders; "
        f"uvicorn.run(Orders().application, host='127.0.0.1', port={port}, log_level='error', access_log=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        address = f"http://127.0.0.1:{port}/mcp"
        wait_until(lambda: httpx.post(address, json={}, timeout=1).status_code > 0)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError, KeyError):
            if holds():
                return
        time.sleep(0.1)
    raise SystemExit("a part of the bench was not ready within 60 s")


def put_behind(stack: Stack, address: str, key: str) -> str:
    """The address of the server behind the gateway, once a call comes through."""
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    body = {"slug": "orders", "name": "Orders", "url": address}
    httpx.post(f"{stack.url}/api/v1/mcp-upstreams", json=body, headers=headers, timeout=30).raise_for_status()
    behind = f"{stack.gateway_url}/mcp/orders"
    sent = HEADERS | {"Authorization": f"Bearer {key}"}

    def is_through() -> bool:
        told = httpx.post(behind, json=CALL, headers=sent, timeout=10).json()
        return told["result"].get("isError") is False

    wait_until(is_through)
    return behind


def posting(session: aiohttp.ClientSession, url: str, body: Any, headers: dict[str, str]) -> Call:
    async def call() -> None:
        async with session.post(url, json=body, headers=headers) as answer:
            told = await answer.json()
            if answer.status != 200 or told.get("result", {}).get("isError"):
                raise SystemExit(f"{url} answered {answer.status}: {told}")

    return call


async def timed(call: Call, count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    return times


async def measure(stack: Stack, direct_url: str, behind: str, key: str, rounds: int, each: int) -> None:
    """Direct, through the gateway and the decision alone in turn, so that a busy moment falls on all of them."""
    own = {"Authorization": f"Bearer {key}"}
    question = {"tool": "lookup_order", "mcp_server": "orders", "call_id": "bench", "conversation_id": ""}
    gateway = psutil.Process(stack.pid_of("gateway"))
    async with aiohttp.ClientSession() as session:
        ways = {
            "direct": posting(session, direct_url, CALL, HEADERS),
            "gateway": posting(session, behind, CALL, HEADERS | own),
            "decision": posting(session, f"{stack.url}/api/v1/decisions", question, own),
        }
        for call in ways.values():
            await timed(call, 20)
        one: dict[str, list[float]] = {name: [] for name in ways}
        spent = 0.0
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for name, call in ways.items():
                before = sum(gateway.cpu_times()[:2])
                one[name] += await timed(call, each)
                spent += sum(gateway.cpu_times()[:2]) - before if name == "gateway" else 0.0
        say("8 callers at once")
        eight: dict[str, list[float]] = {}
        for name in ("direct", "gateway"):
            parts = await asyncio.gather(*(timed(ways[name], max(10, each // 2)) for _ in range(8)))
            eight[name] = [value for part in parts for value in part]
    tell(one, eight, spent / len(one["gateway"]) * 1000, behind)


def tell(one: dict[str, list[float]], eight: dict[str, list[float]], cpu_ms: float, behind: str) -> None:
    median = {name: statistics.median(times) for name, times in one.items()}
    added = median["gateway"] - median["direct"]
    reports = httpx.get(behind.partition("/mcp/")[0] + "/healthz", timeout=10).json()["reports"]
    result(
        added_p50_ms=round(added, 2),
        added_p95_ms=round(percentile(one["gateway"], 0.95) - percentile(one["direct"], 0.95), 2),
        direct_p50_ms=round(median["direct"], 2),
        gateway_p50_ms=round(median["gateway"], 2),
        decision_p50_ms=round(median["decision"], 2),
        own_p50_ms=round(added - median["decision"], 2),
        added_p50_ms_8=round(statistics.median(eight["gateway"]) - statistics.median(eight["direct"]), 2),
        added_p95_ms_8=round(percentile(eight["gateway"], 0.95) - percentile(eight["direct"], 0.95), 2),
        gateway_cpu_ms=round(cpu_ms, 2),
        calls=len(one["gateway"]),
        lost=reports["lost"],
        load=round(os.getloadavg()[0], 1),
    )


def main() -> None:
    quick = arguments(__doc__ or "").parse_args().quick
    say("starting Chancery")
    with running(CHANCERY_OUTGOING_ALLOW="127.0.0.1") as stack, server() as address:
        key = manage(stack.folder, "shell", "-v", "0", "-c", SETUP).split()[-1]
        behind = put_behind(stack, address, key)
        rounds, each = (4, 40) if quick else (20, 100)
        asyncio.run(measure(stack, address, behind, key, rounds, each))


if __name__ == "__main__":
    main()

"""Seconds from POST to what a signed-in WebSocket client holds, at 500 calls a second with 50 who watch.

    python bench/feed.py                            30 s of calls
    python bench/feed.py --quick                    10 s
    python bench/feed.py --rate 50 --viewers 1      a quiet day

Every viewer is a real WebSocket client that reads everything it is sent; the first one takes the time. Keys:
p50_s, p99_s, calls, lost (calls that never came), folded (calls that were only counted, see apps.activity.feed),
least (calls the viewer who got fewest received).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import websockets

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.ingest import Body
from bench.rig import Stack, arguments, percentile, result, running, say

MOST_REQUESTS = 100  # a second
LINGER_S = 5.0


def sign_in(stack: Stack) -> str:
    """The Cookie header of a signed-in person."""
    with httpx.Client(base_url=stack.url) as client:
        page = client.get("/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None, "the sign-in page has no form"
        form = {"username": stack.email, "password": stack.password, "csrfmiddlewaretoken": token.group(1)}
        client.post("/login/", data=form)
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


async def measure(stack: Stack, rate: float, viewers: int, seconds: float) -> dict[str, float]:
    """What the first viewer saw of the calls that were sent."""
    sent: dict[str, float] = {}
    cookie = sign_in(stack)
    async with AsyncExitStack() as opened:
        watching = [await _watch(opened, stack, cookie, at == 0) for at in range(viewers)]
        tasks = [asyncio.create_task(one.listen()) for one in watching]
        await _send(stack, rate, seconds, sent)
        await asyncio.sleep(LINGER_S)
        for task in tasks:
            task.cancel()
    first = watching[0]
    latencies = [first.came[mark] - at for mark, at in sent.items() if mark in first.came]
    return {
        "p50_s": round(percentile(latencies, 0.5), 3), "p99_s": round(percentile(latencies, 0.99), 3),
        "calls": len(sent), "lost": len(sent) - len(latencies) - first.folded, "folded": first.folded,
        "least": min(one.calls for one in watching), "rate": rate, "viewers": viewers,
    }  # fmt: skip


@dataclass
class Viewer:
    """One who watches. Only the first parses what comes; the others count."""

    socket: websockets.ClientConnection
    is_first: bool
    came: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    folded: int = 0

    async def listen(self) -> None:
        async for text in self.socket:
            now = time.time()
            if not self.is_first:
                self.calls += text.count('"conversation_id"')  # type: ignore[arg-type]
                continue
            message = json.loads(text)
            self.folded += message.get("folded", {}).get("calls", 0)
            for call in message.get("calls", ()):
                self.calls += 1
                self.came.setdefault(call["conversation_id"], now)


async def _watch(opened: AsyncExitStack, stack: Stack, cookie: str, is_first: bool) -> Viewer:
    address = stack.url.replace("http", "ws") + "/ws/feed/"
    headers = {"Cookie": cookie, "Origin": stack.url}
    connecting = websockets.connect(address, additional_headers=headers, compression=None, max_size=None)
    return Viewer(await opened.enter_async_context(connecting), is_first)


async def _send(stack: Stack, rate: float, seconds: float, sent: dict[str, float]) -> None:
    """Requests of a few calls, paced; each call's conversation id marks it."""
    headers = {"authorization": f"Bearer {stack.ingest_key}", "content-type": "application/x-protobuf"}
    together = max(1, round(rate / MOST_REQUESTS))
    bodies = [Body(1).fresh() for _ in range(together)]
    started, number = time.time(), 0
    async with httpx.AsyncClient(base_url=stack.url, timeout=10) as client:
        while number < int(seconds * rate):
            await asyncio.sleep(max(0.0, started + number / rate - time.time()))
            marks = [f"m{number + at:07d}" for at in range(together)]
            parts = [_fresh(body, mark) for body, mark in zip(bodies, marks, strict=True)]
            sent |= dict.fromkeys(marks, time.time())
            answer = await client.post("/v1/traces", content=b"".join(parts), headers=headers)
            if answer.status_code != 200:
                raise SystemExit(f"a call was answered {answer.status_code}")
            number += together
            if number % int(rate * 5) < together:
                say(f"{number} calls sent")


def _fresh(body: bytes, mark: str) -> bytes:
    """A request of one new span of this conversation; requests one after the other are one request (protobuf)."""
    request = ExportTraceServiceRequest.FromString(body)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.trace_id, span.span_id = os.urandom(16), os.urandom(8)
    span.start_time_unix_nano = time.time_ns()
    span.end_time_unix_nano = span.start_time_unix_nano + 5_000_000
    for pair in span.attributes:
        if pair.key == "gen_ai.conversation.id":
            pair.value.string_value = mark
        if pair.key == "gen_ai.tool.call.id":
            pair.value.string_value = f"call_{mark}"
    return request.SerializeToString()


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--rate", type=float, default=500.0, help="calls a second")
    parser.add_argument("--viewers", type=int, default=50)
    given = parser.parse_args()
    with running() as stack:
        figures = asyncio.run(measure(stack, given.rate, given.viewers, 10 if given.quick else 30))
    result(**figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

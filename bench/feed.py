"""Seconds from POST to visible in a signed-in WebSocket client, at 50 calls a second.

    python bench/feed.py              60 s of calls
    python bench/feed.py --quick      10 s

Keys: p50_s, p99_s, calls, lost (calls that never came).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path

import httpx
import websockets

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.ingest import Body
from bench.rig import Stack, arguments, percentile, result, running, say

RATE = 50.0
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


async def measure(stack: Stack, seconds: float) -> tuple[list[float], int]:
    """Latencies in seconds of the calls that came, and how many were sent."""
    sent: dict[str, float] = {}
    came: dict[str, float] = {}
    address = stack.url.replace("http", "ws") + "/ws/feed/"
    headers = {"Cookie": sign_in(stack), "Origin": stack.url}
    async with websockets.connect(address, additional_headers=headers) as socket:
        listening = asyncio.create_task(_listen(socket, came))
        await _send(stack, seconds, sent)
        await asyncio.sleep(LINGER_S)
        listening.cancel()
    return [came[mark] - at for mark, at in sent.items() if mark in came], len(sent)


async def _listen(socket: websockets.ClientConnection, came: dict[str, float]) -> None:
    async for text in socket:
        now = time.time()
        for call in json.loads(text).get("calls", ()):
            came.setdefault(call["conversation_id"], now)


async def _send(stack: Stack, seconds: float, sent: dict[str, float]) -> None:
    """One call a request, paced; the conversation id marks it."""
    headers = {"authorization": f"Bearer {stack.ingest_key}", "content-type": "application/x-protobuf"}
    started = time.time()
    async with httpx.AsyncClient(base_url=stack.url, timeout=10) as client:
        for number in range(int(seconds * RATE)):
            await asyncio.sleep(max(0.0, started + number / RATE - time.time()))
            mark = f"m{number:05d}"
            body = Body(1).fresh().replace(b"conv-0", mark.encode())
            sent[mark] = time.time()
            answer = await client.post("/v1/traces", content=body, headers=headers)
            if answer.status_code != 200:
                raise SystemExit(f"a call was answered {answer.status_code}")
            if number % 250 == 249:
                say(f"{number + 1} calls sent")


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    with running() as stack:
        latencies, calls = asyncio.run(measure(stack, 10 if given.quick else 60))
    result(
        p50_s=round(percentile(latencies, 0.5), 3), p99_s=round(percentile(latencies, 0.99), 3), calls=calls,
        lost=calls - len(latencies),
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

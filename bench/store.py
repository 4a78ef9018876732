"""How fast the screens read a full store: latest page, filters by an index, words, an agent's sums.

    python bench/store.py            200,000 spans through the door, each a call
    python bench/store.py --quick    20,000

Spans go in by OTLP and become calls as ever; then each question is asked 30 times over REST and once as a page, all
by a signed key over loopback. Keys, in ms, median and 95th percentile over REST: `latest_page`, `filter_outcome`,
`filter_agent`, `filter_tool_of_agent`, `filter_time`, `words_rare`, `words_common`; the same asked of the database
alone (no rendering) as `*_db`; `agent_page` (sums of 30 days, calls, pictures), `spans`, `calls`,
`summed_after_s` and `words_after_s` (from the last call until sums and words had caught up).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.ingest import Body, Connection
from bench.rig import Stack, arguments, percentile, result, running, say

BATCH, CONNECTIONS, TIMES = 512, 2, 30
LIST = "SELECT * FROM activity_toolcall WHERE {} ORDER BY id DESC LIMIT 51"
WORDS = (
    "id IN (SELECT id FROM activity_callwords WHERE words @@ websearch_to_tsquery('simple', '{}') "
    "AND id >= activity_first_id((now() - interval '30 days')::date) ORDER BY id DESC LIMIT 10000)"
)


class Calls(Body):
    """Bodies whose calls have ids of their own: each span is a call."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.calls = [self.bytes.index(f"call_{number:016d}".encode()) + 5 for number in range(batch)]

    def fresh(self) -> bytes:
        noise = os.urandom(8 * len(self.calls)).hex().encode()
        for number, place in enumerate(self.calls):
            self.bytes[place : place + 16] = noise[16 * number : 16 * number + 16]
        return super().fresh()


async def fill(stack: Stack, spans: int) -> None:
    left = [spans]

    async def send() -> None:
        body, client = Calls(BATCH), await Connection.open(stack)
        while left[0] > 0:
            left[0] -= BATCH
            while await client.post(body.fresh()) != 200:
                await asyncio.sleep(0.2)
        client.close()

    await asyncio.gather(*[send() for _ in range(CONNECTIONS)])


def wait_for(stack: Stack, query: str, wanted: Callable[[Any], bool]) -> float:
    started = time.monotonic()
    while not wanted(stack.sql(query)[0][0]):
        if time.monotonic() - started > 1800:
            raise SystemExit(f"waited too long for: {query}")
        time.sleep(0.25)
    return time.monotonic() - started


def asked(stack: Stack, path: str, times: int = TIMES) -> tuple[float, float]:
    """Median and 95th percentile in ms of one question over REST."""
    took = []
    headers = {"authorization": f"Bearer {stack.api_key}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
        for _ in range(times):
            started = time.perf_counter()
            client.get(path).raise_for_status()
            took.append((time.perf_counter() - started) * 1000)
    return round(percentile(took, 0.5), 1), round(percentile(took, 0.95), 1)


def asked_of_database(stack: Stack, condition: str, times: int = TIMES) -> float:
    took = []
    with psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True) as connection:
        for _ in range(times):
            started = time.perf_counter()
            connection.execute(LIST.format(condition)).fetchall()
            took.append((time.perf_counter() - started) * 1000)
    return round(percentile(took, 0.5), 1)


def page(stack: Stack, path: str, times: int = 10) -> float:
    """Median in ms of a page for a signed-in person."""
    took = []
    with httpx.Client(base_url=stack.url, timeout=60, follow_redirects=True) as client:
        form = client.get("/login/").text
        token = form.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        told = {"csrfmiddlewaretoken": token, "username": stack.email, "password": stack.password}
        client.post("/login/", data=told, headers={"referer": f"{stack.url}/login/"}).raise_for_status()
        for _ in range(times):
            started = time.perf_counter()
            client.get(path).raise_for_status()
            took.append((time.perf_counter() - started) * 1000)
    return round(percentile(took, 0.5), 1)


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    spans = 20_000 if given.quick else 200_000
    figures: dict[str, Any] = {}
    with running() as stack:
        asyncio.run(fill(stack, spans))
        stored = stack.sql("SELECT count(*) FROM activity_span")[0][0]
        say(f"{stored:,} spans are stored; waiting for the pipeline")
        wait_for(stack, "SELECT count(*) FROM activity_outbox", lambda count: count == 0)
        figures["summed_after_s"] = round(
            wait_for(stack, "SELECT count(*) FROM activity_rollupmark", lambda count: count == 0), 1
        )
        behind = (
            "SELECT (SELECT last FROM activity_feedposition) - (SELECT position FROM activity_wordscursor)"
        )
        figures["words_after_s"] = round(wait_for(stack, behind, lambda left: left <= 0), 1)
        # One call with rare words, in the middle of the others.
        agent, rare, half = stack.sql(
            "SELECT agent_id, call_id, started_at FROM activity_toolcall ORDER BY id OFFSET (SELECT count(*) / 2 FROM activity_toolcall) LIMIT 1"
        )[0]
        questions = {
            "latest_page": ("", "true"),
            "filter_outcome": ("?outcome=violation", "outcome = 'violation'"),
            "filter_agent": (f"?agent={agent}", f"agent_id = '{agent}'"),
            "filter_tool_of_agent": (
                f"?agent={agent}&tool=refund_order", f"agent_id = '{agent}' AND tool_name = 'refund_order'",
            ),
            "filter_time": (
                f"?agent={agent}&until={half.isoformat().replace('+', '%2B')}",
                f"agent_id = '{agent}' AND started_at < '{half.isoformat()}'",
            ),
            "words_rare": (f"?q={rare}", WORDS.format(rare)),
            "words_common": ("?q=warehouse+carrier", WORDS.format("warehouse carrier")),
        }  # fmt: skip
        for name, (path, condition) in questions.items():
            figures[name] = asked(stack, f"/api/v1/calls{path}")
            figures[f"{name}_db"] = asked_of_database(stack, condition)
            say(f"{name}: {figures[name]} ms over REST, {figures[f'{name}_db']} ms in the database")
        figures["agent_page"] = page(stack, f"/agents/{agent}/activity/")
        calls = stack.sql("SELECT count(*) FROM activity_toolcall")[0][0]
    result(spans=stored, calls=calls, **figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

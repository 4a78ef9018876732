"""Ten minutes of spans at half of what the door was just measured to take: memory stays flat, nothing is lost.

    python bench/soak.py            30 s to measure the most, then 10 minutes at half of it
    python bench/soak.py --quick    4 s, then 25 s

Batches of 50 over 4 connections, all processes at work (pipeline, sums, words, scoring). Memory is sampled every second
as the private memory (USS) of web and pipeline. Keys: `most_spans_per_s`, `sent_spans_per_s`, `sent`, `stored` (must
be equal), `refused`; `web_mb` and `pipeline_mb`: medians of the second tenth and of the last tenth of the run, with
the growth between them in percent; `outbox_spans_at_end` (what the pipeline has not worked off yet).
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.ingest import Body, Connection, load
from bench.rig import Stack, arguments, result, running, say

BATCH, CONNECTIONS = 50, 4
PROCESSES = ("web", "pipeline")


class Soak:
    """Sends at a rate, and watches memory."""

    def __init__(self, stack: Stack, rate: float, seconds: float) -> None:
        self.stack, self.seconds = stack, seconds
        self.pause_s = BATCH * CONNECTIONS / rate
        self.sent = self.refused = 0
        self.memory: dict[str, list[float]] = {name: [] for name in PROCESSES}

    async def run(self) -> None:
        until = time.monotonic() + self.seconds
        await asyncio.gather(self._watch(until), *[self._send(until, at) for at in range(CONNECTIONS)])

    async def _send(self, until: float, at: int) -> None:
        body, client = Body(BATCH), await Connection.open(self.stack)
        due = time.monotonic() + self.pause_s * at / CONNECTIONS
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += self.pause_s
            if await client.post(body.fresh()) == 200:
                self.sent += BATCH
            else:
                self.refused += 1
        client.close()

    async def _watch(self, until: float) -> None:
        processes = {name: psutil.Process(self.stack.pid_of(name)) for name in PROCESSES}
        while time.monotonic() < until:
            for name, process in processes.items():
                self.memory[name].append(process.memory_full_info().uss / 1e6)
            await asyncio.sleep(1)


def growth(samples: list[float]) -> dict[str, float]:
    """Of the second tenth and the last: the first one is warming up."""
    tenth = max(1, len(samples) // 10)
    early, late = median(samples[tenth : 2 * tenth]), median(samples[-tenth:])
    return {
        "early": round(early, 1),
        "late": round(late, 1),
        "growth_percent": round(100 * (late / early - 1), 1),
    }


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    measured_s, seconds = (4.0, 25.0) if given.quick else (30.0, 600.0)
    with running() as stack:
        most, _ = asyncio.run(load(stack, BATCH, CONNECTIONS, measured_s))
        before: int = stack.sql("SELECT count(*) FROM activity_span")[0][0]
        say(f"the door took {most:,.0f} spans/s; {seconds:.0f} s at half of it")
        soak = Soak(stack, most / 2, seconds)
        asyncio.run(soak.run())
        stored = stack.sql("SELECT count(*) FROM activity_span")[0][0] - before
        waiting = stack.sql("SELECT coalesce(sum(cardinality(span_ids)), 0) FROM activity_outbox")[0][0]
    figures: dict[str, Any] = {f"{name}_mb": growth(samples) for name, samples in soak.memory.items()}
    result(
        most_spans_per_s=round(most), sent_spans_per_s=round(soak.sent / seconds), sent=soak.sent, stored=stored,
        refused=soak.refused, outbox_spans_at_end=int(waiting), **figures,
    )  # fmt: skip
    return 0 if stored == soak.sent else 1


if __name__ == "__main__":
    sys.exit(main())

"""Spans accepted per second at the OTLP door, durable before 200, as a ratio to a bare COPY in the same run.

    python bench/ingest.py            10 s a cell
    python bench/ingest.py --quick    2 s a cell

Batches of 1, 50 and 512 spans over 16, 4 and 4 connections. Bodies are built once for each connection; before
each request only trace and span ids are overwritten. The COPY has the same rows, prebuilt, in a table with the
same primary key and indexes, 4 connections, one COMMIT a batch. Keys: spans_per_s_batch{1,50,512},
copy_rows_per_s_batch*, ratio_to_copy_batch*, cpu_ms_per_1000_spans (web process, batch 50) and _batch*.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
from psycopg.types.json import Jsonb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from apps.activity.ingest.normalise import spans_of
from apps.activity.ingest.rows import COLUMNS, TYPES, Row
from apps.kit.ids import derived_id
from bench.rig import Stack, arguments, result, running, say

CELLS = ((1, 16), (50, 4), (512, 4))
COPY_CONNECTIONS = 4
TOOLS = ("lookup_order", "refund_order", "search_customers", "send_email")
FILLER = "The order has left the warehouse and is with the carrier. " * 6
TABLE = """
CREATE TABLE bench_copy (LIKE activity_span INCLUDING DEFAULTS); ALTER TABLE bench_copy ADD PRIMARY KEY (id);
CREATE INDEX ON bench_copy (trace_id, span_id); CREATE INDEX ON bench_copy (trace_id, id) WHERE kind = 'model'
"""


class Body:
    """A serialised request whose ids are overwritten in place."""

    def __init__(self, batch: int) -> None:
        self.marks = [(os.urandom(16), os.urandom(8)) for _ in range(batch)]
        scoped = ScopeSpans(spans=[_span(number, *ids) for number, ids in enumerate(self.marks)])
        scoped.scope.name = "pydantic-ai"
        group = ResourceSpans(scope_spans=[scoped])
        group.resource.attributes.append(_attribute("service.name", "bench"))
        self.bytes = bytearray(ExportTraceServiceRequest(resource_spans=[group]).SerializeToString())
        self.places = [(self.bytes.index(trace), self.bytes.index(span)) for trace, span in self.marks]

    def fresh(self) -> bytes:
        noise = os.urandom(24 * len(self.places))
        for number, (trace, span) in enumerate(self.places):
            at = 24 * number
            self.bytes[trace : trace + 16] = noise[at : at + 16]
            self.bytes[span : span + 8] = noise[at + 16 : at + 24]
        return bytes(self.bytes)


@dataclass
class Connection:
    """A kept-alive HTTP/1.1 connection that does no more than it must: the generator shares the machine."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str

    @classmethod
    async def open(cls, stack: Stack) -> Connection:
        host, _, port = stack.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /v1/traces HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {stack.ingest_key}\r\n"
            "content-type: application/x-protobuf\r\ncontent-length: "
        )
        return cls(reader, writer, head)

    async def post(self, body: bytes) -> int:
        """The status of the answer, whose body is read and dropped."""
        self.writer.write(f"{self.head}{len(body)}\r\n\r\n".encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(answer.partition("content-length: ")[2].partition("\r\n")[0] or 0)
        if size:
            await self.reader.readexactly(size)
        return int(answer.split(" ", 2)[1])

    def close(self) -> None:
        self.writer.close()


def _span(number: int, trace_id: bytes, span_id: bytes) -> Span:
    tool, now = TOOLS[number % len(TOOLS)], time.time_ns()
    told = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "gen_ai.agent.name": f"agent_{number % 8}",
        "gen_ai.tool.call.id": f"call_{number:016d}", "gen_ai.conversation.id": f"conv-{number % 50}",
        "gen_ai.tool.call.arguments": '{"order_id": "A-17", "amount_eur": 12.5}', "gen_ai.tool.call.result": FILLER,
    }  # fmt: skip
    return Span(
        trace_id=trace_id, span_id=span_id, name=f"execute_tool {tool}", start_time_unix_nano=now,
        end_time_unix_nano=now + 5_000_000, attributes=[_attribute(k, v) for k, v in told.items()],
    )  # fmt: skip


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


async def load(stack: Stack, batch: int, connections: int, seconds: float) -> tuple[float, float]:
    """Accepted spans a second, and the web process's CPU milliseconds per 1,000 of them."""
    accepted, stopping = [0] * connections, asyncio.Event()

    async def keep_busy(at: int) -> None:
        body, client = Body(batch), await Connection.open(stack)
        while not stopping.is_set():
            if await client.post(body.fresh()) == 200:
                accepted[at] += batch
        client.close()

    web = psutil.Process(stack.pid_of("web"))
    tasks = [asyncio.create_task(keep_busy(at)) for at in range(connections)]
    await asyncio.sleep(min(1.0, seconds / 2))
    before, cpu, started = sum(accepted), _cpu(web), time.perf_counter()
    await asyncio.sleep(seconds)
    spans, used, took = sum(accepted) - before, _cpu(web) - cpu, time.perf_counter() - started
    stopping.set()
    await asyncio.gather(*tasks)
    return spans / took, used / max(spans, 1) * 1e6


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def copy_rate(dsn: str, batch: int, seconds: float) -> float:
    """Rows a second of a bare COPY of the same rows."""
    done, stopping = [0] * COPY_CONNECTIONS, threading.Event()
    threads = [
        threading.Thread(target=_copy, args=(dsn, batch, done, at, stopping))
        for at in range(COPY_CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(min(0.5, seconds / 2))
    before, started = sum(done), time.perf_counter()
    time.sleep(seconds)
    rate = (sum(done) - before) / (time.perf_counter() - started)
    stopping.set()
    for thread in threads:
        thread.join()
    return rate


def _copy(dsn: str, batch: int, done: list[int], at: int, stopping: threading.Event) -> None:
    rows = _rows(batch)
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        while not stopping.is_set():
            with cursor.copy(f"COPY bench_copy ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(TYPES)
                for row in rows:
                    fresh: Any = row._replace(id=derived_id(int(time.time() * 1000), os.urandom(16)))
                    copy.write_row((*fresh[:-1], fresh[-1]))
            connection.commit()
            done[at] += batch


def _rows(batch: int) -> list[Row]:
    request = ExportTraceServiceRequest.FromString(Body(batch).fresh())
    return [row._replace(attributes=Jsonb(row.attributes)) for row in spans_of(request, uuid4()).rows]  # type: ignore[arg-type]


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    seconds = 2.0 if given.quick else 10.0
    figures: dict[str, float] = {}
    with running() as stack:
        owner = stack.folder / "postgres_password"
        dsn = stack.environment["DATABASE_URL"]
        admin = f"postgresql://postgres:{owner.read_text()}@{dsn.rpartition('@')[2]}"
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(TABLE)
        for batch, connections in CELLS:
            rate, cpu = asyncio.run(load(stack, batch, connections, seconds))
            bare = copy_rate(admin, batch, seconds)
            say(
                f"batch {batch} x {connections}: {rate:,.0f} spans/s, {cpu:.0f} ms CPU per 1,000; COPY {bare:,.0f} rows/s"
            )
            figures |= {
                f"spans_per_s_batch{batch}": round(rate),
                f"copy_rows_per_s_batch{batch}": round(bare),
                f"ratio_to_copy_batch{batch}": round(rate / bare, 3),
                f"cpu_ms_per_1000_spans_batch{batch}": round(cpu, 1),
            }
    result(cpu_ms_per_1000_spans=figures["cpu_ms_per_1000_spans_batch50"], **figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())

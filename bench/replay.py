"""Replay recorded agent sessions as OTLP and count what is stored.

    python bench/replay.py --file tau_airline.jsonl.gz --speed 200 --twice
    python bench/replay.py --kill web,pipeline,valkey,postgres      kill -9 these during the replay

Reads a recording (one JSON object a line, gzip: session, seq, kind, tool, arguments, output, error), emits each
session as GenAI spans (an invoke_agent root and one execute_tool span a call) and checks the database: each call
there once, with its verdict. The truth in `label` is never read. Keys: sessions, tool_calls, failed (of the
file), stored, failed_stored, doubled, unjudged, refused (requests not answered 200 at first), seconds.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.rig import Stack, arguments, data_folder, result, running, say

CALL_MS = 20
GIVE_UP_S = 60
DRAIN_S = 60


@dataclass
class Session:
    """One recorded session: whose it is, and its calls in order."""

    dataset: str
    agent: str
    model: str
    name: str
    calls: list[dict[str, Any]] = field(default_factory=list)


def read_sessions(path: Path) -> list[Session]:
    """The sessions of a recording, with their tool calls in order; what else is told of them is passed over."""
    sessions: dict[str, Session] = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            one = json.loads(line)
            key = str(one["session"])
            session = sessions.setdefault(
                key,
                Session(
                    str(one.get("dataset", "")),
                    str(one.get("agent", "agent")),
                    str(one.get("model", "")),
                    key,
                ),
            )
            if one.get("kind") == "tool_call":
                session.calls.append(one)
    for session in sessions.values():
        session.calls.sort(key=lambda call: call["seq"])
    return list(sessions.values())


def request_of(session: Session, run: str, started_ns: int) -> bytes:
    """A session as one export request. Ids follow from run, dataset, session and sequence number."""
    trace_id = _digest(16, run, session.dataset, session.name)
    root_id = _digest(8, run, session.dataset, session.name, "root")
    common = {"gen_ai.agent.name": session.agent, "gen_ai.conversation.id": f"{run}:{session.name}"}
    spans = [
        _span("invoke_agent", trace_id, root_id, b"", started_ns, len(session.calls) * CALL_MS,
              common | {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": session.model})
    ]  # fmt: skip
    for number, call in enumerate(session.calls):
        span_id = _digest(8, run, session.dataset, session.name, str(call["seq"]), str(number))
        spans.append(
            _span(f"execute_tool {call['tool']}", trace_id, span_id, root_id, started_ns + number * CALL_MS * 1_000_000,
                  CALL_MS - 1, common | _told(call, f"{run}:{session.name}:{call['seq']}:{number}"))
        )  # fmt: skip
        if call.get("error"):
            spans[-1].status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="the tool failed"))
    scoped = ScopeSpans(spans=spans)
    scoped.scope.name = "bench.replay"
    group = ResourceSpans(scope_spans=[scoped])
    group.resource.attributes.append(_attribute("service.name", session.dataset or "replay"))
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def _told(call: dict[str, Any], call_id: str) -> dict[str, str]:
    given = call.get("arguments")
    told = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": str(call["tool"]), "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.call.arguments": given if isinstance(given, str) else json.dumps(given),
        "gen_ai.tool.call.result": str(call.get("output", "")),
    }  # fmt: skip
    return told | ({"error.type": "ToolError"} if call.get("error") else {})


def _span(
    name: str, trace_id: bytes, span_id: bytes, parent: bytes, start_ns: int, ms: int, told: dict[str, str]
) -> Span:
    return Span(
        trace_id=trace_id, span_id=span_id, parent_span_id=parent, name=name, start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + max(ms, 1) * 1_000_000,
        attributes=[_attribute(key, value) for key, value in told.items()],
    )  # fmt: skip


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _digest(size: int, *parts: str) -> bytes:
    return blake2b("\x1f".join(parts).encode(), digest_size=size).digest()


@dataclass
class Sent:
    """What was sent: requests answered 200, and answers that were something else first."""

    answered: int = 0
    refused: int = 0


def send(client: httpx.Client, body: bytes, key: str, sent: Sent) -> None:
    """Post until it is answered 200, as an exporter would; gives up after a minute."""
    deadline = time.monotonic() + GIVE_UP_S
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-protobuf"}
    while True:
        try:
            status = client.post("/v1/traces", content=body, headers=headers).status_code
        except httpx.HTTPError:
            status = 0
        if status == 200:
            sent.answered += 1
            return
        sent.refused += 1
        if time.monotonic() > deadline:
            raise SystemExit(f"a request was not accepted within {GIVE_UP_S} s (last answer {status})")
        time.sleep(0.2)


def paced(sessions: list[Session], speed: float) -> Iterator[Session]:
    """Sessions at about `speed` calls a second."""
    started, done = time.monotonic(), 0
    for session in sessions:
        ahead = done / speed - (time.monotonic() - started)
        if ahead > 0:
            time.sleep(ahead)
        yield session
        done += len(session.calls)


def replay(stack: Stack, sessions: list[Session], given: Any, run: str) -> Sent:
    sent = Sent()
    killings = iter(given.kill.split(",") if given.kill else ())
    every = max(1, len(sessions) // (given.kill.count(",") + 2)) if given.kill else 0
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        for number, session in enumerate(paced(sessions, given.speed), start=1):
            body = request_of(session, run, time.time_ns() - len(session.calls) * CALL_MS * 1_000_000)
            for _ in range(2 if given.twice else 1):
                send(client, body, stack.ingest_key, sent)
            if every and number % every == 0 and (victim := next(killings, None)):
                say(f"kill -9 {victim} after {number} sessions")
                stack.kill(victim)
            if number % 50 == 0:
                say(f"{number} of {len(sessions)} sessions sent")
    return sent


def stored(stack: Stack, run: str, expected: int) -> dict[str, int]:
    """What the database holds of this run once the pipeline has worked it off."""
    query = (
        "SELECT count(*), count(*) FILTER (WHERE status = 'error'), count(*) - count(DISTINCT call_id), "
        f"count(*) FILTER (WHERE outcome = 'pending') FROM activity_toolcall WHERE conversation_id LIKE '{run}:%'"
    )
    deadline = time.monotonic() + DRAIN_S
    while True:
        try:
            total, failed, doubled, unjudged = stack.sql(query)[0]
        except OSError:
            total = failed = doubled = unjudged = 0
        if (total >= expected and not unjudged) or time.monotonic() > deadline:
            return {"stored": total, "failed_stored": failed, "doubled": doubled, "unjudged": unjudged}
        time.sleep(0.3)


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--file", default="tau_airline.jsonl.gz", help="a recording in <data>/open, or a path"
    )
    parser.add_argument("--speed", type=float, default=400.0, help="calls a second")
    parser.add_argument("--twice", action="store_true", help="send every request twice")
    parser.add_argument(
        "--kill", default="", help="processes to kill -9 on the way, by name, separated by commas"
    )
    given = parser.parse_args()
    folder = data_folder()
    path = (
        Path(given.file) if Path(given.file).exists() else (folder / "open" / given.file if folder else None)
    )
    if path is None or not path.exists():
        say(
            f"no recording {given.file}: set CHANCERY_DATA to the folder of recorded data; nothing was measured"
        )
        return 0
    sessions = read_sessions(path)
    calls = [call for session in sessions for call in session.calls]
    started, run = time.monotonic(), f"run{time.time_ns()}"
    with running() as stack:
        sent = replay(stack, sessions, given, run)
        found = stored(stack, run, len(calls))
    result(
        sessions=len(sessions), tool_calls=len(calls), failed=sum(bool(call.get("error")) for call in calls), **found,
        refused=sent.refused, seconds=round(time.monotonic() - started, 1),
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The bare ASGI application of the ingest door, no framework in between.

POST /v1/traces, /v1/logs, /v1/metrics        OTLP/HTTP 1.x (otlp.py)
POST /v1/traces/ingest                        the traces of OpenAI's agents SDK (apps.activity.ways)
POST /v1/hooks/claude-code, /v1/hooks/codex   what these hand to a hook
POST /api/v1/events                           CloudEvents

Each is answered once what it brought is committed; a partial success says how many items were refused and why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from apps.activity.ingest import otlp
from apps.activity.ingest.auth import KeyRing
from apps.activity.ingest.budget import JSON_WEIGHT, PROTOBUF_WEIGHT, Budget, Share
from apps.activity.ingest.decode import PROTOBUF, inflate
from apps.activity.ingest.errors import (
    BodyTooLarge,
    IngestError,
    Malformed,
    NoSuchPath,
    NotDurable,
    Unread,
    WrongMethod,
)
from apps.activity.ingest.normalise import Batch
from apps.activity.ingest.recording import Recorder
from apps.activity.ingest.settings import IngestSettings
from apps.activity.ingest.way import Answer, Heard, Way
from apps.activity.ingest.writer import Writer
from apps.activity.ways import events, hooks, openai_traces

logger = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

R = TypeVar("R")
READERS = 2
LARGE, LARGE_JSON, LARGE_GZIP = 1024 * 1024, 32 * 1024, 16 * 1024  # about 10 ms of reading each
LARGE_CONTENT = 16 * 1024  # about 10 ms of leaving out what may not be recorded
WAYS: dict[str, Way] = {**otlp.WAYS, **openai_traces.WAYS, **hooks.WAYS, **events.WAYS}


@dataclass
class Door:
    """What lives from startup to shutdown. Large bodies are read in `aside`, so that the loop goes on."""

    settings: IngestSettings
    keys: KeyRing
    writer: Writer
    budget: Budget
    aside: ThreadPoolExecutor
    recorder: Recorder

    async def take(self, batch: Batch, size: int) -> None:
        """Return once what may be recorded of `batch`, which came as `size` bytes, is durable."""
        large = size > LARGE_CONTENT and not self.recorder.leaves_all
        await self.run(self.recorder.apply, batch, large=large)
        await self.writer.write(batch)

    async def run(self, function: Callable[..., R], *arguments: Any, large: bool) -> R:
        if not large:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self.aside, function, *arguments)


_door: Door | None = None


async def open_door(settings: IngestSettings) -> Door:
    """A door with its writers at work; to be closed again."""
    door = Door(
        settings,
        KeyRing(settings.dsn, settings.key_memory_s, settings.statement_timeout_s),
        Writer(settings),
        Budget(settings.max_queue_bytes),
        ThreadPoolExecutor(READERS, thread_name_prefix="ingest"),
        Recorder(settings.dsn, settings.content_key, settings.statement_timeout_s),
    )
    await door.writer.start()
    return door


async def close_door(door: Door) -> None:
    """Write what waits, close connections."""
    await door.writer.stop()
    await door.keys.close()
    door.aside.shutdown()


async def startup(settings: IngestSettings) -> None:
    """Open the door; to be awaited in the server's lifespan."""
    global _door
    _door = await open_door(settings)


async def shutdown() -> None:
    """Close it."""
    global _door
    if _door is not None:
        await close_door(_door)
        _door = None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One HTTP request."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    way = WAYS.get(scope["path"].rstrip("/"))
    try:
        await _reply(send, await _serve(scope, headers, receive, way))
    except IngestError as error:
        await _refuse(send, error, (way or otlp.WAYS["/v1/traces"]).refuse(error, headers))


async def _serve(scope: Scope, headers: dict[str, str], receive: Receive, way: Way | None) -> Answer:
    """In order: address, method, credential, form, then with memory set aside: body, rows, disk."""
    if _door is None:
        raise NotDurable("the door is not open yet", retry_after_s=1)
    if way is None:
        raise NoSuchPath(f"there is nothing at {scope['path']}; post to {', '.join(WAYS)}")
    if scope["method"] != "POST":
        raise WrongMethod("only POST is understood here")
    source_id = await _door.keys.source_of(headers.get("authorization", ""))
    await _door.recorder.refresh()
    kind = way.media(headers)
    with _door.budget.share() as share:
        body = await _content(_door, headers, receive, kind, share)
        large = len(body) > (LARGE if kind == PROTOBUF else LARGE_JSON)
        heard = Heard(kind, headers, body, source_id)
        answer = await _door.run(_understood, way, heard, large=large)
        declared = {row.declared_agent_id for row in answer.batch.rows if row.declared_agent_id}
        if answer.settle is not None and declared:
            answer = answer.settle(await _door.keys.speaks_for(source_id, declared))
        await _door.take(answer.batch, len(body))
        return answer


def _understood(way: Way, heard: Heard) -> Answer:
    """What the way makes of a body; what nobody foresaw is a fault of ours, and is told to who runs this."""
    try:
        return way.read(heard)
    except IngestError:
        raise
    except Exception as error:
        logger.exception("a body could not be read")
        raise Unread(
            "the body could not be read; this is a fault of the server, and is in its log"
        ) from error


async def _content(door: Door, headers: dict[str, str], receive: Receive, kind: str, share: Share) -> bytes:
    """The body without its encoding; the memory that reading it will take is taken from the budget."""
    raw = await _body(receive, headers, door.settings, share)
    encoding = headers.get("content-encoding", "").strip().lower()
    limit = door.settings.max_inflated_bytes if kind == PROTOBUF else door.settings.max_json_bytes
    body = await door.run(inflate, raw, encoding, limit, large=bool(encoding) and len(raw) > LARGE_GZIP)
    if len(body) > limit:
        raise BodyTooLarge(f"at most {limit} bytes of {kind}; send smaller batches or {PROTOBUF}")
    share.grow_to(len(body) * (PROTOBUF_WEIGHT if kind == PROTOBUF else JSON_WEIGHT))
    return body


async def _body(receive: Receive, headers: dict[str, str], settings: IngestSettings, share: Share) -> bytes:
    declared = headers.get("content-length", "0")
    expected = int(declared) if declared.isdecimal() else 0
    if expected > settings.max_body_bytes:
        raise BodyTooLarge(f"at most {settings.max_body_bytes} bytes a request")
    share.grow_to(expected)
    parts, size = [], 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise Malformed("the connection ended before the body did")
                parts.append(event.get("body", b""))
                size += len(parts[-1])
                if size > settings.max_body_bytes:
                    raise BodyTooLarge(f"at most {settings.max_body_bytes} bytes a request")
                share.grow_to(size)
                if not event.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError as error:
        raise Malformed(f"the body did not arrive within {settings.body_timeout_s:.0f} s") from error


async def _refuse(send: Send, error: IngestError, answer: Answer) -> None:
    extra = []
    if error.retry_after_s is not None:
        extra.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.status == 401:
        extra.append((b"www-authenticate", b'Bearer realm="chancery"'))
    if error.status == 405:
        extra.append((b"allow", b"POST"))
    await _reply(send, answer, extra)


async def _reply(send: Send, answer: Answer, extra: list[tuple[bytes, bytes]] | None = None) -> None:
    headers = [
        (b"content-type", answer.media.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *(extra or []),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})

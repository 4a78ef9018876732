"""What came of a call, read from the bytes of its answer. Pure.

`Answer` is what a server said: `body` whole, or `chunks` of a stream of events that goes on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import orjson

STREAM, JSON = "text/event-stream", "application/json"
MOST_KEPT = 1024 * 1024
LONGEST_TOLD = 16 * 1024


@dataclass
class Answer:
    """`chunks` None: `body` is everything. To be closed, read or not."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    chunks: AsyncIterator[bytes] | None = None
    ending: AsyncExitStack | None = None

    async def close(self) -> None:
        if isinstance(self.chunks, AsyncGenerator):
            await self.chunks.aclose()
        if self.ending is not None:
            await self.ending.aclose()

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Result:
    """`status`: ok, error, or unknown where the answer was cut or never came."""

    status: str
    error: str = ""
    told: Any = None


@dataclass
class Kept:
    """The beginning of a stream, as far as there is room."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, chunk: bytes) -> None:
        if self.size < MOST_KEPT:
            self.parts.append(chunk)
        self.size += len(chunk)

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


def messages_in(media: str, body: bytes) -> Iterator[dict[str, Any]]:
    """The JSON-RPC messages of an answer; what is none is passed over."""
    for text in _events(body) if media == STREAM else (body,):
        try:
            told = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if isinstance(told, dict):
            yield told


def answer_to(message_id: Any, media: str, body: bytes) -> dict[str, Any] | None:
    """The message that answers this id; None where there is none."""
    for told in messages_in(media, body):
        if told.get("id") == message_id and ("result" in told or "error" in told):
            return told
    return None


def result_of(told: Mapping[str, Any] | None) -> Result:
    """What a call came to, for the report."""
    if told is None:
        return Result("unknown", "The answer did not end.")
    if "error" in told:
        error = told["error"]
        return Result("error", str(error.get("message", "") if isinstance(error, dict) else error)[:1000])
    result = told.get("result")
    result = result if isinstance(result, dict) else {}
    content = result.get("structuredContent") or _texts(result.get("content"))
    if result.get("isError"):
        return Result(
            "error", str(_texts(result.get("content")) or "The tool failed.")[:1000], _short(content)
        )
    return Result("ok", "", _short(content))


def _short(value: Any) -> Any:
    told = orjson.dumps(value)
    return value if len(told) <= LONGEST_TOLD else told[:LONGEST_TOLD].decode(errors="ignore")


def _texts(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict) and "text" in part)


def _events(body: bytes) -> Iterator[bytes]:
    """The data of each event (WHATWG: lines end with CR, LF or both; data lines are joined by a line feed)."""
    data: list[bytes] = []
    for line in body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)

"""Telling Chancery of each call, beside it: bounded, tried again, and nothing that is lost goes uncounted."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from apps.oversight.gateway.answers import Result
from apps.oversight.gateway.court import Asker, Court, Verdict
from apps.oversight.gateway.errors import GatewayError
from apps.oversight.gateway.messages import Message

logger = logging.getLogger(__name__)
SOURCE = "mcp-gateway"
BATCH = 200
GATHERED_S = 0.5
LONGEST_PAUSE_S = 5.0
LONGEST_ARGUMENTS = 64 * 1024


@dataclass
class Counts:
    """Since the start. `lost`: no room; `refused`: Chancery would not have them; `waiting`: not told yet."""

    reported: int = 0
    lost: int = 0
    refused: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Told:
    token: str
    event: Mapping[str, Any]


class Reporter:
    """One queue for all servers. Events of one key go together; those of a key that is closed meanwhile hold nobody up."""

    def __init__(self, court: Court, most: int) -> None:
        self._court, self._most = court, most
        self._queue: deque[Told] = deque()
        self._filled = asyncio.Event()
        self.counts = Counts()

    def add(self, asker: Asker, event: Mapping[str, Any]) -> None:
        if len(self._queue) >= self._most:
            self.counts.lost += 1
            if self.counts.lost in (1, 10) or self.counts.lost % 100 == 0:
                logger.error("%s calls could not be reported: no room for more", self.counts.lost)
            return
        self._queue.append(Told(asker.token, event))
        self.counts.waiting = len(self._queue)
        self._filled.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause_s = GATHERED_S
        while True:
            await self._filled.wait()
            await asyncio.sleep(
                GATHERED_S
            )  # one commit for many: each one costs the server more than an event does
            if await self._send_some():
                pause_s = GATHERED_S
                continue
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def drain(self, within_s: float) -> None:
        """Tell what waits; what cannot be told in time is counted as lost."""
        try:
            async with asyncio.timeout(within_s):
                while self._queue and await self._send_some():
                    pass
        except TimeoutError:
            pass
        if self._queue:
            self.counts.lost += len(self._queue)
            logger.error("%s calls were not reported before the end", len(self._queue))

    async def _send_some(self) -> bool:
        """One batch; False when it has to be tried again."""
        token = self._queue[0].token
        batch = [one for one in list(self._queue)[:BATCH] if one.token == token]
        try:
            reply = await self._court.report(token, [one.event for one in batch])
        except GatewayError:
            return False
        if reply.status >= 500 or reply.status == 429:
            return False
        taken = {id(one) for one in batch}
        self._queue = deque(one for one in self._queue if id(one) not in taken)
        self._count(reply.status, reply.body, len(batch))
        if not self._queue:
            self._filled.clear()
        return True

    def _count(self, status: int, body: Any, sent: int) -> None:
        rejected = int(body.get("rejected", 0)) if status == 200 and isinstance(body, dict) else sent
        self.counts.reported += sent - rejected
        self.counts.refused += rejected
        self.counts.waiting = len(self._queue)
        if rejected:
            logger.error("%s reports of calls were refused (%s)", rejected, status)

    def as_json(self) -> dict[str, int]:
        return asdict(self.counts)


def call_told(
    server: str,
    message: Message,
    call_id: str,
    result: Result,
    duration_ms: float,
    verdict: Verdict | None,
    agent: str,
) -> dict[str, Any]:
    """A call that was carried, as the event that tells of it. `agent` is the agent's id where the key is not its own."""
    data = _data(server, message, call_id, verdict, agent) | {"duration_ms": round(duration_ms, 3)}
    if result.status != "ok":
        data["error"] = {"type": f"mcp.{result.status}", "message": result.error}
    if result.told is not None:
        data["result"] = result.told
    return _event("ai.chancery.tool_call.finished", message, data)


def denial_told(
    server: str, message: Message, call_id: str, code: str, reason: str, verdict: Verdict | None, agent: str
) -> dict[str, Any]:
    """A call that was not carried."""
    data = _data(server, message, call_id, verdict, agent) | {"reason": reason, "code": code}
    return _event("ai.chancery.tool_call.denied", message, data)


def _data(server: str, message: Message, call_id: str, verdict: Verdict | None, agent: str) -> dict[str, Any]:
    arguments: Any = (
        message.arguments if len(message.raw) <= LONGEST_ARGUMENTS else {"_cut": len(message.raw)}
    )
    told: dict[str, Any] = {
        "tool": message.name, "mcp_server": server, "call_id": call_id, "arguments": arguments, "service": SOURCE,
    }  # fmt: skip
    if message.conversation:
        told["conversation_id"] = message.conversation
    if agent:
        told["agent_id"] = agent
    if verdict is not None:
        told["decision"] = verdict.id
    return told


def _event(kind: str, message: Message, data: dict[str, Any]) -> dict[str, Any]:
    event = {
        "specversion": "1.0", "id": str(uuid4()), "source": SOURCE, "type": kind,
        "time": datetime.now(UTC).isoformat(), "data": data,
    }  # fmt: skip
    return event | ({"traceparent": message.traceparent} if message.traceparent else {})

"""The gateway: what it holds from start to stop, and the way of each request through it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from apps.oversight.gateway.answers import JSON, STREAM, Answer, Kept, answer_to, result_of
from apps.oversight.gateway.bridge import StdioUpstream
from apps.oversight.gateway.configuration import Configuration, Server
from apps.oversight.gateway.court import Asker, Court, Verdict
from apps.oversight.gateway.definitions import PASSED_ON
from apps.oversight.gateway.errors import GatewayError, NotAdmitted, Unanswered
from apps.oversight.gateway.messages import (
    CALL,
    LIST,
    Message,
    denial_body,
    error_body,
    read_message,
    with_arguments,
)
from apps.oversight.gateway.obligations import Unmet, fulfilled
from apps.oversight.gateway.reporting import Reporter, call_told, denial_told
from apps.oversight.gateway.settings import GatewaySettings
from apps.oversight.gateway.upstreams import PARAMETER, HttpUpstream, Upstream
from apps.oversight.gateway.watching import Watch, watch

logger = logging.getLogger(__name__)
MOST_KNOWN = 10_000
DRAINED_WITHIN_S = 8.0
IDLE_EVERY_S = 15.0
# Nothing of a server is told or done by these: whoever was admitted moments ago may send them.
HARMLESS = frozenset(
    {
        "initialize",
        "server/discover",
        "ping",
        LIST,
        CALL,
        "notifications/initialized",
        "notifications/cancelled",
    }
)
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Caller:
    """Who was let in: the agent by id and name. `told_as` is its id where the key is not the agent's own."""

    asker: Asker
    agent: str
    name: str

    @property
    def told_as(self) -> str:
        return self.agent if self.asker.agent else ""


@dataclass(frozen=True)
class Held:
    """Why a call was not carried, as the agent is told."""

    code: str
    reason: str
    steps: Sequence[str] = ()
    verdict: Verdict | None = None


class Gateway:
    """One for each process."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.court = Court(settings)
        self.configuration = Configuration(self.court, settings.refresh_s)
        self.reporter = Reporter(self.court, settings.most_reports)
        self.watch = Watch(self.court, self.configuration)
        self._upstreams: dict[str, Upstream] = {}
        self._callers: OrderedDict[tuple[Asker, str], tuple[Caller, float]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._begin(self.configuration.follow(self._changed))
        self._begin(self.reporter.run())
        self._begin(watch(self._look_at_all, self.settings.watch_s))
        self._begin(self._end_idle())

    async def stop(self) -> None:
        """What waits is told, programs are ended, connections closed."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.reporter.drain(DRAINED_WITHIN_S)
        await asyncio.gather(*(one.close() for one in self._upstreams.values()), return_exceptions=True)
        await self.court.close()

    async def post(self, asker: Asker, slug: str, raw: bytes, headers: Headers) -> Answer:
        """In order: server, message, caller; then by its method."""
        server = self.configuration.server(slug)
        message = read_message(raw, headers)
        try:
            caller = await self._caller(asker, server, message)
            upstream = self._upstream(server)
            if message.method == CALL:
                return await self._call(caller, upstream, message, headers)
            if message.method == LIST:
                return await self._list(caller, upstream, message, headers)
            return await upstream.post(message, message.raw, headers, caller.agent)
        except GatewayError as error:
            error.message_id = message.id
            raise

    async def listen(self, asker: Asker, slug: str, headers: Headers) -> Answer:
        server = self.configuration.server(slug)
        await self._admitted(asker, server)
        return await self._upstream(server).listen(headers)

    async def end(self, asker: Asker, slug: str, headers: Headers) -> Answer:
        server = self.configuration.server(slug)
        caller = await self._caller(asker, server, None)
        return await self._upstream(server).end(headers, caller.agent)

    async def _caller(self, asker: Asker, server: Server, message: Message | None) -> Caller:
        """Who asks. What a key may do is asked anew each time; only whose it is is remembered, for some seconds."""
        known = self._callers.get((asker, server.slug))
        harmless = message is None or message.method in HARMLESS
        if known is not None and harmless and time.monotonic() < known[1]:
            return known[0]
        return await self._admitted(asker, server, may_be_stopped=harmless)

    async def _admitted(self, asker: Asker, server: Server, *, may_be_stopped: bool = False) -> Caller:
        told = await self.court.admit(asker, server.slug)
        if told["objection"] and not may_be_stopped:
            raise NotAdmitted(told["objection"]["reason"], reason=told["objection"]["code"])
        caller = Caller(asker, told["agent"]["id"], told["agent"]["name"])
        self._callers[(asker, server.slug)] = (caller, time.monotonic() + self.settings.known_for_s)
        while len(self._callers) > MOST_KNOWN:
            self._callers.popitem(last=False)
        return caller

    async def _call(self, caller: Caller, upstream: Upstream, message: Message, headers: Headers) -> Answer:
        """Decided first; the server hears of it only when it may happen."""
        call_id, slug = message.call_id(), upstream.server.slug
        held, verdict = await self._judged(caller, upstream, message, call_id)
        carried, body = message, message.raw
        if held is None and verdict is not None and verdict.obligations:
            try:
                carried = _with(message, fulfilled(message.arguments, verdict.obligations))
                body = with_arguments(message, carried.arguments)
                headers = {name: value for name, value in headers.items() if not name.startswith(PARAMETER)}
            except Unmet as error:
                words = f"It was allowed on a condition that the gateway cannot keep: {error}."
                held = Held("gateway.obligation_unmet", words, verdict=verdict)
        if held is not None:
            event = denial_told(slug, message, call_id, held.code, held.reason, held.verdict, caller.told_as)
            self.reporter.add(caller.asker, event)
            return _denied(message, held, call_id)
        return await self._carried(caller, upstream, carried, body, headers, (call_id, verdict))

    async def _judged(
        self, caller: Caller, upstream: Upstream, message: Message, call_id: str
    ) -> tuple[Held | None, Verdict | None]:
        slug = upstream.server.slug
        held = await self._held_by_definition(caller, upstream, message.name)
        if held is not None:
            return held, None
        verdict = await self.court.decide(caller.asker, slug, message, call_id)
        if verdict.lets_it_go_on:
            return None, verdict
        steps = list(verdict.steps)
        if verdict.outcome == "ask":
            steps.append(
                f"A person has to decide (approval {verdict.approval}). Go on with other work, then ask again."
            )
        return Held(verdict.code, verdict.reason, steps or [NEXT], verdict), verdict

    async def _held_by_definition(self, caller: Caller, upstream: Upstream, tool: str) -> Held | None:
        """A tool is called only as it was seen and pinned."""
        slug = upstream.server.slug
        if tool not in self.configuration.tools.get(slug, {}):
            await self.watch.look_if_due(upstream, agent=caller.agent)
        standing = self.configuration.tools.get(slug, {}).get(tool)
        if standing is None:
            return Held("tool.not_defined", f"{slug} offers no tool {tool}.", ["List the tools again."])
        if not standing.is_offered:
            words = f"The definition of {slug}/{tool} is not the one that was reviewed."
            return Held(
                "tool.definition_changed", words, ["It can be called again once a person has reviewed it."]
            )
        return None

    async def _carried(
        self,
        caller: Caller,
        upstream: Upstream,
        message: Message,
        body: bytes,
        headers: Headers,
        decided: tuple[str, Verdict | None],
    ) -> Answer:
        """Carry it, and report what came of it when the answer has ended."""
        call_id, verdict = decided
        began = time.monotonic()

        def report(told: Mapping[str, Any] | None) -> None:
            duration_ms = (time.monotonic() - began) * 1000
            event = call_told(
                upstream.server.slug, message, call_id, result_of(told), duration_ms, verdict, caller.told_as
            )
            self.reporter.add(caller.asker, event)

        try:
            answer = await upstream.post(message, body, headers, caller.agent)
        except GatewayError as error:
            report({"error": {"message": error.message}})
            raise
        if answer.chunks is None:
            report(answer_to(message.id, answer.media, answer.body))
            return answer
        answer.chunks = _followed(answer.chunks, message, report)
        return answer

    async def _list(self, caller: Caller, upstream: Upstream, message: Message, headers: Headers) -> Answer:
        """Only what is as it was pinned, and of that only what the agent may call."""
        answer = await upstream.post(message, message.raw, headers, caller.agent)
        try:
            body = answer.body if answer.chunks is None else b"".join([part async for part in answer.chunks])
        finally:
            await answer.close()
        told = answer_to(message.id, answer.media, body)
        if told is None or not isinstance(told.get("result"), dict):
            return Answer(answer.status, answer.headers, body=body)
        listed = [tool for tool in told["result"].get("tools") or () if isinstance(tool, dict)]
        good = await self.watch.compare(upstream.server.slug, listed)
        may = await self.court.admit(caller.asker, upstream.server.slug, [tool["name"] for tool in good])
        offered = [_passed_on(tool) for tool in good if tool["name"] in set(may["tools"])]
        told = told | {"result": told["result"] | {"tools": offered}}
        return Answer(200, dict(answer.headers) | {"content-type": JSON}, body=orjson.dumps(told))

    def _upstream(self, server: Server) -> Upstream:
        if server.fault:
            raise Unanswered(f"{server.slug} cannot be used: {server.fault}", reason="gateway.not_configured")
        known = self._upstreams.get(server.slug)
        if known is None or known.server != server:
            if known is not None:
                self._begin(_let_go(known))
            known = self._upstreams[server.slug] = self._made(server)
        return known

    def _made(self, server: Server) -> Upstream:
        if server.command:
            return StdioUpstream(server, self.settings)
        return HttpUpstream(server, self.settings.outgoing_allow, self.settings.most_answer_bytes)

    async def _changed(self) -> None:
        """A server that is gone is let go; one whose tools nobody saw yet is looked at."""
        for slug in self._upstreams.keys() - self.configuration.servers.keys():
            self._begin(_let_go(self._upstreams.pop(slug), at_once=True))
        for slug, server in self.configuration.servers.items():
            if not self.configuration.tools.get(slug) and not server.fault:
                self._begin(self._look(server, only_if_due=True))

    async def _look_at_all(self) -> None:
        """At each by itself. Programs are looked at when they are called: none is started to be looked at."""
        for server in list(self.configuration.servers.values()):
            if not server.fault and not server.command:
                self._begin(self._look(server, only_if_due=False))

    async def _look(self, server: Server, *, only_if_due: bool) -> None:
        try:
            upstream = self._upstream(server)
            await (self.watch.look_if_due(upstream) if only_if_due else self.watch.look(upstream))
        except GatewayError as error:
            logger.warning("no look at %s: %s", server.slug, error.message)

    async def _end_idle(self) -> None:
        while True:
            await asyncio.sleep(min(IDLE_EVERY_S, self.settings.idle_s))
            for upstream in list(self._upstreams.values()):
                if isinstance(upstream, StdioUpstream):
                    await upstream.end_idle()

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task of the gateway ended", exc_info=task.exception())


NEXT = "Do not try the same call again. Use another tool, or ask the agent's owner to allow it."


async def _let_go(upstream: Upstream, *, at_once: bool = False) -> None:
    """Calls that are under way when a server is changed may end; where it is switched off they may not."""
    try:
        await asyncio.sleep(0 if at_once else upstream.server.deadline_s)
    finally:
        await upstream.close()


def _with(message: Message, arguments: dict[str, Any]) -> Message:
    params = message.params | {"arguments": arguments}
    return replace(message, params=params, body=message.body | {"params": params})


def _denied(message: Message, held: Held, call_id: str) -> Answer:
    told = {"call_id": call_id} | ({"decision": held.verdict.id} if held.verdict else {})
    body = denial_body(message, held.code, held.reason, told, held.steps)
    return Answer(200, {"content-type": JSON}, body=body)


def _passed_on(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tool.items() if name in PASSED_ON}


async def _followed(chunks: AsyncIterator[bytes], message: Message, report: Any) -> AsyncIterator[bytes]:
    """The stream as it comes; one that stands still ends with an error the client can read. Reported once."""
    kept = Kept()
    try:
        async for chunk in chunks:
            kept.add(chunk)
            yield chunk
    except GatewayError as error:
        kept.add(b"\n\n")
        event = b"event: message\ndata: " + error_body(message.id, error) + b"\n\n"
        kept.add(event)
        yield b"\n\n" + event
    finally:
        report(answer_to(message.id, STREAM, kept.body))

"""Servers that are programs: started for one agent each, spoken to over stdio, ended when nobody calls.

To clients the bridge is a server of the older era (`initialize`, answers in JSON); one that first asks for the newer one by
`server/discover` is told that it is not there, and goes on with `initialize`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import orjson
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from apps.oversight.gateway.answers import JSON, Answer
from apps.oversight.gateway.commands import environment_for, is_allowed_command, is_allowed_variable
from apps.oversight.gateway.configuration import Server
from apps.oversight.gateway.errors import METHOD_NOT_FOUND, Busy, GatewayError, Refused, Unanswered
from apps.oversight.gateway.messages import DISCOVER, INITIALIZE, Message, error_body
from apps.oversight.gateway.settings import GatewaySettings

VERSION = "2025-11-25"
STARTED_WITHIN_S, STOPPED_WITHIN_S = 20.0, 10.0
HELLO = {
    "protocolVersion": VERSION,
    "capabilities": {},
    "clientInfo": {"name": "chancery-gateway", "version": "1"},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
NO_METHOD = {"code": METHOD_NOT_FOUND, "message": "The gateway answers no requests of servers."}


class Program:
    """One running program. Its answers find their questions by ids of ours: agents' ids may collide."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0
        self._task: asyncio.Task[None] | None = None
        self._write: Any = None
        self._ready, self._stopping = asyncio.Event(), asyncio.Event()
        self.hello: dict[str, Any] = {}
        self.used_at = time.monotonic()
        self.error = ""

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def is_idle(self) -> bool:
        return not self._asked

    async def start(self) -> None:
        """Returns when it said hello. Raises Unanswered when it does not start."""
        task = self._task = asyncio.create_task(self._run(), name=f"program of {self._server.slug}")
        ready = asyncio.create_task(self._said_hello())
        try:
            await asyncio.wait({task, ready}, timeout=STARTED_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not self._ready.is_set() or not self.is_running:
            await self.stop()
            words = f"The program of {self._server.slug} did not start. {self.error}".strip()
            raise Unanswered(words, reason="gateway.program_failed")

    async def stop(self) -> None:
        """Asked to end by the end of its input, then told, then made to: some seconds at most."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOPPED_WITHIN_S)

    async def ask(self, body: Mapping[str, Any], deadline_s: float) -> dict[str, Any]:
        """Its answer, under the id of the question. Raises Unanswered when none comes within the deadline."""
        self.used_at = time.monotonic()
        self._last += 1
        number = self._last
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(deadline_s):
                await self._tell({**body, "id": number})
                told: dict[str, Any] = await future | {"id": body.get("id")}
                return told
        except TimeoutError as error:
            words = f"{self._server.slug} did not answer within {deadline_s:g} s."
            raise Unanswered(words) from error
        finally:
            self._asked.pop(number, None)
            self.used_at = time.monotonic()

    async def tell(self, body: Mapping[str, Any]) -> None:
        """A notification."""
        try:
            async with asyncio.timeout(self._server.deadline_s):
                await self._tell(body)
        except TimeoutError as error:
            raise Unanswered(f"{self._server.slug} takes nothing any longer.") from error

    async def _tell(self, body: Mapping[str, Any]) -> None:
        try:
            await self._write.send(SessionMessage(jsonrpc_message_adapter.validate_python(dict(body))))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise self._gone() from error
        except ValueError as error:
            raise Refused("The message cannot be carried to a program.") from error

    async def _said_hello(self) -> None:
        await self._ready.wait()

    async def _run(self) -> None:
        home = tempfile.mkdtemp(prefix="chancery-mcp-")
        try:
            await self._live(home)
        except (OSError, ValueError, ExceptionGroup) as error:
            self.error = type(error).__name__
        finally:
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(self._gone())
                    future.exception()
            await asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, home, True)

    async def _live(self, home: str) -> None:
        """Until it ends or is stopped; the library ends the whole tree of what it started."""
        with Path(os.devnull).open("w") as nowhere:  # what it says beside the protocol may hold secrets
            async with stdio_client(self._parameters(home), errlog=nowhere) as (read, self._write):
                work = [
                    asyncio.create_task(one)
                    for one in (self._hear(read), self._stopping.wait(), self._greet())
                ]
                await asyncio.wait(work[:2], return_when=asyncio.FIRST_COMPLETED)
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)

    async def _hear(self, read: Any) -> None:
        async for message in read:
            await self._heard(message)

    async def _greet(self) -> None:
        with suppress(GatewayError):
            told = await self.ask({"jsonrpc": "2.0", "method": INITIALIZE, "params": HELLO}, STARTED_WITHIN_S)
            if "result" in told:
                self.hello = told["result"]
                await self._tell(INITIALIZED)
                self._ready.set()

    def _parameters(self, home: str) -> StdioServerParameters:
        server = self._server
        given = {server.secret_variable: server.secret} if is_allowed_variable(server.secret_variable) else {}
        surroundings = environment_for(os.environ, home, given)
        return StdioServerParameters(
            command=server.command[0], args=list(server.command[1:]), env=surroundings, cwd=home
        )

    async def _heard(self, message: SessionMessage | Exception) -> None:
        if isinstance(message, Exception):
            return
        told = message.message.model_dump(by_alias=True, exclude_unset=True)
        if "method" in told:
            if told.get("id") is not None:
                await self._tell({"jsonrpc": "2.0", "id": told["id"], "error": NO_METHOD})
            return
        future = self._asked.get(told.get("id"))  # type: ignore[arg-type]
        if future is not None and not future.done():
            future.set_result(told)

    def _gone(self) -> GatewayError:
        return Unanswered(f"The program of {self._server.slug} ended.", reason="gateway.program_ended")


class StdioUpstream:
    """A server that is a program: one of them for each agent, at most as many as it may have calls at once."""

    def __init__(self, server: Server, settings: GatewaySettings) -> None:
        self.server, self._settings = server, settings
        self._programs: dict[str, Program] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._calls = 0

    @property
    def running(self) -> int:
        return sum(program.is_running for program in self._programs.values())

    async def post(self, message: Message, body: bytes, headers: Mapping[str, str], agent: str) -> Answer:
        if message.method == DISCOVER:
            error = Refused("This server speaks the protocol up to 2025-11-25.", code=METHOD_NOT_FOUND)
            return _json(error_body(message.id, error), 400)
        if self._calls >= self.server.most_at_once:
            raise Busy(f"{self.server.slug} has {self._calls} calls at once already. Try again in a moment.")
        self._calls += 1
        try:
            return await self._asked(message, orjson.loads(body), agent)
        finally:
            self._calls -= 1

    async def listen(self, headers: Mapping[str, str]) -> Answer:
        """There is nothing to listen to."""
        return Answer(405, {"allow": "POST, DELETE"})

    async def end(self, headers: Mapping[str, str], agent: str) -> Answer:
        program = self._programs.pop(agent, None)
        if program is not None:
            await program.stop()
        return Answer(200, {})

    async def end_idle(self) -> None:
        """End what nobody called for a while, and forget what ended by itself."""
        now = time.monotonic()
        for agent, program in list(self._programs.items()):
            is_old = now - program.used_at > self._settings.idle_s and program.is_idle
            if is_old or not program.is_running:
                self._programs.pop(agent, None)
                await program.stop()

    async def close(self) -> None:
        programs, self._programs = list(self._programs.values()), {}
        await asyncio.gather(*(program.stop() for program in programs))

    async def _asked(self, message: Message, body: dict[str, Any], agent: str) -> Answer:
        program = await self._program_of(agent)
        if message.method == INITIALIZE:
            return _json(orjson.dumps({"jsonrpc": "2.0", "id": message.id, "result": program.hello}))
        if message.id is None or not message.method:
            if message.method and message.method != INITIALIZED["method"]:
                await program.tell(body)
            return Answer(202, {})
        return _json(orjson.dumps(await program.ask(body, self.server.deadline_s)))

    async def _program_of(self, agent: str) -> Program:
        async with self._locks.setdefault(agent, asyncio.Lock()):
            program = self._programs.get(agent)
            if program is not None and program.is_running:
                return program
            if not is_allowed_command(self.server.command, self._settings.commands):
                words = f"The command of {self.server.slug} is not one this gateway may start."
                raise Unanswered(words, reason="gateway.command_not_listed")
            await self._make_room()
            program = Program(self.server)
            await program.start()
            self._programs[agent] = program
            return program

    async def _make_room(self) -> None:
        """One more program has room, if the one that is idle for longest has to go for it."""
        if self.running < min(self.server.most_at_once, self._settings.most_processes):
            return
        idle = [agent for agent, program in self._programs.items() if program.is_idle]
        if not idle:
            raise Busy(f"{self.server.slug} runs for {self.running} agents already. Try again in a moment.")
        oldest = min(idle, key=lambda agent: self._programs[agent].used_at)
        await self._programs.pop(oldest).stop()


def _json(body: bytes, status: int = 200) -> Answer:
    return Answer(status, {"content-type": JSON}, body=body)

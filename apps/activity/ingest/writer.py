"""Rows to disk: COPY and one commit for whatever arrived while the last commit ran.

There is no timer: a group is what waits when a writer becomes free. Each group is one transaction of its
resources, its rows and one outbox row with the ids that were new. A repeated delivery meets its own primary
key: the group then goes through a staging table that keeps the new rows only. When a group fails for
another reason each request is tried alone, so that one poisoned request does not fail its neighbours.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Jsonb

from apps.activity.ingest.errors import Malformed, NotDurable, Overloaded
from apps.activity.ingest.normalise import Batch
from apps.activity.ingest.rows import COLUMNS, TYPES, Row
from apps.activity.ingest.settings import IngestSettings

logger = logging.getLogger(__name__)
MOST_ROWS = 20_000
RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
COPY = f"COPY activity_span ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
STAGE = "CREATE TEMP TABLE IF NOT EXISTS ingest_staging (LIKE activity_span) ON COMMIT DELETE ROWS"
COPY_STAGING = f"COPY ingest_staging ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
KEEP_NEW = (
    f"INSERT INTO activity_span ({COLUMNS}) SELECT DISTINCT ON (id) {COLUMNS} FROM ingest_staging "  # noqa: S608
    "ON CONFLICT (id) DO NOTHING RETURNING id"
)
RESOURCE = """
INSERT INTO activity_resource (id, attributes, first_seen) VALUES (%s, %s, now()) ON CONFLICT DO NOTHING
"""
OUTBOX = """
INSERT INTO activity_outbox (created_at, span_ids, attempts, error) VALUES (clock_timestamp(), %s, 0, '')
"""

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass
class Waiting:
    """One request on its way to disk."""

    batch: Batch
    size: int
    done: asyncio.Future[None]


class Writer:
    """Takes batches, answers when they are committed. Bounded by bytes, not by requests."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._queue: deque[Waiting] = deque()
        self._bytes = 0
        self._work = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._known_resources: set[UUID] = set()

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._settings.writers)]

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping = True
        self._work.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def write(self, batch: Batch, size: int) -> None:
        """Return once `batch` is durable; Overloaded at once when too much waits already."""
        if not batch.rows:
            return
        if self._bytes + size > self._settings.max_queue_bytes:
            raise Overloaded("too much is waiting to be written", retry_after_s=1)
        waiting = Waiting(batch, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._bytes += size
        self._work.set()
        try:
            await asyncio.wait_for(asyncio.shield(waiting.done), self._settings.commit_timeout_s)
        except TimeoutError as error:
            raise NotDurable("the database did not take it in time", retry_after_s=2) from error

    async def _run(self) -> None:
        connection: Connection | None = None
        while not self._stopping or self._queue:
            await self._work.wait()
            group = self._take()
            if not group:
                continue
            connection = await self._settle(group, connection)
        if connection is not None:
            await connection.close()

    def _take(self) -> list[Waiting]:
        """Everything that waits, up to a bound on rows."""
        group: list[Waiting] = []
        rows = 0
        while self._queue and rows < MOST_ROWS:
            waiting = self._queue.popleft()
            rows += len(waiting.batch.rows)
            group.append(waiting)
        if not self._queue and not self._stopping:
            self._work.clear()
        return group

    async def _settle(self, group: list[Waiting], connection: Connection | None) -> Connection | None:
        """Write the group and answer each of its requests; returns the connection to go on with."""
        try:
            for pause_s in (*RETRY_S, None):
                try:
                    connection = connection or await self._connect()
                    await self._write_group(connection, group)
                    return connection
                except (psycopg.OperationalError, OSError) as error:
                    await _close(connection)
                    connection = None
                    if pause_s is None:
                        _answer(group, NotDurable("the database does not answer", retry_after_s=2))
                        logger.error("the database does not take spans: %s", error)
                        return None
                    await asyncio.sleep(pause_s)
        finally:
            self._bytes -= sum(waiting.size for waiting in group)
            _answer(group, NotDurable("it was not written", retry_after_s=2))
        return connection

    async def _write_group(self, connection: Connection, group: list[Waiting]) -> None:
        try:
            await self._commit(connection, group)
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            for waiting in group:
                await self._write_alone(connection, waiting)
        _answer(group, None)

    async def _write_alone(self, connection: Connection, waiting: Waiting) -> None:
        try:
            await self._commit(connection, [waiting])
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            logger.warning("a request was refused by the database: %s", error)
            _answer([waiting], Malformed(f"the database refused it: {error.diag.message_primary}"))

    async def _commit(self, connection: Connection, group: Sequence[Waiting]) -> None:
        """The straight way, or past what is stored already."""
        try:
            await self._transact(connection, group, staged=False)
        except psycopg.errors.UniqueViolation:
            await self._transact(connection, group, staged=True)

    async def _transact(self, connection: Connection, group: Sequence[Waiting], *, staged: bool) -> None:
        rows = [row for waiting in group for row in waiting.batch.rows]
        fresh = {
            key: value
            for w in group
            for key, value in w.batch.resources.items()
            if key not in self._known_resources
        }
        async with connection.transaction(), connection.cursor() as cursor:
            for key in sorted(fresh):  # in key order: two writers then never wait for each other in a ring
                await cursor.execute(RESOURCE, [key, Jsonb(fresh[key], dumps=orjson.dumps)])
            ids = await (_copy_new(cursor, rows) if staged else _copy(cursor, COPY, rows))
            if ids:
                await cursor.execute(OUTBOX, [ids])
        self._known_resources.update(fresh)

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(self._settings.dsn, autocommit=True, connect_timeout=5)


async def _copy(cursor: psycopg.AsyncCursor[Any], statement: str, rows: Iterable[Row]) -> list[UUID]:
    ids = []
    async with cursor.copy(statement) as copy:
        copy.set_types(TYPES)
        for row in rows:
            await copy.write_row((*row[:-1], Jsonb(row[-1], dumps=orjson.dumps)))
            ids.append(row.id)
    return ids


async def _copy_new(cursor: psycopg.AsyncCursor[Any], rows: Iterable[Row]) -> list[UUID]:
    await cursor.execute(STAGE)
    await _copy(cursor, COPY_STAGING, rows)
    await cursor.execute(KEEP_NEW)
    return [row[0] for row in await cursor.fetchall()]


def _answer(group: Iterable[Waiting], error: Exception | None) -> None:
    """Answer whoever has no answer yet."""
    for waiting in group:
        if waiting.done.done():
            continue
        if error is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(error)


async def _close(connection: Connection | None) -> None:
    if connection is not None:
        await connection.close()

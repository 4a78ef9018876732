"""Rows to disk: COPY and one commit for whatever arrived while the last commit ran.

There is no timer: a group is what waits when a writer becomes free. Each group is one transaction of its
resources, its rows and outbox rows with the ids that were new; a group of a few rows is one statement. A
repeated delivery meets its own primary key: the group then goes through a staging table that keeps the new rows
only. When a group fails for another reason each request is tried alone, so that one poisoned request does not
fail its neighbours. Only
data that the database cannot hold is the sender's fault (400); whatever else goes wrong is ours (503, try again).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Jsonb

from apps.activity.ingest.connecting import Connection, connect
from apps.activity.ingest.errors import Malformed, NotDurable
from apps.activity.ingest.normalise import Batch
from apps.activity.ingest.rows import COLUMNS, TYPES, Row
from apps.activity.ingest.settings import IngestSettings
from apps.kit.ids import as_array

logger = logging.getLogger(__name__)
MOST_ROWS = 20_000
MOST_IN_OUTBOX_ROW = 2000
MOST_RESOURCES = 4096
RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
COPY = f"COPY activity_span ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
STAGE = "CREATE TEMP TABLE IF NOT EXISTS ingest_staging (LIKE activity_span) ON COMMIT DELETE ROWS"
COPY_STAGING = f"COPY ingest_staging ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
KEEP_NEW = (
    f"INSERT INTO activity_span ({COLUMNS}) SELECT DISTINCT ON (id) {COLUMNS} FROM ingest_staging "  # noqa: S608
    "ON CONFLICT (id) DO NOTHING RETURNING id"
)
# A few rows and their outbox row in one statement: one way to the database in place of five. As one JSON text,
# for which there is one prepared statement whatever is NULL.
MOST_AT_A_STROKE = 16
STROKE = (
    f"WITH new AS (INSERT INTO activity_span ({COLUMNS}) SELECT {COLUMNS} FROM "  # noqa: S608
    "jsonb_populate_recordset(NULL::activity_span, %s::text::jsonb) ON CONFLICT (id) DO NOTHING RETURNING id) "
    "INSERT INTO activity_outbox (created_at, span_ids, attempts, error) "
    "SELECT clock_timestamp(), array_agg(id), 0, '' FROM new HAVING count(*) > 0"
)
# In key order: two writers then never wait for each other in a ring.
RESOURCES = """
INSERT INTO activity_resource (id, attributes, first_seen)
SELECT id, attributes::jsonb, now() FROM unnest(%s::uuid[], %s::text[]) AS new (id, attributes) ORDER BY id
ON CONFLICT DO NOTHING
"""
OUTBOX = """
INSERT INTO activity_outbox (created_at, span_ids, attempts, error) VALUES (clock_timestamp(), %s::text::uuid[], 0, '')
"""
# The connection is of no use any more, or the database is on its way out. TimeoutError is an OSError.
GONE = (psycopg.OperationalError, psycopg.InterfaceError, OSError)


@dataclass(eq=False)
class Waiting:
    """One request on its way to disk."""

    batch: Batch
    done: asyncio.Future[None]


class Writer:
    """Takes batches, answers when they are committed. What waits is bounded by the door's budget."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._queue: deque[Waiting] = deque()
        self._work = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._known_resources: OrderedDict[UUID, None] = OrderedDict()

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._settings.writers)]

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._stopping = True
        self._work.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def write(self, batch: Batch) -> None:
        """Return once `batch` is durable. Who gives up waiting leaves the queue."""
        if not batch.rows:
            return
        waiting = Waiting(batch, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._work.set()
        try:
            async with asyncio.timeout(self._settings.commit_timeout_s):
                await waiting.done
        except TimeoutError as error:
            raise NotDurable("the database did not take it in time", retry_after_s=2) from error
        finally:
            if waiting.done.cancelled():
                with contextlib.suppress(ValueError):
                    self._queue.remove(waiting)

    async def _run(self) -> None:
        connection: Connection | None = None
        while not self._stopping or self._queue:
            await self._work.wait()
            group = self._take()
            if not group:
                continue
            try:
                connection = await self._settle(group, connection)
            except Exception:
                logger.exception("a writer stumbled; it goes on with a new connection")
                await _close(connection)
                connection = None
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
                except GONE as error:
                    await _close(connection)
                    connection = None
                    if pause_s is None or all(waiting.done.done() for waiting in group):
                        logger.error("the database does not take spans: %s", error)
                        return None
                    await asyncio.sleep(pause_s)
        finally:
            _answer(group, NotDurable("the database does not answer", retry_after_s=2))
        return connection

    async def _write_group(self, connection: Connection, group: list[Waiting]) -> None:
        try:
            await self._commit(connection, group)
        except GONE:
            raise
        except Exception:
            logger.warning("a group failed; its %s requests are tried one by one", len(group), exc_info=True)
            for waiting in group:
                await self._write_alone(connection, waiting)
        else:
            _answer(group, None)

    async def _write_alone(self, connection: Connection, waiting: Waiting) -> None:
        try:
            await self._commit(connection, [waiting])
        except GONE:
            raise
        except psycopg.DataError as error:
            logger.warning("the database cannot hold what a request says: %s", error)
            _answer([waiting], Malformed(f"the database refused it: {error.diag.message_primary}"))
        except Exception:
            logger.exception("a request could not be written")
            _answer([waiting], NotDurable("the database does not take it", retry_after_s=5))
        else:
            _answer([waiting], None)

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
        if not fresh and not staged and len(rows) <= MOST_AT_A_STROKE:
            async with asyncio.timeout(self._settings.statement_timeout_s):
                few = orjson.dumps([row._asdict() for row in rows], default=_hex).decode()
                await connection.execute(STROKE, [few], prepare=True)
            return
        async with (
            asyncio.timeout(self._settings.statement_timeout_s),
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            if fresh:
                told = [orjson.dumps(attributes).decode() for attributes in fresh.values()]
                await cursor.execute(RESOURCES, [list(fresh), told])
            ids = await (_copy_new(cursor, rows) if staged else _copy(cursor, COPY, rows))
            for at in range(0, len(ids), MOST_IN_OUTBOX_ROW):
                await cursor.execute(OUTBOX, [as_array(ids[at : at + MOST_IN_OUTBOX_ROW])])
        self._remember(key for waiting in group for key in waiting.batch.resources)

    def _remember(self, resources: Iterable[UUID]) -> None:
        """These are stored; the longest unused of too many are forgotten, and would be stored again in vain."""
        for key in resources:
            self._known_resources[key] = None
            self._known_resources.move_to_end(key)
        while len(self._known_resources) > MOST_RESOURCES:
            self._known_resources.popitem(last=False)

    async def _connect(self) -> Connection:
        return await connect(self._settings.dsn, self._settings.statement_timeout_s)


async def _copy(cursor: psycopg.AsyncCursor[Any], statement: str, rows: Iterable[Row]) -> list[UUID]:
    ids = []
    async with cursor.copy(statement) as copy:
        copy.set_types(TYPES)
        for row in rows:
            await copy.write_row((*row[:-1], Jsonb(row[-1], dumps=orjson.dumps)))
            ids.append(row.id)
    return ids


def _hex(value: bytes) -> str:
    """bytea as PostgreSQL reads it out of text."""
    return f"\\x{value.hex()}"


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

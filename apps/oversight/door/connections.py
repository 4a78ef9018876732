"""A few connections of the door's own, each for one statement at a time: prepared once, planned once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg

from apps.activity.ingest.connecting import Connection, connect

MOST = 4
STATEMENT_S = 5.0


class Connections:
    """Handed out last in, first out, so that a quiet door uses one; made when they are first needed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(MOST)

    async def count(self, sql: str, values: Sequence[Any]) -> int:
        """The one number that the statement gives. Raises psycopg.Error where the database does not answer."""
        async with self._room, asyncio.timeout(STATEMENT_S):
            own = self._idle.pop() if self._idle else await connect(self._dsn, STATEMENT_S)
            done = False
            try:
                try:
                    cursor = await own.execute(sql, values, prepare=True)
                except (
                    psycopg.OperationalError
                ):  # the database went away meanwhile, perhaps after it had written
                    await own.close()
                    own = await connect(self._dsn, STATEMENT_S)
                    cursor = await own.execute(sql, values, prepare=True)
                row = await cursor.fetchone()
                done = True
                return int(row[0]) if row else 0
            except psycopg.errors.UniqueViolation:  # it had: ids are made for one decision each
                done = True
                return 1
            finally:
                if done:
                    self._idle.append(own)
                else:
                    await own.close()

    async def close(self) -> None:
        for own in self._idle:
            await own.close()
        self._idle.clear()

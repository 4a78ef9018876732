"""Who reports: the live API key behind a bearer token, remembered for a few seconds."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import psycopg

from apps.activity.ingest.connecting import Connection, connect
from apps.activity.ingest.errors import Forbidden, NotDurable, Unauthenticated

MOST_REMEMBERED = 4096
TOUCH_EVERY_S = 60.0
LOOK_UP = """
SELECT k.id, k.secret_hash, k.principal_id, k.scopes, k.expires_at, k.revoked_at IS NULL AND p.is_active
FROM identity_apikey k JOIN identity_principal p ON p.id = k.principal_id WHERE k.prefix = %s
"""
# Ids, numbers and slugs of agents: of an agent's own key itself, of others their team's. As the pipeline believes them.
SPEAKS_FOR = """
SELECT coalesce(jsonb_object_agg(n.name, a.id), '{}') FROM unnest(%s::text[]) AS n (name)
JOIN identity_principal p ON p.id = %s
JOIN agents_agent a ON a.slug = n.name
  OR a.id = CASE WHEN n.name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN n.name::uuid END
  OR a.number = CASE WHEN n.name ~* '^AGT-[0-9]{1,9}$' THEN substr(n.name, 5)::integer END
WHERE CASE WHEN p.kind = 'agent' THEN a.principal_id = p.id ELSE a.team_id = p.team_id END
"""
TOUCH = "UPDATE identity_apikey SET last_used_at = now() WHERE id = %s"


@dataclass(frozen=True)
class Known:
    """What a key opened when it was last looked up; `principal_id` None for one that opens nothing."""

    principal_id: UUID | None
    may_ingest: bool
    expires_at: datetime | None
    looked_up_at: float
    key_id: UUID | None = None


class KeyRing:
    """Looks keys up over one connection of its own; a revoked key is forgotten within `memory_s`."""

    def __init__(self, dsn: str, memory_s: float, timeout_s: float) -> None:
        self._dsn, self._memory_s, self._timeout_s = dsn, memory_s, timeout_s
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._touched: dict[UUID, float] = {}
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._touching: set[asyncio.Task[None]] = set()

    async def source_of(self, authorization: str) -> UUID:
        """The principal that reports with this header; Unauthenticated or Forbidden otherwise.

        OTEL_EXPORTER_OTLP_HEADERS is percent-encoded, and the JavaScript exporters (Claude Code) send it as it stands.
        """
        scheme, _, token = unquote(authorization).partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("send an ingest key: authorization: Bearer chy_...")
        known = await self._know(token.strip().encode())
        expired = known.expires_at is not None and known.expires_at.timestamp() < time.time()
        if known.principal_id is None or expired:
            raise Unauthenticated("this key is not known, expired or revoked")
        if not known.may_ingest:
            raise Forbidden("this key may not report activity; it lacks the scope ingest")
        self._touch_later(known)
        return known.principal_id

    async def speaks_for(self, source_id: UUID, names: Collection[str]) -> dict[str, str]:
        """The ids of those of these agents that the source may declare, by the names it gave them."""
        row = await self._query(SPEAKS_FOR, list(names), source_id)
        return dict(row[0]) if row else {}

    async def close(self) -> None:
        if self._touching:
            await asyncio.wait(self._touching, timeout=2)
        if self._connection is not None:
            await self._connection.close()

    async def _know(self, token: bytes) -> Known:
        digest = sha256(token).digest()
        known = self._known.get(digest)
        if known is None or time.monotonic() - known.looked_up_at > self._memory_s:
            known = await self._look_up(token, digest)
            self._known[digest] = known
            self._known.move_to_end(digest)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return known

    async def _look_up(self, token: bytes, digest: bytes) -> Known:
        parts = token.split(b"_", 2)
        prefix = parts[1].decode("latin-1") if len(parts) == 3 and parts[0] == b"chy" else ""
        prefix = prefix if prefix.isalnum() else ""
        row = await self._query(LOOK_UP, prefix) if prefix else None
        now = time.monotonic()
        if row is None or not row[5] or not hmac.compare_digest(bytes(row[1]), digest):
            return Known(None, False, None, now)
        return Known(row[2], "ingest" in row[3], row[4], now, row[0])

    async def _query(self, sql: str, *values: object, fetch: bool = True) -> tuple[Any, ...] | None:
        """One statement; a connection that went away is opened anew once. NotDurable when that does not help."""
        try:
            async with asyncio.timeout(self._timeout_s), self._lock:
                try:
                    return await self._ask(sql, values, fetch)
                except (psycopg.OperationalError, psycopg.InterfaceError):
                    return await self._ask(sql, values, fetch)
        except (psycopg.Error, OSError) as error:
            raise NotDurable("the database does not answer", retry_after_s=2) from error

    async def _ask(self, sql: str, values: Sequence[object], fetch: bool) -> tuple[Any, ...] | None:
        done = False
        try:
            if self._connection is None or self._connection.closed:
                self._connection = await connect(self._dsn, self._timeout_s)
            cursor = await self._connection.execute(sql, values)
            row = await cursor.fetchone() if fetch else None
            done = True
            return row
        finally:
            if not done:  # also when the time was over: nobody knows what the connection still holds
                await self._drop()

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        self._connection = None

    def _touch_later(self, known: Known) -> None:
        """Note the key's use at most once a minute, beside the request."""
        key_id, now = known.key_id, time.monotonic()
        if key_id is None or now - self._touched.get(key_id, -TOUCH_EVERY_S) < TOUCH_EVERY_S:
            return
        self._touched[key_id] = now
        task = asyncio.create_task(self._touch(key_id))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    async def _touch(self, key_id: UUID) -> None:
        try:
            await self._query(TOUCH, key_id, fetch=False)
        except NotDurable:
            self._touched.pop(key_id, None)

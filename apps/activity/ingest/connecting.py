"""Connections of the door: every statement has an end, and a peer that went silent is noticed."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
CONNECT_TIMEOUT_S = 5


async def connect(dsn: str, statement_timeout_s: float) -> Connection:
    """A connection of its own in autocommit; the server ends a statement after `statement_timeout_s`."""
    timeout_ms = int(statement_timeout_s * 1000)
    described = make_conninfo(
        dsn, connect_timeout=CONNECT_TIMEOUT_S, tcp_user_timeout=timeout_ms,
        keepalives=1, keepalives_idle=5, keepalives_interval=2, keepalives_count=3,
    )  # fmt: skip
    connection = await psycopg.AsyncConnection.connect(described, autocommit=True)
    await connection.execute("SELECT set_config('statement_timeout', %s, false)", [f"{timeout_ms}ms"])
    return connection

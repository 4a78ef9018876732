"""Daily partitions of whatever grows with every call: making them ahead, and telling when that failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import connection

LEAST_DAYS_AHEAD = 2
LAST_DAY = """
SELECT max(to_date(right(c.relname, 8), 'YYYYMMDD')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass AND c.relname LIKE '%%\\_p________'
"""


@dataclass(frozen=True)
class PartitionHealth:
    """How far ahead a table has partitions, and how many rows lie outside all of them."""

    table: str
    days_ahead: int
    in_default: int

    @property
    def is_well(self) -> bool:
        return self.days_ahead >= LEAST_DAYS_AHEAD


def create_partitions(days_ahead: int) -> int:
    """Make what is missing up to `days_ahead`; rows in the default partition move to theirs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT activity_create_partitions(%s)", [days_ahead])
        made: int = cursor.fetchone()[0]
    return made


def partition_health() -> list[PartitionHealth]:
    """One line for each partitioned table; two queries each."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM activity_partitioned_tables")
        tables = [name for (name,) in cursor.fetchall()]
    return [_health(table) for table in tables]


def _health(table: str) -> PartitionHealth:
    with connection.cursor() as cursor:
        cursor.execute(LAST_DAY, [table])
        last: date | None = cursor.fetchone()[0]
        cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table}_default LIMIT 100000) AS stray")  # noqa: S608
        stray: int = cursor.fetchone()[0]
    today = datetime.now(UTC).date()
    return PartitionHealth(table, (last - today).days if last else -1, stray)

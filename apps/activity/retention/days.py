"""The days a table consists of: its partitions, and what lies outside them; measuring and deleting one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db import connection

from apps.kit.ids import first_id_at

PARTITIONS = r"""
SELECT to_date(right(c.relname, 8), 'YYYYMMDD') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = %s::regclass AND c.relname LIKE '%%\_p________'
"""
# Ids begin with their time in milliseconds.
STRAY = """
SELECT DISTINCT (to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
  AT TIME ZONE 'UTC')::date FROM {table}_default WHERE id < %s
"""
DELETE_SOME = """
DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id >= %s AND id < %s ORDER BY id LIMIT 20000)
"""


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def bounds(day: date) -> tuple[UUID, UUID]:
    """The ids of a day: from the first one, up to but without the second."""
    return first_id_at(midnight(day)), first_id_at(midnight(day) + timedelta(days=1))


def days_before(table: str, day: date) -> list[date]:
    """The days of a table before this one, oldest first, without those that have a partition but no row."""
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS, [table])
        days = {found for (found,) in cursor.fetchall() if found < day}
        cursor.execute(STRAY.format(table=table), [first_id_at(midnight(day))])
        days |= {found for (found,) in cursor.fetchall()}
    return sorted(days)


def measure(table: str, day: date) -> tuple[int, int]:
    """How many rows a day has, and a figure that every change of a call raises (0 where rows never change)."""
    newest = "coalesce(max(position), 0)" if table == "activity_toolcall" else "0"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), {newest} FROM {table} WHERE id >= %s AND id < %s", bounds(day))  # noqa: S608
        rows, mark = cursor.fetchone()
    return rows, mark


def hold_still(table: str, day: date) -> None:
    """Until the transaction ends nobody writes into this day's partition; rows outside partitions are not held."""
    part = f"{table}_p{day:%Y%m%d}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [part])
        if cursor.fetchone()[0]:
            cursor.execute(f"LOCK TABLE {part} IN SHARE ROW EXCLUSIVE MODE")


def delete_day(table: str, day: date) -> None:
    """Drop the day's partition, delete what lies outside it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT activity_drop_day(%s, %s)", [table, day])
        while True:
            cursor.execute(DELETE_SOME.format(table=table), bounds(day))
            if not cursor.rowcount:
                return

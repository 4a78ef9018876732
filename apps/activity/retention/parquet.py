"""A day of a table as one Parquet file: PostgreSQL gives CSV, DuckDB makes Parquet of it. Ids are UUIDs, times are in
UTC, bytes are blobs, JSON is text; NULL and '' stay apart."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from hashlib import file_digest
from pathlib import Path
from typing import Any

import duckdb
from django.db import connection
from psycopg import sql

from apps.activity.retention.days import bounds

COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
# What PostgreSQL has, how it is told, what it becomes. Anything else is text.
KINDS = {
    "uuid": ("{}", "UUID"),
    "bigint": ("{}", "BIGINT"),
    "double precision": ("{}", "DOUBLE"),
    "boolean": ("{}", "BOOLEAN"),
    "timestamp with time zone": ("{} AT TIME ZONE 'UTC'", "TIMESTAMP"),
    "bytea": ("encode({}, 'hex')", "VARCHAR"),
    "character varying[]": ("to_jsonb({})", "VARCHAR"),
}
LIMITS = "SET memory_limit = '512MB'; SET threads = 1; SET preserve_insertion_order = true"
LARGEST_LINE = 64 * 1024 * 1024


def write_day(table: str, day: date, path: Path) -> None:
    """Write the day's rows in order of their ids; the file is whole or not there."""
    columns = _columns(table)
    told = path.with_suffix(".csv.tmp")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        _copy(table, day, columns, told)
        _convert(columns, told, path)
    finally:
        told.unlink(missing_ok=True)


def write_without(
    path: Path, condition: str, values: Sequence[object], blank: Sequence[str], to: Path
) -> None:
    """The same file again, with these columns empty in the rows for which the condition holds."""
    emptied = ", ".join(f"CASE WHEN {condition} THEN NULL ELSE {name} END AS {name}" for name in blank)
    asked = f"SELECT * REPLACE ({emptied}) FROM read_parquet(?)"  # noqa: S608
    with _duckdb() as database:
        parameters = [*[value for _ in blank for value in values], str(path)]
        _keep(database, asked, to, parameters)


def count_rows(path: Path, condition: str = "true", values: Sequence[object] = ()) -> int:
    """How many rows of a file fit a condition."""
    with _duckdb() as database:
        asked = f"SELECT count(*) FROM read_parquet(?) WHERE {condition}"  # noqa: S608
        row = database.execute(asked, [str(path), *values]).fetchone()
        return int(row[0]) if row else 0


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _duckdb() -> duckdb.DuckDBPyConnection:
    """A database in memory that reaches for nothing over the network."""
    database = duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    database.execute(LIMITS)
    return database


def _columns(table: str) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [table])
        return list(cursor.fetchall())


def _copy(table: str, day: date, columns: Sequence[tuple[str, str]], to: Path) -> None:
    """The day as CSV, readable for nobody else."""
    told = sql.SQL(", ").join(
        sql.SQL(KINDS.get(kind, ("{}", ""))[0]).format(sql.Identifier(name)) for name, kind in columns
    )
    low, high = bounds(day)
    query = sql.SQL(
        "COPY (SELECT {} FROM {} WHERE id >= {} AND id < {} ORDER BY id) TO STDOUT (FORMAT csv)"
    ).format(told, sql.Identifier(table), low, high)
    with open(to, "wb", opener=_private) as file, connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            file.write(block)


def _convert(columns: Sequence[tuple[str, str]], told: Path, path: Path) -> None:
    kinds = {name: KINDS.get(kind, ("", "VARCHAR"))[1] for name, kind in columns}
    wanted = ", ".join(f"unhex({name}) AS {name}" if kind == "bytea" else name for name, kind in columns)
    asked = (
        f"SELECT {wanted} FROM read_csv(?, header = false, columns = ?, nullstr = '', allow_quoted_nulls = false, "  # noqa: S608
        f"delim = ',', quote = '\"', escape = '\"', parallel = false, max_line_size = {LARGEST_LINE})"
    )
    with _duckdb() as database:
        _keep(database, asked, path, [str(told), kinds])


def _keep(database: duckdb.DuckDBPyConnection, asked: str, path: Path, parameters: Sequence[Any]) -> None:
    """What a query gives as a file under its name: written beside it, brought to disk, moved there."""
    beside = path.with_suffix(".tmp")
    place = str(beside).replace("'", "''")
    database.execute(f"COPY ({asked}) TO '{place}' (FORMAT parquet, COMPRESSION zstd)", parameters)
    beside.chmod(0o600)
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.rename(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

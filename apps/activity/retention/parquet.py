"""A day of a table as one Parquet file: PostgreSQL gives CSV, DuckDB makes Parquet of it. Ids are UUIDs, times are in
UTC, bytes are blobs, JSON is text; NULL and '' stay apart."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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


def write_day(table: str, day: date, path: Path, instead: Mapping[str, sql.Composable]) -> None:
    """Write the day's rows in order of their ids; the file is whole or not there. `instead` are expressions that
    stand for columns."""
    columns = _columns(table)
    told = path.with_suffix(".csv.tmp")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        _copy(table, day, columns, told, instead)
        _convert(columns, told, path)
    finally:
        told.unlink(missing_ok=True)


def find_rows(
    path: Path, wanted: Sequence[str], condition: str, first: Sequence[object], then: Sequence[object]
) -> list[tuple[Any, ...]]:
    """These expressions (over `t`) of the rows that fit a condition; `first` are the values that the expressions ask
    for, `then` those of the condition."""
    asked = f"SELECT {', '.join(wanted)} FROM read_parquet(?) t WHERE {condition}"  # noqa: S608
    with _duckdb() as database:
        return database.execute(asked, [*first, str(path), *then]).fetchall()


def write_changed(path: Path, changes: Mapping[str, Mapping[str, str]], to: Path) -> None:
    """The same file again, with other texts in some columns of some rows: {id: {column: text}}."""
    columns = sorted({name for some in changes.values() for name in some})
    told = ", ".join(f"coalesce(n.{name}, t.{name}) AS {name}" for name in columns)
    fields = ", ".join(f"{name} VARCHAR" for name in columns)
    rows = [[key, *(some.get(name) for name in columns)] for key, some in changes.items()]
    with _duckdb() as database:
        database.execute(f"CREATE TABLE changed (key UUID PRIMARY KEY, {fields})")
        database.executemany(f"INSERT INTO changed VALUES ({', '.join('?' * (len(columns) + 1))})", rows)  # noqa: S608
        asked = f"SELECT t.* REPLACE ({told}) FROM read_parquet(?) t LEFT JOIN changed n ON n.key = t.id"  # noqa: S608
        _keep(database, asked, to, [str(path)])


def columns_of(path: Path) -> set[str]:
    """The names of a file's columns: one that was written long ago lacks what came later."""
    with _duckdb() as database:
        return {
            row[0]
            for row in database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        }


def count_rows(path: Path) -> int:
    """How many rows a file has."""
    with _duckdb() as database:
        row = database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()
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


def _copy(
    table: str,
    day: date,
    columns: Sequence[tuple[str, str]],
    to: Path,
    instead: Mapping[str, sql.Composable],
) -> None:
    """The day as CSV, readable for nobody else."""
    told = sql.SQL(", ").join(
        sql.SQL(KINDS.get(kind, ("{}", ""))[0]).format(instead.get(name, sql.Identifier(name)))
        for name, kind in columns
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

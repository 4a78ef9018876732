"""Whose turn it is at days and files: retention moves a day, or an erasure rewrites; never both at once.

A day that is being written to a file must not be erased from meanwhile, or the file would hold what the table lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

TURN = 0x4348_5455_524E  # 'CHTURN'


@contextmanager
def whole_turn(*, waiting: bool = True) -> Iterator[bool]:
    """Alone at days and files, until the block ends. False, and not alone, when others are at it and nobody waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_lock(%s)" if waiting else "SELECT pg_try_advisory_lock(%s)", [TURN]
        )
        has_turn = waiting or bool(cursor.fetchone()[0])
    try:
        yield has_turn
    finally:
        if has_turn:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [TURN])


def share_turn() -> bool:
    """True when until this transaction ends no day is moved and no file rewritten."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [TURN])
        return bool(cursor.fetchone()[0])

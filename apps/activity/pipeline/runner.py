"""Steps one after the other. A fault is narrowed down: to the row, then to the spans in it that are at fault.

A row is a group of commits, often of many teams. What of it can be worked off is; the spans at fault stay in
it and are tried again with growing pauses, then set aside until somebody says `manage.py retry_outbox`.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from apps.activity.live import FEED_GROUP, tell
from apps.activity.pipeline import store
from apps.activity.pipeline.step import overdue, settle_overdue, step
from apps.identity.audit import acting_by_itself

logger = logging.getLogger(__name__)
LOCK = 0x4348_5049_5045  # 'CHPIPE'
MOST_TRIES = 64  # steps spent on one row before the others go on
HOLD_BACK_S = 300.0
PROGRAM_LIMIT = "54"  # the class of SQLSTATE: the statement is at fault, not the server
_held_back: dict[UUID, float] = {}


def hold_pipeline_lock() -> bool:
    """True when this session is now the only worker of the outbox; held until the session ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def release_pipeline_lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def is_away(error: Exception) -> bool:
    """True when the database, not what was asked of it, is at fault: the same step may work later."""
    sqlstate = getattr(error.__cause__, "sqlstate", None) or ""
    return isinstance(error, (OperationalError, InterfaceError)) and not sqlstate.startswith(PROGRAM_LIMIT)


def work_once() -> bool:
    """One step; True when there was something to do."""
    rows = store.next_rows()
    if len(rows) == 1 or (rows and _attempt(rows) is not None):
        for pk in rows:
            _try_alone(pk)
    return bool(rows)


def settle(now: datetime | None = None) -> None:
    """Settle calls that waited too long; one that cannot be settled is held back, the others are not."""
    until = time.monotonic()
    for pk in [pk for pk, at in _held_back.items() if at <= until]:
        del _held_back[pk]
    try:
        with acting_by_itself():
            nudge(settle_overdue(now, without=list(_held_back)).position)
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("overdue calls are settled one by one")
        _settle_one_by_one(now)


def nudge(position: int) -> None:
    """Tell the feeds that there is news up to this position; 0 is none."""
    if position:
        tell(FEED_GROUP, {"type": "feed.nudge", "position": position})


def _attempt(rows: Sequence[int], part: Collection[UUID] | None = None) -> Exception | None:
    """One step over these rows; the fault that undid it, None when it is done."""
    try:
        with acting_by_itself():
            done = step(rows, part)
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("a step failed")
        return error
    nudge(done.position)
    return None


def _try_alone(pk: int) -> None:
    fault = _attempt([pk])
    if fault is not None:
        worked, fault = _isolate(pk, fault)
        store.note_failure(pk, f"{type(fault).__name__}: {fault}"[:2000], progressed=worked)


def _isolate(pk: int, fault: Exception) -> tuple[bool, Exception]:
    """Work off the halves of a row, and the halves of those that fail; whether any worked, the last fault."""
    parts = deque(_halves(store.spans_of_row(pk)))
    worked = False
    for _ in range(MOST_TRIES):
        if not parts:
            break
        part = parts.popleft()
        again = _attempt([pk], part)
        if again is None:
            worked = True
        else:
            fault = again
            parts.extend(_halves(part))
    return worked, fault


def _halves(span_ids: Sequence[UUID]) -> list[Sequence[UUID]]:
    middle = len(span_ids) // 2
    return [span_ids[:middle], span_ids[middle:]] if middle else []


def _settle_one_by_one(now: datetime | None) -> None:
    for pk in [call.pk for call in overdue(now, without=list(_held_back))]:
        try:
            nudge(settle_overdue(now, only=pk).position)
        except Exception as error:
            if is_away(error):
                raise
            logger.exception("call %s could not be settled; it is tried again in %s s", pk, HOLD_BACK_S)
            _held_back[pk] = time.monotonic() + HOLD_BACK_S

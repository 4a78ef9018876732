"""The work of an erasure: small steps, each in one transaction with how far it is, so that a killed process loses none.

It counts (round 0) through every place and the ledger; once confirmed it removes, twice. The second round is for what was
made of records while the first one ran: a step of the pipeline or of scoring that had read a call before it was emptied
writes it afterwards. It begins when everything that was at work then is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from traceback import extract_tb
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from apps.activity.erasure import archived
from apps.activity.erasure.places import LEDGER, Place, ledger, places
from apps.activity.erasure.rows import look
from apps.activity.erasure.subject import opened
from apps.activity.models import ArchiveFile, Erasure
from apps.activity.retention.archive import enter_file, path_of, remove_replaced, write_again
from apps.activity.retention.turn import share_turn, whole_turn
from apps.identity.services.ledger import record_act, system_principal

logger = logging.getLogger(__name__)
ARCHIVE = "archive"
ROUNDS = 2
SETTLES_AFTER = timedelta(minutes=2)  # longer than anything reads before it writes
QUIET = timedelta(seconds=20)
KEPT_FOR = timedelta(days=7)
MOST_ATTEMPTS = 5
STEP_TIMEOUT = "SET LOCAL statement_timeout = '60s'"
HORIZON = "SELECT pg_current_xact_id()::text::bigint"
IS_OVER = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s"
ABOUT = """
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_class c
WHERE c.oid = ANY(%s::regclass[]) OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ANY(%s::regclass[]))
"""
PROGRESS = [
    "state", "round", "place", "after", "seen", "found", "erased", "not_before", "horizon", "attempts", "fault",
    "progressed_at", "finished_at", "sealed",
]  # fmt: skip


def run_erasure(erasure_id: UUID, *, for_s: float = 120.0) -> int:
    """Steps for so long, or until nothing can be done now; returns how many. A fault ends them and counts."""
    until, steps = time.monotonic() + for_s, 0
    try:
        while time.monotonic() < until and advance(erasure_id):
            steps += 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again; what it says may name the person
        note_fault(erasure_id, error)
    return steps


def advance(erasure_id: UUID) -> bool:
    """One step. False when there is nothing to do: it is over, waits, or another is at it."""
    erasure = Erasure.objects.at_work().filter(pk=erasure_id).first()
    if erasure is None:
        return False
    return _archive_step(erasure) if erasure.place == ARCHIVE else _rows_step(erasure_id)


def waiting_erasures() -> list[UUID]:
    """Those that nobody moved lately: their worker died, their message was lost, or they wait for others."""
    quiet = Erasure.objects.at_work().filter(progressed_at__lt=timezone.now() - QUIET)
    return list(quiet.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def drop_forgotten() -> int:
    """Cancel what was counted and not confirmed within a week: identifiers are not kept for longer; returns how many."""
    states = [Erasure.State.READY, Erasure.State.FAILED]
    old = Erasure.objects.filter(state__in=states, progressed_at__lt=timezone.now() - KEPT_FOR)
    forgotten = list(old.select_for_update().order_by("pk"))
    for erasure in forgotten:
        erasure.state, erasure.sealed, erasure.finished_at = Erasure.State.CANCELLED, "", timezone.now()
        erasure.save(update_fields=["state", "sealed", "finished_at"])
        record_act(
            "activity.erasure.forgotten",
            actor=system_principal(),
            target=("erasure", erasure.pk),
            detail=told_of(erasure),
        )
    return len(forgotten)


@transaction.atomic
def note_fault(erasure_id: UUID, error: Exception) -> None:
    """Count a fault; after a few of them it stops, and whoever confirmed it may let it go on.

    Told are its kind and the places in the code: what it says may name the person.
    """
    erasure = _held(erasure_id)
    if erasure is None:
        return
    kind = type(error).__name__
    where = [f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    logger.error("an erasure met %s at %s, by way of %s", kind, erasure.place, " > ".join(where))
    erasure.attempts, erasure.fault = erasure.attempts + 1, f"{kind} at {title_of(erasure.place)}"[:200]
    if erasure.attempts >= MOST_ATTEMPTS:
        erasure.state = Erasure.State.FAILED
    _keep(erasure)


def route(number: int) -> list[str]:
    """The places of a round, in order."""
    last = [LEDGER] if number == 0 else []
    return [*(place.table for place in places()), ARCHIVE, *last]


def title_of(place: str) -> str:
    known = {one.table: one.title for one in (*places(), ledger())}
    return "Rows in archived files" if place == ARCHIVE else known.get(place, place)


def told_of(erasure: Erasure) -> dict[str, object]:
    """What the ledger says of an erasure: hashes and counts."""
    return {
        "digests": list(erasure.digests),
        "identifiers": len(erasure.digests),
        "conversations": erasure.conversations,
        "found": sum(count for place, count in erasure.found.items() if place != LEDGER),
        "erased": sum(erasure.erased.values()),
        "by_place": erasure.erased or erasure.found,
    }


def expected_rows() -> int:
    """About how many records there are to look at, as the database and the archive's manifest know."""
    tables = [place.table for place in places()]
    with connection.cursor() as cursor:
        cursor.execute(ABOUT, [tables, tables])
        rows: int = cursor.fetchone()[0]
    return rows + sum(ArchiveFile.objects.filter(replaced_by=None).values_list("rows", flat=True))


@transaction.atomic
def _rows_step(erasure_id: UUID) -> bool:
    erasure = _held(erasure_id)
    if erasure is None or erasure.place == ARCHIVE or not _is_time(erasure) or not share_turn():
        return False
    place = _places()[erasure.place]
    with connection.cursor() as cursor:
        cursor.execute(STEP_TIMEOUT)
    search = opened(erasure.sealed).search()
    done = look(place, erasure.after, search, writing=erasure.round > 0 and erasure.place != LEDGER)
    _count(erasure, done.seen, done.found)
    _move(erasure, done.last)
    return True


def _archive_step(erasure: Erasure) -> bool:
    """A file outside any transaction, as it may be large; then its entry, the old one's end and how far it is at once."""
    with whole_turn(waiting=False) as has_turn:
        if not has_turn:
            return False
        remove_replaced()
        file = archived.next_file(erasure.after)
        changes = archived.changes_in(file, opened(erasure.sealed).search()) if file else {}
        after = write_again(file, changes) if file and changes and erasure.round else None
        is_done = _enter(erasure, file, after, len(changes))
        if after is not None and not is_done:
            path_of(after).unlink()
        remove_replaced()
        return is_done


@transaction.atomic
def _enter(before: Erasure, file: ArchiveFile | None, after: ArchiveFile | None, found: int) -> bool:
    """False when somebody cancelled it, or took the step, meanwhile."""
    erasure = _held(before.pk)
    if erasure is None or (erasure.round, erasure.place, erasure.after) != (
        before.round,
        before.place,
        before.after,
    ):
        return False
    if file is not None and after is not None:
        enter_file(after, instead_of=file)
    _count(erasure, file.rows if file else 0, found)
    _move(erasure, str(file.pk) if file else "")
    return True


def _held(erasure_id: UUID) -> Erasure | None:
    """The erasure, locked; None when it is over or another worker is at it."""
    return Erasure.objects.at_work().select_for_update(skip_locked=True).filter(pk=erasure_id).first()


def _is_time(erasure: Erasure) -> bool:
    """True unless it waits for the end of what was at work when a round ended."""
    if erasure.horizon is None or erasure.not_before is None:
        return True
    with connection.cursor() as cursor:
        cursor.execute(IS_OVER, [erasure.horizon])
        return timezone.now() >= erasure.not_before and bool(cursor.fetchone()[0])


def _places() -> Mapping[str, Place]:
    return {place.table: place for place in (*places(), ledger())}


def _count(erasure: Erasure, seen: int, found: int) -> None:
    erasure.seen += seen if erasure.place != LEDGER else 0
    counts = erasure.erased if erasure.round else erasure.found
    if found:
        counts[erasure.place] = counts.get(erasure.place, 0) + found


def _move(erasure: Erasure, last: str) -> None:
    """On behind `last`; to the next place where this one ends (''), to the next round behind the last place."""
    erasure.after, erasure.attempts, erasure.fault = last, 0, ""
    if not last:
        rest = route(erasure.round)[route(erasure.round).index(erasure.place) + 1 :]
        erasure.place = rest[0] if rest else ""
        if not rest:
            _end_round(erasure)
    _keep(erasure)


def _end_round(erasure: Erasure) -> None:
    if erasure.round == 0:
        erasure.state = Erasure.State.READY
    elif erasure.round < ROUNDS:
        begin_round(erasure, erasure.round + 1)
        erasure.not_before = timezone.now() + SETTLES_AFTER
        with connection.cursor() as cursor:
            cursor.execute(HORIZON)
            erasure.horizon = cursor.fetchone()[0]
    else:
        _finish(erasure)


def begin_round(erasure: Erasure, number: int) -> None:
    """At the first place, nothing seen. Saves nothing."""
    erasure.round, erasure.place, erasure.after, erasure.seen = number, route(number)[0], "", 0


def _finish(erasure: Erasure) -> None:
    erasure.state, erasure.sealed, erasure.finished_at = Erasure.State.DONE, "", timezone.now()
    record_act(
        "activity.erasure.done",
        actor=system_principal(),
        target=("erasure", erasure.pk),
        detail=told_of(erasure),
    )


def _keep(erasure: Erasure) -> None:
    erasure.progressed_at = timezone.now()
    erasure.save(update_fields=PROGRESS)

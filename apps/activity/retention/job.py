"""One run of retention: each day that is too old is archived where that is wanted, then deleted for good.

A day goes in one transaction with its entry in the manifest and its acts in the ledger; a process killed in between
leaves at most a file that nobody lists. A day into which something was written meanwhile is left for the next run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb
from django.db import DatabaseError, connection, transaction
from django.db.models import Case, Value, When
from django.utils import timezone

from apps.activity.models import ArchiveFile, GoneDay, RetentionRule
from apps.activity.retention.archive import enter_file, path_of, remove_unlisted, write_file
from apps.activity.retention.days import bounds, days_before, delete_day, hold_still, measure, midnight
from apps.activity.retention.turn import whole_turn
from apps.activity.rollups.rolling import roll_up_before
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.ids import first_id_at

logger = logging.getLogger(__name__)
OF_CALLS = ("activity_toolcall", "activity_answer", "activity_callwords")
NEVER_ARCHIVED = ("activity_callwords",)
# Spans before calls, calls before content: what is deleted need not be emptied.
ORDER = Case(*[When(of=of, then=Value(at)) for at, of in enumerate(("spans", "calls", "content"))])
FORGET_KEYS = "DELETE FROM activity_callkey WHERE call_id < %s"
FORGET_CONTENT = """
UPDATE activity_toolcall SET arguments = NULL, result = NULL, error_message = '' WHERE id IN (
  SELECT id FROM activity_toolcall WHERE id >= %s AND id < %s
  AND (arguments IS NOT NULL OR result IS NOT NULL OR error_message <> '') ORDER BY id LIMIT 5000)
"""
FORGET_EFFECTS = "DELETE FROM activity_calleffect WHERE call_id < %s"
FORGET_FOUND = (
    "UPDATE activity_calleffect SET evidence = evidence - 'found' WHERE call_id >= %s AND call_id < %s"
)
FORGET_WORDS = "DELETE FROM activity_callwords WHERE id >= %s AND id < %s"


@dataclass
class Kept:
    """What one run did. `faults` are days, or whole classes, that were left for the next run; the log says why."""

    deleted_days: int = 0
    deleted_rows: int = 0
    files: int = 0
    emptied_calls: int = 0
    faults: list[str] = field(default_factory=list)


def keep_retention(now: datetime | None = None) -> Kept:
    """Do what the rules say as of `now`."""
    today = (now or timezone.now()).date()
    done = Kept()
    with whole_turn():
        remove_unlisted()  # of a run that was killed between file and manifest
    for rule in RetentionRule.objects.exclude(days=None).order_by(ORDER):
        with _on_its_own(rule.get_of_display(), done):
            HOW[rule.of](rule, today, done)
    return done


def _forget_spans(rule: RetentionRule, today: date, done: Kept) -> None:
    _forget_days(("activity_span",), rule, today, done)


def _forget_calls(rule: RetentionRule, today: date, done: Kept) -> None:
    cutoff = _cutoff(rule, today)
    roll_up_before(midnight(cutoff))  # what is about to go has to be in the sums
    _forget_days(OF_CALLS, rule, today, done)
    _forget_keys(cutoff)


@contextmanager
def _on_its_own(what: str, done: Kept) -> Iterator[None]:
    """One day that cannot go, or one class, does not keep the others."""
    try:
        yield
    except (DatabaseError, OSError, duckdb.Error):
        logger.exception("%s: left for the next run", what)
        done.faults.append(what)


def _cutoff(rule: RetentionRule, today: date) -> date:
    """The first day that is kept whole: yesterday at the latest, for reports that are on their way."""
    return today - timedelta(days=max(rule.days or 0, 1))


def _forget_days(tables: tuple[str, ...], rule: RetentionRule, today: date, done: Kept) -> None:
    faults = len(done.faults)
    for table in tables:
        is_archived = rule.is_archived and table not in NEVER_ARCHIVED
        for day in days_before(table, _cutoff(rule, today)):
            with _on_its_own(f"{table} of {day}", done), whole_turn():
                done.deleted_days += _forget_day(table, day, is_archived, done)
    if len(done.faults) == faults:
        rule.done_before = midnight(_cutoff(rule, today))
        rule.save(update_fields=["done_before"])


def _forget_day(table: str, day: date, is_archived: bool, done: Kept) -> bool:
    """True when the day is gone."""
    measured = measure(table, day)
    file = write_file(table, day) if is_archived and measured[0] else None
    if file is not None and file.rows != measured[0]:
        logger.warning("%s of %s changed while it was written; the next run does it", table, day)
        path_of(file).unlink()
        return False
    with transaction.atomic():
        hold_still(table, day)
        if file is not None and measure(table, day) != measured:
            logger.warning("%s of %s was written to meanwhile; the next run does it", table, day)
            path_of(file).unlink()
            return False
        _delete(table, day, measured[0], file)
    done.deleted_rows += measured[0]
    done.files += file is not None
    return True


def _delete(table: str, day: date, rows: int, file: ArchiveFile | None) -> None:
    """The file into the manifest, the rows away, the act into the ledger."""
    entered = enter_file(file) if file is not None else None
    delete_day(table, day)
    if not rows:
        return
    GoneDay.objects.create(table=table, day=day, rows=rows, file=entered)
    record_act(
        "activity.day.deleted",
        actor=system_principal(),
        target=("activity", table),
        detail={
            "table": table,
            "day": day.isoformat(),
            "rows": rows,
            "sha256": entered.sha256 if entered else "",
        },
    )


def _forget_keys(cutoff: date) -> None:
    """What leads to calls that are gone."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET_KEYS, [first_id_at(midnight(cutoff))])
        cursor.execute(FORGET_EFFECTS, [first_id_at(midnight(cutoff))])


def _forget_content(rule: RetentionRule, today: date, done: Kept) -> None:
    """Empty the calls heard of before that day, in small transactions; the words for search go with them."""
    cutoff = _cutoff(rule, today)
    low = first_id_at(rule.done_before) if rule.done_before else bounds(date(1970, 1, 1))[0]
    high = first_id_at(midnight(cutoff))
    with connection.cursor() as cursor:
        while True:
            cursor.execute(FORGET_CONTENT, [low, high])
            if not cursor.rowcount:
                break
            done.emptied_calls += cursor.rowcount
        cursor.execute(FORGET_WORDS, [low, high])
        cursor.execute(FORGET_FOUND, [low, high])
    rule.done_before = midnight(cutoff)
    rule.save(update_fields=["done_before"])


HOW: Mapping[str, Callable[[RetentionRule, date, Kept], None]] = {
    RetentionRule.Of.SPANS: _forget_spans,
    RetentionRule.Of.CALLS: _forget_calls,
    RetentionRule.Of.CONTENT: _forget_content,
}

"""What is too old is gone, the archive holds every row of it, and the ledger says both."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from apps.activity.models import ArchiveFile, CallKey, GoneDay, RetentionRule, Span, ToolCall, ToolHour
from apps.activity.retention import job
from apps.activity.retention.archive import path_of
from apps.activity.retention.job import keep_retention
from apps.activity.retention.services import Kept, set_retention
from apps.activity.rollups.rolling import rebuild, roll_up
from apps.identity.models import LedgerEntry
from apps.identity.roles import Role
from apps.kit.errors import InvalidInput
from apps.kit.ids import derived_id, first_id_at
from tests import factories
from tests.activity.otlp import drain, post, request, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = 'a "quoted", old\nresult'


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> None:
    settings.ARCHIVE_DIR = tmp_path


def keep(of: str, days: int | None, is_archived: bool = False) -> None:
    set_retention(
        Kept(of, days, is_archived), actor=factories.make_person(Role.COMPLIANCE), reason="Asked for"
    )


def old_spans(token: str, count: int = 3, days: int = 40) -> date:
    """Spans of a day long ago, which has no partition, and one of today."""
    then = datetime.now(UTC) - timedelta(days=days)
    ns = int(then.timestamp() * 1e9)
    told = {"gen_ai.tool.call.result": CONTENT, "empty": ""}
    spans = [
        tool_span(attributes=told, start_time_unix_nano=ns, end_time_unix_nano=ns + 10**6)
        for _ in range(count)
    ]
    post(request([*spans, tool_span()]), token)
    return then.date()


def as_if_heard(then: datetime) -> None:
    for call in ToolCall.objects.all():
        heard = derived_id(int(then.timestamp() * 1000), call.pk.bytes)
        CallKey.objects.filter(call_id=call.pk).update(call_id=heard)
        ToolCall.objects.filter(pk=call.pk).update(id=heard)


@pytest.fixture
def partition() -> Iterator[date]:
    """A day long ago as a partition of its own, as days are once they are over; gone afterwards."""
    day = (datetime.now(UTC) - timedelta(days=40)).date()
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True) as owner:
        owner.execute(
            f"CREATE TABLE activity_span_p{day:%Y%m%d} PARTITION OF activity_span "
            f"FOR VALUES FROM (activity_first_id('{day}')) TO (activity_first_id('{day + timedelta(days=1)}'))"
        )
        yield day
        owner.execute(f"DROP TABLE IF EXISTS activity_span_p{day:%Y%m%d}")


def test_a_partition_is_dropped_once_its_rows_are_archived(token: str, partition: date) -> None:
    assert old_spans(token) == partition
    keep("spans", 30, is_archived=True)
    assert (keep_retention().deleted_rows, keep_retention().deleted_days) == (3, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"activity_span_p{partition:%Y%m%d}"])
        assert cursor.fetchone() == (None,)
    assert (Span.objects.count(), ArchiveFile.objects.get().rows) == (1, 3)


def test_a_day_that_is_too_old_is_in_the_archive_and_nowhere_else(token: str) -> None:
    day = old_spans(token)
    before = {span.pk: span for span in Span.objects.filter(started_at__date=day)}
    keep("spans", 30, is_archived=True)
    done = keep_retention()
    assert (done.deleted_days, done.deleted_rows, done.files) == (1, 3, 1)
    assert Span.objects.count() == 1
    file = ArchiveFile.objects.get()
    assert (file.table, file.day, file.rows) == ("activity_span", day, 3)
    with duckdb.connect() as database:
        rows = database.execute(
            "SELECT id, trace_id, started_at, input_tokens, agent_name, error_type, attributes FROM read_parquet(?)",
            [str(path_of(file))],
        ).fetchall()
    for pk, trace, started, tokens, agent, error, attributes in rows:
        span = before[pk]
        assert (trace, started.replace(tzinfo=UTC)) == (bytes(span.trace_id), span.started_at)
        assert (tokens, agent, error) == (None, "order_agent", "")
        assert '"quoted\\", old\\nresult' in attributes
    acts = LedgerEntry.objects.filter(action__in=["activity.archive.written", "activity.day.deleted"])
    assert [entry.action for entry in acts.order_by("at")] == [
        "activity.archive.written",
        "activity.day.deleted",
    ]
    assert all(file.sha256 in bytes(entry.body).decode() for entry in acts)
    call_command("archive", "--check", verbosity=0)
    path_of(file).write_bytes(b"other")
    with pytest.raises(CommandError):
        call_command("archive", "--check", verbosity=0)


def test_a_partition_is_dropped_by_nobody_before_its_day_is_over(token: str) -> None:
    post(request([tool_span()]), token)
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="not over"):
        cursor.execute("SELECT activity_drop_day('activity_span', (now() AT TIME ZONE 'UTC')::date)")
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="no days of"):
        cursor.execute("SELECT activity_drop_day('oversight_decision', '2020-01-01')")


def test_sums_outlive_their_calls_and_late_reports_do_not_shrink_them(token: str) -> None:
    then = datetime.now(UTC) - timedelta(days=40)
    ns = int(then.timestamp() * 1e9)
    post(request([tool_span(start_time_unix_nano=ns, end_time_unix_nano=ns) for _ in range(2)]), token)
    drain()
    as_if_heard(then)
    keep("calls", 30)
    done = keep_retention()
    assert (done.deleted_rows, ToolCall.objects.count(), CallKey.objects.count()) == (2, 0, 0)
    assert GoneDay.objects.get().rows == 2
    post(request([tool_span(start_time_unix_nano=ns, end_time_unix_nano=ns)]), token)
    drain()
    roll_up(pacing=False)
    rebuild()
    assert ToolHour.objects.get().calls == 2


def test_what_is_written_while_a_day_is_archived_is_not_lost(token: str, partition: date) -> None:
    """A report that was begun before the file was written is committed when the day is about to go."""
    old_spans(token)
    keep("spans", 30, is_archived=True)
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"]) as reporter:
        reporter.execute(ONE_MORE, [new_id_of(partition), partition])
        late = Thread(target=_commit_once_waited_for, args=[reporter, partition])
        late.start()
        assert (keep_retention().deleted_rows, ArchiveFile.objects.count()) == (0, 0)
        late.join(10)
    assert Span.objects.count() == 5
    assert keep_retention().deleted_rows == 4
    assert ArchiveFile.objects.get().rows == 4


ONE_MORE = """
INSERT INTO activity_span SELECT (jsonb_populate_record(s, jsonb_build_object('id', %s::text))).* FROM activity_span s
WHERE started_at::date = %s LIMIT 1
"""
WAITED_FOR = "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted"


def new_id_of(day: date) -> UUID:
    return derived_id(int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1000), b"late")


def _commit_once_waited_for(reporter: psycopg.Connection[Any], day: date) -> None:
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True) as looking:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            (waiting,) = looking.execute(WAITED_FOR, [f"activity_span_p{day:%Y%m%d}"]).fetchone() or (0,)
            if waiting:
                break
            time.sleep(0.02)
    reporter.commit()


def test_a_day_that_cannot_go_keeps_no_other_and_is_told(token: str, partition: date) -> None:
    old_spans(token)
    old_spans(token, days=50)
    keep("spans", 30)
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"]) as other:
        other.execute(f"LOCK TABLE activity_span_p{partition:%Y%m%d} IN ACCESS SHARE MODE")
        done = keep_retention()
    assert (done.deleted_rows, done.faults) == (3, [f"activity_span of {partition}"])
    assert RetentionRule.objects.get(of="spans").done_before is None
    assert keep_retention().deleted_rows == 3
    assert RetentionRule.objects.get(of="spans").done_before is not None


def test_a_file_that_no_manifest_lists_is_gone_with_the_next_run(token: str, settings: Any) -> None:
    old_spans(token)
    keep("spans", 30, is_archived=True)
    keep_retention()
    folder = Path(settings.ARCHIVE_DIR) / "activity_span"
    for name in ("activity_span-2026-01-01-deadbeef.parquet", "activity_span-2026-01-01-deadbeef.tmp"):
        (folder / name).write_bytes(b"of a run that was killed")
    keep_retention()
    assert [path.name for path in folder.iterdir()] == [path_of(ArchiveFile.objects.get()).name]


def test_where_content_has_an_end_the_archive_holds_none(token: str) -> None:
    old_spans(token)
    keep("spans", 30, is_archived=True)
    keep("content", 30)
    keep_retention()
    rows = duckdb.sql(
        f"SELECT attributes, name, tool_name FROM '{path_of(ArchiveFile.objects.get())}'"
    ).fetchall()
    assert len(rows) == 3
    assert "gen_ai.tool.name" in rows[0][0]
    assert "old" not in str(rows)
    assert rows[0][2] == "lookup_order"


def test_content_that_comes_after_its_end_is_not_kept(token: str) -> None:
    key = {"gen_ai.tool.call.id": "call_late"}
    post(request([tool_span(attributes=key)]), token)
    drain()
    as_if_heard(datetime.now(UTC) - timedelta(days=40))
    keep("spans", 30)
    keep("content", 30)
    keep_retention()
    post(request([tool_span(attributes=key | {"gen_ai.tool.call.result": CONTENT}, error="late")]), token)
    drain()
    call = ToolCall.objects.get()
    assert (call.call_id, call.status, call.result, call.error_message) == ("call_late", "error", None, "")


def test_content_goes_before_the_call_and_never_later_than_the_spans(token: str) -> None:
    told = {"gen_ai.tool.call.arguments": '{"a": 1}', "gen_ai.tool.call.result": CONTENT}
    post(request([tool_span(attributes=told)]), token)
    drain()
    with pytest.raises(InvalidInput):
        keep("content", 10)
    keep("spans", 10)
    keep("content", 10)
    keep_retention()
    assert ToolCall.objects.get().result == CONTENT
    as_if_heard(datetime.now(UTC) - timedelta(days=10))
    assert keep_retention(datetime.now(UTC) + timedelta(days=1)).emptied_calls == 1
    call = ToolCall.objects.get()
    assert (call.arguments, call.result, call.outcome) == (None, None, "allowed")


def test_the_keys_of_calls_that_are_gone_are_found_without_reading_all_of_them() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("EXPLAIN " + job.FORGET_KEYS, [first_id_at(datetime(2026, 1, 1, tzinfo=UTC))])
        plan = "\n".join(row for (row,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert "call_key_by_call" in plan

"""Summing marked hours anew from their calls: marks go and sums come in one transaction, or nothing happens.

An hour is summed from all its calls, so that twice is the same as once. One that is large and changes all the time
waits twenty times as long as it takes: summing costs a twentieth of a core at most, and lags a minute at most.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from apps.activity.models import RollupMark
from apps.activity.retention.horizon import complete_since
from apps.activity.rollups.histogram import BUCKET_SQL

LOCK = 0x4348_524F_4C4C  # 'CHROLL'
AT_ONCE = 50
MOST_PLACES = 5000
PAUSE_FACTOR, LONGEST_PAUSE_S = 20.0, 60.0
MOST_REMEMBERED = 10_000
END, LAST = datetime(9999, 1, 1, tzinfo=UTC), (1 << 63) - 1
Place = tuple[str, UUID, datetime]
WAITING = """
SELECT "of", agent_id, hour FROM activity_rollupmark WHERE hour < %s AND id <= %s GROUP BY 1, 2, 3 ORDER BY min(id) LIMIT %s
"""
WANTED = "unnest(%s::uuid[], %s::timestamptz[]) AS w (agent_id, hour)"
HERE = "c.agent_id = w.agent_id AND c.started_at >= w.hour AND c.started_at < w.hour + interval '1 hour'"
TAKE = f"""
DELETE FROM activity_rollupmark m USING {WANTED}
WHERE m.agent_id = w.agent_id AND m.hour = w.hour AND m."of" = %s
"""  # noqa: S608
FORGET = "DELETE FROM {table} t USING " + WANTED + " WHERE t.agent_id = w.agent_id AND t.hour = w.hour"  # noqa: S608
TOOL = "agent_id, hour, tool_name, mcp_server"
# One pass over the calls; the rest works on what came of it: counts by status, outcome, effect and bucket as JSON.
SUM_CALLS = f"""
WITH call AS MATERIALIZED (
  SELECT c.agent_id, w.hour, tool_name, mcp_server, status, outcome, effect, duration_ms
  FROM {WANTED} JOIN activity_toolcall c ON {HERE}
), counted AS (
  SELECT {TOOL}, 'status' AS kind, status AS name, count(*) AS n FROM call GROUP BY {TOOL}, name
  UNION ALL
  SELECT {TOOL}, 'outcome', outcome, count(*) FROM call GROUP BY {TOOL}, outcome
  UNION ALL
  SELECT {TOOL}, 'effect', effect, count(*) FROM call WHERE effect <> '' GROUP BY {TOOL}, effect
  UNION ALL
  SELECT {TOOL}, 'bucket', bucket, count(*) FROM
    (SELECT {TOOL}, ({BUCKET_SQL})::text AS bucket FROM call WHERE duration_ms IS NOT NULL) AS timed
  GROUP BY {TOOL}, bucket
), named AS (
  SELECT {TOOL},
    coalesce(jsonb_object_agg(name, n) FILTER (WHERE kind = 'status'), '{{}}') AS by_status,
    coalesce(jsonb_object_agg(name, n) FILTER (WHERE kind = 'outcome'), '{{}}') AS by_outcome,
    coalesce(jsonb_object_agg(name, n) FILTER (WHERE kind = 'effect'), '{{}}') AS by_effect,
    coalesce(jsonb_object_agg(name, n) FILTER (WHERE kind = 'bucket'), '{{}}') AS durations
  FROM counted GROUP BY {TOOL}
), summed AS (
  SELECT {TOOL}, count(*) AS calls, count(duration_ms) AS timed, coalesce(sum(duration_ms), 0) AS took
  FROM call GROUP BY {TOOL}
)
INSERT INTO activity_toolhour ({TOOL}, calls, by_status, by_outcome, by_effect, timed, duration_ms_sum, durations)
SELECT {TOOL}, calls, by_status, by_outcome, by_effect, timed, took, durations FROM summed JOIN named USING ({TOOL})
"""  # noqa: S608
SUM_ANSWERS = f"""
INSERT INTO activity_modelhour
  (agent_id, hour, provider, model, answers, input_tokens, output_tokens, cost_usd_micros, unpriced)
SELECT c.agent_id, w.hour, provider, model, count(*), sum(input_tokens), sum(output_tokens),
  coalesce(sum(cost_usd_micros), 0), count(*) FILTER (WHERE cost_usd_micros IS NULL)
FROM {WANTED} JOIN activity_answer c ON {HERE} GROUP BY 1, 2, 3, 4
"""  # noqa: S608
SUMS = {"calls": ("activity_toolhour", SUM_CALLS), "answers": ("activity_modelhour", SUM_ANSWERS)}
MARK_ALL = """
INSERT INTO activity_rollupmark ("of", agent_id, hour)
SELECT DISTINCT %s, agent_id, date_trunc('hour', started_at, 'UTC') FROM {table}
WHERE agent_id IS NOT NULL AND started_at >= %s
"""
_paused_until: dict[Place, float] = {}


def roll_up(*, pacing: bool = True) -> int:
    """Sum marked hours, the longest marked first; returns how many. 0 too when another is at it."""
    places = [place for place in _waiting() if not pacing or _paused_until.get(place, 0) <= time.monotonic()]
    return _sum_all(places)


def roll_up_before(moment: datetime) -> int:
    """Sum every hour before `moment` that is marked by now, waiting for whoever is at it; returns how many."""
    marked, done = _last_mark(), 0
    while places := _waiting(before=moment, marked_upto=marked):
        done += _sum_all(places, waits=True)
    return done


def _sum_all(places: Sequence[Place], *, waits: bool = False) -> int:
    done = 0
    for of in SUMS:
        some = [place for place in places if place[0] == of]
        for at in range(0, len(some), AT_ONCE):
            done += _sum(of, some[at : at + AT_ONCE], waits=waits)
    return done


@transaction.atomic
def rebuild() -> int:
    """Mark every hour that is still whole in the store and sum it; returns how many. Hours whose calls are partly
    gone keep their sums."""
    since = complete_since()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        for of, table in (("calls", "activity_toolcall"), ("answers", "activity_answer")):
            cursor.execute(f"DELETE FROM {SUMS[of][0]} WHERE hour >= %s", [since])  # noqa: S608
            cursor.execute(MARK_ALL.format(table=table), [of, since])
    return roll_up_before(END)


def _last_mark() -> int:
    return RollupMark.objects.aggregate(last=Max("pk"))["last"] or 0


def _waiting(before: datetime = END, marked_upto: int = LAST) -> list[Place]:
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [before, marked_upto, MOST_PLACES])
        return [(of, agent_id, hour) for of, agent_id, hour in cursor.fetchall()]


@transaction.atomic
def _sum(of: str, places: Sequence[Place], *, waits: bool = False) -> int:
    """Whatever these marks tell of is committed, so that the sums see it: marks are taken before calls are read."""
    started = time.monotonic()
    table, summing = SUMS[of]
    with connection.cursor() as cursor:
        if waits:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        else:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                return 0
        wanted: list[Any] = [[agent_id for _, agent_id, _ in places], [hour for _, _, hour in places]]
        cursor.execute(TAKE, [*wanted, of])
        since = complete_since()
        whole = [place for place in places if place[2] >= since]
        wanted = [[agent_id for _, agent_id, _ in whole], [hour for _, _, hour in whole]]
        cursor.execute(FORGET.format(table=table), wanted)
        cursor.execute(summing, wanted)
    _pause(places, time.monotonic() - started)
    return len(places)


def _pause(places: Sequence[Place], took_s: float) -> None:
    """When these may be summed again, by what they cost."""
    if len(_paused_until) > MOST_REMEMBERED:
        _paused_until.clear()
    until = time.monotonic() + min(LONGEST_PAUSE_S, PAUSE_FACTOR * took_s / len(places))
    _paused_until.update(dict.fromkeys(places, until))


def waiting_hours() -> int:
    """How many hours are marked, up to 5,000."""
    return RollupMark.objects.values("of", "agent_id", "hour").distinct()[:MOST_PLACES].count()

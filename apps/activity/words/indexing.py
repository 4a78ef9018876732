"""Bringing the words of changed calls into the index, in the order of the feed; killed in between, nothing happened."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection, transaction

from apps.activity.models import WordsCursor

AT_ONCE = 2000
LONGEST = 20_000  # characters of one call; what stands behind them is not found
WORDS = (
    "to_tsvector('simple', left(concat_ws(' ', tool_name, mcp_server, agent_name, service_name, call_id, "
    f"conversation_id, error_type, error_message, arguments::text, result::text), {LONGEST}))"
)
# Most calls change after they are first read (a verdict, a position); their words seldom do.
INDEX = f"""
WITH changed AS MATERIALIZED (
  SELECT * FROM activity_toolcall WHERE position > %s ORDER BY position LIMIT {AT_ONCE}
), written AS (
  INSERT INTO activity_callwords AS old (id, words) SELECT id, {WORDS} FROM changed
  ON CONFLICT (id) DO UPDATE SET words = EXCLUDED.words WHERE old.words <> EXCLUDED.words
)
SELECT count(*), max(position) FROM changed
"""  # noqa: S608
AGAIN = f"""
UPDATE activity_callwords w SET words = {WORDS} FROM activity_toolcall c WHERE c.id = w.id AND c.id = ANY(%s)
"""  # noqa: S608


@transaction.atomic
def index_words() -> int:
    """Read the next calls that changed; returns how many. Whoever is at it alone moves the cursor."""
    cursor = WordsCursor.objects.select_for_update(skip_locked=True).first()
    if cursor is None:
        if not WordsCursor.objects.exists():
            WordsCursor.objects.create()
        return 0
    with connection.cursor() as database:
        database.execute(INDEX, [cursor.position])
        read, reached = database.fetchone()
    if read:
        cursor.position = reached
        cursor.save(update_fields=["position"])
    return int(read)


def hold_index() -> None:
    """Until the transaction ends nobody writes words that were read from calls as they are now."""
    list(WordsCursor.objects.select_for_update().order_by("pk"))


def write_words_again(call_ids: Collection[UUID]) -> None:
    """The words of these calls as they are now, where they are in the index already; the caller holds it."""
    with connection.cursor() as database:
        database.execute(AGAIN, [list(call_ids)])

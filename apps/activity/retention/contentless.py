"""Days without their content, as PostgreSQL tells them: what stays is what the content policy calls no content."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from apps.activity.ingest.dialects import DIALECTS
from apps.activity.ingest.normalise import BODY
from apps.activity.recording.applying import kept_of

OF_CALLS: Mapping[str, sql.Composable] = {
    "arguments": sql.SQL("NULL::jsonb"), "result": sql.SQL("NULL::jsonb"), "error_message": sql.SQL("''"),
}  # fmt: skip
# Names and ids that are read into columns, and numbers.
STRUCTURE = sql.SQL("""(
  SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(attributes)
  WHERE key = ANY({kept}) OR jsonb_typeof(value) IN ('number', 'boolean')
)""")
# A log record may be named by its body.
NAME = sql.SQL(
    "CASE WHEN signal = 'log' AND name <> '' AND name = left(attributes ->> {body}, length(name)) "
    "THEN 'log record' ELSE name END"
)


def without_content(table: str) -> Mapping[str, sql.Composable]:
    """The expressions that stand for the columns with content, by column; {} for a table without any."""
    if table == "activity_toolcall":
        return OF_CALLS
    if table == "activity_span":
        kept = sorted({name for dialect in DIALECTS for name in kept_of(dialect.name).whole})
        return {
            "attributes": STRUCTURE.format(kept=sql.Literal(kept)),
            "name": NAME.format(body=sql.Literal(BODY)),
        }
    return {}

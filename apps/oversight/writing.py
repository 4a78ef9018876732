"""A decision to disk, in one statement that is also the proof that it was made on what holds: it writes nothing where the
record has changed since the memory it was made from, or where the same call was asked about before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.identity.services.ledger import Act, entry_of
from apps.kit.ids import first_id_at
from apps.oversight.holding import Held
from apps.oversight.models import Decision

SAME_CALL_WITHIN = timedelta(hours=1)
COLUMNS = (
    "id", "agent_id", "asked_by_id", "tool_name", "operation", "call_id", "conversation_id", "outcome", "code", "reason",
    "policy_version", "decided_at", "team_id", "data_classes", "purpose", "on_behalf_of", "findings", "obligations",
    "shadow", "counted", "digest", "bundle", "approval_id", "expires_at",
)  # fmt: skip
JSON = {"findings", "obligations", "shadow", "counted"}
HOLDS = """
(SELECT coalesce(sum(value), 0) FROM oversight_governancestamp WHERE key = ANY(%s::text[])) = %s::bigint
AND (SELECT updated_at FROM agents_agent WHERE id = %s::uuid) = %s::timestamptz
"""
NOT_ASKED = """
AND NOT EXISTS (SELECT 1 FROM oversight_decision WHERE call_id = %s::text AND agent_id = %s::uuid AND tool_name = %s::text AND id >= %s::uuid)
"""
TYPES = {  # of what is no text
    **dict.fromkeys(JSON, "jsonb"),
    **dict.fromkeys(("id", "agent_id", "asked_by_id", "team_id", "approval_id"), "uuid"),
    **dict.fromkeys(("decided_at", "expires_at"), "timestamptz"),
    "policy_version": "integer",
    "data_classes": "varchar[]",
}
PLACES = ", ".join(f"%s::{TYPES.get(name, 'text')}" for name in COLUMNS)
WRITE = (
    f"WITH written AS (INSERT INTO oversight_decision ({', '.join(COLUMNS)}) SELECT {PLACES} WHERE {HOLDS} {{once}} "  # noqa: S608
    "RETURNING id) {ledger}SELECT count(*) FROM written"
)
LEDGER = (
    ", told AS (INSERT INTO identity_ledgerentry (at, action, actor_id, target_type, target_id, request_id, body) "
    "SELECT %s::timestamptz, %s::text, %s::uuid, %s::text, %s::text, %s::text, %s::bytea FROM written RETURNING id) "
)


STATEMENTS = {
    (once, told): WRITE.format(once=NOT_ASKED if once else "", ledger=LEDGER if told else "")
    for once in (True, False)
    for told in (True, False)
}


@dataclass(frozen=True)
class Write:
    """`act` None: it enters the ledger with others, as one root. `once` False: the call may have been asked about.

    `asker` is the key of whoever asks and the number that its rights were read under; '' where they were read just now.
    """

    decision: Decision
    act: Act | None = None
    once: bool = True
    asker: tuple[str, int] = ("", 0)


def write(held: Held, one: Write) -> bool:
    """True when it is written; False when it has to be decided anew, or was decided before. One query."""
    sql, values = statement(held, one)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return bool(cursor.fetchone()[0])


def statement(held: Held, one: Write) -> tuple[str, list[Any]]:
    """The statement that writes it, giving 1 or 0, for whoever has a connection of their own."""
    decision = one.decision
    values: list[Any] = [_value(decision, name) for name in COLUMNS]
    key, number = one.asker
    keys = [*held.keys(decision.tool_name), *([key] if key else [])]
    values += [keys, held.stamp(decision.tool_name) + number, held.agent_id, held.updated_at]
    once = one.once and bool(decision.call_id)
    if once:
        since = first_id_at(decision.decided_at - SAME_CALL_WITHIN)
        values += [decision.call_id, held.agent_id, decision.tool_name, since]
    if one.act is not None:
        values += entry_of(one.act)
    return STATEMENTS[once, one.act is not None], values


def asked_before(agent_id: UUID, decision: Decision) -> Decision | None:
    """The last decision on the same call, if it was asked about within the hour."""
    if not decision.call_id:
        return None
    since = first_id_at(decision.decided_at - SAME_CALL_WITHIN)
    rows = Decision.objects.filter(
        call_id=decision.call_id, agent_id=agent_id, tool_name=decision.tool_name, pk__gte=since
    )
    return rows.order_by("-pk").first()


def _value(decision: Decision, name: str) -> Any:
    value = getattr(decision, name)
    if name in JSON:
        return None if value is None else orjson.dumps(value, default=str).decode()
    return value

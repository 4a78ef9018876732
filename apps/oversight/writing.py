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
(SELECT coalesce(sum(value), 0) FROM oversight_governancestamp WHERE key = ANY(%s)) = %s
AND (SELECT updated_at FROM agents_agent WHERE id = %s) = %s
"""
NOT_ASKED = """
AND NOT EXISTS (SELECT 1 FROM oversight_decision WHERE call_id = %s AND agent_id = %s AND tool_name = %s AND id >= %s)
"""
PLACES = ", ".join(
    "%s::jsonb" if name in JSON else "%s::varchar[]" if name == "data_classes" else "%s" for name in COLUMNS
)
WRITE = (
    f"WITH written AS (INSERT INTO oversight_decision ({', '.join(COLUMNS)}) SELECT {PLACES} WHERE {HOLDS} {{once}} "  # noqa: S608
    "RETURNING id) {ledger}SELECT count(*) FROM written"
)
LEDGER = (
    ", told AS (INSERT INTO identity_ledgerentry (at, action, actor_id, target_type, target_id, request_id, body) "
    "SELECT %s, %s, %s, %s, %s, %s, %s FROM written RETURNING id) "
)


@dataclass(frozen=True)
class Write:
    """`act` None: it enters the ledger with others, as one root. `once` False: the call may have been asked about."""

    decision: Decision
    act: Act | None = None
    once: bool = True


def write(held: Held, one: Write) -> bool:
    """True when it is written; False when it has to be decided anew, or was decided before. One query."""
    decision = one.decision
    values: list[Any] = [_value(decision, name) for name in COLUMNS]
    keys = held.keys(decision.tool_name)
    values += [keys, held.stamp(decision.tool_name), held.agent_id, held.updated_at]
    once = one.once and bool(decision.call_id)
    if once:
        since = first_id_at(decision.decided_at - SAME_CALL_WITHIN)
        values += [decision.call_id, held.agent_id, decision.tool_name, since]
    if one.act is not None:
        values += entry_of(one.act)
    sql = WRITE.format(once=NOT_ASKED if once else "", ledger=LEDGER if one.act else "")
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return bool(cursor.fetchone()[0])


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

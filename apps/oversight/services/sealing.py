"""One root in the ledger for the decisions that let calls go through: each can be proved to be in it, and none can be added,
changed or left out afterwards. Denials and questions to a person stand there one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import orjson
import rfc8785
from django.db import connection, transaction
from django.utils import timezone

from apps.identity.ledger.merkle import leaf_hash, root_of
from apps.identity.models import LedgerEntry
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.ids import first_id_at
from apps.oversight.models import Decision

ACTION = "oversight.decisions.sealed"
SETTLES_AFTER = timedelta(seconds=30)  # a decision's id is made before it is written
LONGEST_BATCH = timedelta(hours=1)
LOCK = 0x5EA1


@transaction.atomic
def seal_decisions(now: datetime | None = None) -> int:
    """Seal what went through since the last seal, an hour of it at most; returns how many decisions. One at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    now = now or timezone.now()
    first = _sealed_until()
    if first is None:
        earliest = Decision.objects.order_by("pk").values_list("decided_at", flat=True).first()
        first = earliest - SETTLES_AFTER if earliest else now
    last = min(now - SETTLES_AFTER, first + LONGEST_BATCH)
    if last <= first:
        return 0
    leaves = leaves_between(first, last)
    if not leaves and last < now - SETTLES_AFTER - LONGEST_BATCH:
        last = now - SETTLES_AFTER  # a long time without any is skipped at once
        leaves = leaves_between(first, last)
    if leaves:
        detail = {
            "from": first,
            "until": last,
            "count": len(leaves),
            "root": root_of([leaf for _, leaf in leaves]).hex(),
        }
        record_act(ACTION, actor=system_principal(), target=("decisions", "all"), detail=detail)
    return len(leaves)


def leaves_between(first: datetime, last: datetime) -> list[tuple[UUID, bytes]]:
    """The decisions in their order, each with its leaf: SHA-256(0x00 || RFC 8785 JSON of what was decided)."""
    rows = Decision.objects.filter(
        pk__gte=first_id_at(first), pk__lt=first_id_at(last), outcome__in=("allow", "notify")
    ).order_by("pk")
    return [(row.pk, leaf_hash(told_of(row))) for row in rows.iterator(chunk_size=5000)]


def told_of(decision: Decision) -> bytes:
    """What is proved of one decision."""
    told = {
        "id": str(decision.pk), "agent": str(decision.agent_id), "tool": decision.tool_name, "operation": decision.operation,
        "outcome": decision.outcome, "code": decision.code, "digest": decision.digest, "bundle": decision.bundle,
        "decided_at": decision.decided_at.isoformat(),
    }  # fmt: skip
    return bytes(rfc8785.dumps(told))


def find_seal(decision: Decision) -> tuple[LedgerEntry, Sequence[tuple[UUID, bytes]]] | None:
    """The entry that holds the decision's root with the leaves it was made of; None where it is not sealed yet."""
    entries = LedgerEntry.objects.filter(action=ACTION, at__gte=decision.decided_at).order_by("pk")
    for entry in entries[:500]:
        detail = orjson.loads(bytes(entry.body))["detail"]
        first, last = (datetime.fromisoformat(detail[end]) for end in ("from", "until"))
        if first_id_at(first) <= decision.pk < first_id_at(last):
            return entry, leaves_between(first, last)
    return None


def _sealed_until() -> datetime | None:
    entry = LedgerEntry.objects.filter(action=ACTION).order_by("-pk").first()
    return datetime.fromisoformat(orjson.loads(bytes(entry.body))["detail"]["until"]) if entry else None

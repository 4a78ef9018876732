"""The one way an act enters the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import rfc8785
from django.db import transaction
from django.utils import timezone

from apps.identity.models import LedgerEntry, Principal
from apps.kit.errors import InvalidInput
from apps.kit.ids import new_id
from apps.kit.request_id import current_request_id

SYSTEM_ID = UUID("00000000-0000-7000-8000-000000000001")


@dataclass(frozen=True)
class Act:
    """One governed act; the parts are those of `record_act`."""

    action: str
    actor: Principal
    target: tuple[str, Any]
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def record_act(
    action: str,
    *,
    actor: Principal,
    target: tuple[str, Any],
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> LedgerEntry:
    """Write one entry in the caller's transaction; it stands or falls with the act it records.

    `action` is a dotted code (`agents.agent.adopted`), `target` a type and an id, `detail` plain JSON
    (texts, booleans, integers below 2**53, lists, mappings): what else is needed to understand the act.
    Raises InvalidInput for a detail that has no canonical form, RuntimeError outside a transaction.
    """
    act = Act(action, actor, target, reason, detail or {})
    _require_transaction(action)
    return LedgerEntry.objects.create(**_entry_of(act))


def record_acts(acts: Sequence[Act]) -> None:
    """Write many entries in the caller's transaction, in this order, in one query."""
    if acts:
        _require_transaction(acts[0].action)
        LedgerEntry.objects.bulk_create([LedgerEntry(**_entry_of(act)) for act in acts])


def _require_transaction(action: str) -> None:
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"{action} was recorded outside the transaction of its act")


def _entry_of(act: Act) -> dict[str, Any]:
    at = timezone.now()
    target_type, target_id = act.target[0], str(act.target[1])
    body = {
        "id": str(new_id()),
        "at": at.isoformat(),
        "action": act.action,
        "actor": {"id": str(act.actor.pk), "kind": act.actor.kind, "name": act.actor.name},
        "target": {"type": target_type, "id": target_id},
        "reason": act.reason,
        "request_id": current_request_id(),
        "detail": jsonable(dict(act.detail)),
    }
    return {
        "at": at,
        "action": act.action,
        "actor_id": act.actor.pk,
        "target_type": target_type,
        "target_id": target_id,
        "request_id": body["request_id"],
        "body": canonical(body),
    }


def entry_of(act: Act) -> list[Any]:
    """The columns at, action, actor_id, target_type, target_id, request_id and body of the act's entry, for whoever
    writes it in one statement with the act itself."""
    told = _entry_of(act)
    names = ("at", "action", "actor_id", "target_type", "target_id", "request_id", "body")
    return [told[name] for name in names]


def system_principal() -> Principal:
    """Chancery itself, the actor of everything no person and no agent did."""
    return Principal.objects.get(pk=SYSTEM_ID)


def canonical(body: Mapping[str, Any]) -> bytes:
    """RFC 8785 bytes of a JSON value; InvalidInput when it has none."""
    try:
        return rfc8785.dumps(dict(body))
    except rfc8785.CanonicalizationError as error:
        raise InvalidInput(
            f"This cannot be written into the ledger: {error}", code="ledger.not_canonical"
        ) from error


def jsonable(value: Any) -> Any:
    """The value with ids and times as text, tuples and sets as lists."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(jsonable(item) for item in value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (UUID,)):
        return str(value)
    return value

"""Saying how long activity is kept."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from apps.activity.models import RetentionRule
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, require_reason

MOST_DAYS = 3650
OF = RetentionRule.Of


@dataclass(frozen=True)
class Kept:
    """How long one class is kept, None without an end, and whether it is moved to the archive afterwards."""

    of: str
    days: int | None
    is_archived: bool = False


@transaction.atomic
def set_retention(kept: Kept, *, actor: Principal, reason: str) -> RetentionRule:
    """Say how long one class of records is kept. Takes effect with the next run, at night."""
    require(actor, Permission.RECORDING_MANAGE)
    require_reason(reason, "Say why it is kept that long")
    rules = {rule.of: rule for rule in RetentionRule.objects.select_for_update().order_by("of")}
    _check(kept, {of: rule.days for of, rule in rules.items()} | {kept.of: kept.days})
    rule, _ = RetentionRule.objects.update_or_create(
        of=kept.of,
        defaults={"days": kept.days, "is_archived": kept.is_archived, "updated_by": actor},
    )
    record_act(
        "activity.retention.set",
        actor=actor,
        target=("activity", kept.of),
        reason=reason.strip(),
        detail={
            "what": rule.get_of_display(),
            "how_long": "without an end" if kept.days is None else f"{kept.days} days",
            "is_archived": kept.is_archived,
        },
    )
    return rule


def _check(kept: Kept, days: dict[str, int | None]) -> None:
    """Content must not outlive its own rule in the spans, nor a call's content the call."""
    problems = {}
    if kept.of not in OF.values:
        problems["of"] = f"Choose one of {', '.join(OF.values)}"
    if kept.days is not None and not 1 <= kept.days <= MOST_DAYS:
        problems["days"] = f"Enter a number from 1 to {MOST_DAYS}"
    content, spans = days.get(OF.CONTENT), days.get(OF.SPANS)
    if content is not None and (spans is None or spans > content):
        problems["days"] = "Spans hold the same content: keep them no longer than the content of calls"
    if kept.is_archived and kept.of == OF.CONTENT:
        problems["is_archived"] = "Content is not archived by itself"
    if problems:
        raise InvalidInput("Nothing was set.", fields=problems)

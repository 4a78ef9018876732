"""Setting what is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection, transaction

from apps.activity.models import ContentPolicy
from apps.activity.recording.current import current_policy
from apps.activity.recording.policy import MODES, TITLES, Rule
from apps.agents.models import DataClass
from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, require_reason
from apps.kit.ids import id_or_none

MOST_RULES = 100
LOCK = 0x4348_5245_4350  # 'CHRECP'


@transaction.atomic
def set_content_policy(
    default: str, rules: Sequence[Rule], *, actor: Principal, reason: str, after: int | None = None
) -> ContentPolicy:
    """A new version, which holds within seconds for what arrives then; what is stored stays as it is.

    `after` is the version that was read: Conflict when there is a newer one.
    """
    require(actor, Permission.RECORDING_MANAGE)
    require_reason(reason, "Say why this is recorded")
    _check(default, rules)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    newest = current_policy()
    if after is not None and after != newest.number:
        raise Conflict("The policy was changed meanwhile. Read it again.", code="activity.recording.stale")
    policy = ContentPolicy.objects.create(
        number=newest.number + 1,
        default=default,
        rules=[rule.as_json() for rule in rules],
        reason=reason.strip(),
        set_by=actor,
    )
    record_act(
        "activity.recording.set",
        actor=actor,
        target=("activity", "recording"),
        reason=policy.reason,
        detail={
            "number": policy.number,
            "default": default,
            "words": TITLES[default].lower(),
            "count": len(rules),
            "rules": policy.rules,
        },
    )
    return policy


def _check(default: str, rules: Sequence[Rule]) -> None:
    problems = {}
    if default not in MODES or any(rule.mode not in MODES for rule in rules):
        problems["mode"] = f"Choose one of {', '.join(MODES)}"
    if len(rules) > MOST_RULES:
        problems["rules"] = f"At most {MOST_RULES} rules"
    if any(rule.data_class and rule.data_class not in DataClass.values for rule in rules):
        problems["data_class"] = f"Choose one of {', '.join(DataClass.values)}"
    if any(rule.tier is not None and not 1 <= rule.tier <= 4 for rule in rules):
        problems["tier"] = "Choose a tier from 1 to 4"
    if not _are_teams({rule.team for rule in rules if rule.team}):
        problems["team"] = "There is no such team"
    if problems:
        raise InvalidInput("Nothing was set.", fields=problems)


def _are_teams(wanted: Iterable[str]) -> bool:
    ids = {id_or_none(one) for one in wanted}
    known = [one for one in ids if one is not None]
    return len(known) == len(ids) == Team.objects.filter(pk__in=known).count()

"""Which calls are to be judged: successful ones of tools whose read-back stands, from the feed, up to a position.

Positions appear in commit order and a changed call gets a new one, so nothing is passed over: neither a call whose success
is told later, nor one that turns out not to have succeeded after it was judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.activity.effects.rules import rule_of
from apps.activity.models import CallEffect, Effect, EffectCursor, Outcome, ReadBack, ToolCall
from apps.activity.pipeline.store import give_positions
from apps.activity.queries import last_position
from apps.activity.services import EFFECT_JUDGE, Verdict, record_verdicts
from apps.agents.models import SideEffect
from apps.kit.ids import time_of

AT_ONCE = 5000

FIRST_LOOK = timedelta(seconds=2)
SETTLES = timedelta(seconds=30)  # reports of a call that would show it may be on their way
LEAVES_SOMETHING = (SideEffect.WRITE, SideEffect.EXTERNAL, SideEffect.IRREVERSIBLE)
Place = tuple[str, str]


@transaction.atomic
def enlist(now: datetime | None = None) -> int:
    """Read the next 5,000 places of the feed; returns how far it went, 0 when there is nothing more."""
    EffectCursor.objects.get_or_create(pk=1)
    cursor = EffectCursor.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    newest = last_position()
    if cursor is None or newest <= cursor.position:
        return 0  # another is at it, or nothing is new
    declared = standing_read_backs()
    upto = min(newest, cursor.position + AT_ONCE) if declared else newest
    fresh = ToolCall.objects.filter(position__gt=cursor.position, position__lte=upto)
    if declared:
        names = {name for name, _ in declared}
        found = fresh.filter(status=ToolCall.Status.OK, agent__isnull=False, effect="", tool_name__in=names)
        wanted = ("agent_id", "tool_name", "mcp_server", "started_at", "ended_at")
        rows = _rows(found.only(*wanted), declared, now or timezone.now())
        CallEffect.objects.bulk_create(rows, ignore_conflicts=True)
    went, cursor.position = upto - cursor.position, upto
    cursor.save(update_fields=["position"])
    _take_back(fresh.exclude(effect="").exclude(status=ToolCall.Status.OK))
    return went


def standing_read_backs() -> dict[Place, ReadBack]:
    """By tool and server; only of tools that leave something behind. One query."""
    standing = ReadBack.objects.standing().filter(tool__side_effect__in=LEAVES_SOMETHING)
    return {(one.tool.name, one.tool.server): one for one in standing.select_related("tool")}


def _rows(calls: Iterable[ToolCall], declared: dict[Place, ReadBack], now: datetime) -> list[CallEffect]:
    rows = []
    for call in calls:
        read_back = declared.get((call.tool_name, call.mcp_server))
        if read_back is not None and time_of(call.pk) >= read_back.declared_at:
            rows.append(_row(call, read_back, now))
    return rows


def _row(call: ToolCall, read_back: ReadBack, now: datetime) -> CallEffect:
    """A call that was told late has its whole time before it as far as an address is asked."""
    rule = rule_of(read_back.rule)
    ended = min(call.ended_at or call.started_at, now)
    within = timedelta(seconds=rule.within_s)
    due_at = now + within if rule.is_asked else max(ended + within, now) + SETTLES
    return CallEffect(
        call_id=call.pk,
        read_back=read_back,
        heard_at=now,
        due_at=due_at,
        next_at=min(now + FIRST_LOOK, due_at),
    )


def _take_back(calls: Iterable[ToolCall]) -> None:
    """What was found of calls that did not succeed after all goes, the verdict too; they are told of anew."""
    untold = {call.pk: call.effect for call in calls}
    if not untold:
        return
    CallEffect.objects.filter(pk__in=untold).delete()
    failed = [pk for pk, effect in untold.items() if effect == Effect.FAILED]
    record_verdicts([Verdict(pk, Outcome.ALLOWED, "", "", EFFECT_JUDGE) for pk in failed])
    ToolCall.objects.among(untold).update(effect="")
    give_positions(list(untold))

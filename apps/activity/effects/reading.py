"""Which calls may be evidence for which."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet

from apps.activity.effects.judging import Facts, Seen
from apps.activity.effects.rules import CONVERSATION, Observed
from apps.activity.models import ToolCall
from apps.identity.models import Principal
from apps.kit.ids import first_id_at, time_of

MOST_LOOKED_AT = 50
HEARD_BEFORE, HEARD_AFTER = timedelta(hours=1), timedelta(days=1)


def facts_of(call: ToolCall) -> Facts:
    return Facts(call.arguments, call.result, call.is_cut)


def later_calls(
    call: ToolCall, observed: Observed, within_s: int, *, actor: Principal | None = None
) -> list[Seen]:
    """Calls of the declared tool that succeeded and began after this one ended, within the time; oldest first, at most 50.

    A conversation's name is the client's own: another client that uses the same one shows nothing, so that nobody verifies
    what another team's agent did. With an actor, only what it may see. One query.
    """
    ended = call.ended_at or call.started_at
    calls = ToolCall.objects.all() if actor is None else ToolCall.objects.visible_to(actor)
    later = _whose(calls, call, observed.of).filter(
        tool_name=observed.tool, mcp_server=observed.server, status=ToolCall.Status.OK,
        started_at__gte=ended, started_at__lte=ended + timedelta(seconds=within_s),
        pk__gte=first_id_at(time_of(call.pk) - HEARD_BEFORE),
        pk__lt=first_id_at(time_of(call.pk) + timedelta(seconds=within_s) + HEARD_AFTER),
    )  # fmt: skip
    rows = later.exclude(pk=call.pk).only("pk", "arguments", "result", "is_cut")
    return [Seen(one.pk, facts_of(one)) for one in rows.order_by("started_at", "pk")[:MOST_LOOKED_AT]]


def _whose(calls: QuerySet[ToolCall], call: ToolCall, of: str) -> QuerySet[ToolCall]:
    if of == CONVERSATION and call.conversation_id:
        told = Q(source_id=call.source_id) | Q(agent_id=call.known_agent_id)
        return calls.filter(told, conversation_id=call.conversation_id)
    return calls.filter(agent_id=call.known_agent_id)

"""Judging calls as they are recorded, in the transaction that records them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from apps.activity.models import ToolCall
from apps.activity.services import Verdict as Recorded
from apps.activity.services import record_verdicts
from apps.activity.signals import calls_recorded
from apps.oversight.rules import verdict_on
from apps.oversight.services.breaker import trip_if_over
from apps.oversight.situations import situations_of


@receiver(calls_recorded, dispatch_uid="oversight.judge_calls")
def judge_calls(sender: type[ToolCall], calls: Sequence[ToolCall], **_: Any) -> None:
    """Give each call its verdict, then trip the breakers of agents that went over their limit."""
    situations = situations_of(call.known_agent_id for call in calls)
    verdicts, violators = [], set()
    for call in calls:
        verdict = verdict_on(
            situations[call.known_agent_id],
            call.tool_name,
            call.started_at,
            status=call.status,
            error=call.error_message or call.error_type,
        )
        verdicts.append(Recorded(call.pk, verdict.outcome, verdict.reason, verdict.code))
        if verdict.outcome == "violation":
            violators.add(call.known_agent_id)
    record_verdicts(verdicts)
    for agent_id in sorted(violators):  # in key order, as every other locker of agents
        trip_if_over(agent_id)

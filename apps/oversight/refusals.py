"""Calls that Chancery itself was asked about and refused: the truth of a denial, whatever telemetry makes of it.

Most clients write a refusal down as a result, as a failure or not at all (docs/connect/README.md). So a decision is joined to
the call by agent, call id and tool; and a refusal that only the reporter claims does not hide a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from apps.activity.models import ToolCall
from apps.agents.toolnames import tool_named
from apps.kit.ids import first_id_at
from apps.oversight.models import Decision

ASKED_WITHIN = timedelta(days=1)
LONGEST_ID = 255
TELLS_ONLY_OF_RESULTS = frozenset({"span"})  # a framework's span, in which a refusal looks like a result


def refused_here(calls: Sequence[ToolCall]) -> dict[UUID, Decision]:
    """The last decision on each of these calls, where it was to deny it. One query, over an index on call ids."""
    asked = [call for call in calls if call.call_id]
    if not asked:
        return {}
    rows = Decision.objects.filter(
        call_id__in={call.call_id[:LONGEST_ID] for call in asked},
        agent_id__in={call.known_agent_id for call in asked},
        pk__gte=first_id_at(min(call.started_at for call in asked) - ASKED_WITHIN),
    )
    last = {(row.agent_id, row.call_id, row.tool_name): row for row in rows.order_by("pk")}
    found = {
        call.pk: last.get((call.known_agent_id, call.call_id[:LONGEST_ID], _tool(call))) for call in asked
    }
    return {
        call.pk: row
        for call in asked
        if (row := found[call.pk]) and row.outcome == Decision.Outcome.DENY and _may_be_of(call, row)
    }


def _may_be_of(call: ToolCall, decision: Decision) -> bool:
    """A call id is used again in other conversations; where either names none, the id has to do."""
    stands_in = bytes(call.trace_id).hex()
    return (
        not decision.conversation_id
        or decision.conversation_id == call.conversation_id
        or call.conversation_id in ("", stands_in)
    )


def stands_refused(call: ToolCall, decision: Decision | None) -> bool:
    """Whether a call counts as refused: as decided here, unless something other than a framework's span shows that it ran all
    the same; without a decision, as its reporter says, unless another report shows a run."""
    if decision is not None:
        return call.is_refused or not call.ran or set(call.sources) <= TELLS_ONLY_OF_RESULTS
    return call.status == ToolCall.Status.DENIED and not (call.is_refused and call.ran)


def _tool(call: ToolCall) -> str:
    return str(tool_named(call.tool_name, call.mcp_server))

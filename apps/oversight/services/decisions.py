"""May this agent call this tool? Answered from memory, proved and recorded in one statement.

The way of a question: what is held of the agent in memory, the engine's verdict, the row (`apps.oversight.case`). Where a
rule looks beyond the call, or a person is asked, the same goes on inside a transaction that holds what must not move
meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chancery_sdk.policy.question import Finding
from chancery_sdk.policy.question import Question as Asked
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.agents.toolnames import LONGEST, tool_named
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import InvalidInput, Unavailable
from apps.oversight import holding
from apps.oversight.case import Case
from apps.oversight.models import Decision
from apps.oversight.rules import objection_to_calling
from apps.oversight.situations import situation_of

AGENTS = "agent"  # where a tool has its MCP server, an agent that is called has this
ATTEMPTS = 6


@dataclass(frozen=True)
class Question:
    """What is asked. `tool_name` as `apps.agents.toolnames` reads it. Ids are the caller's own; '' where it has none.

    `approval` names an approval that a person gave to this very call.
    """

    tool_name: str
    mcp_server: str = ""
    operation: str = ""
    call_id: str = ""
    conversation_id: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data_classes: tuple[str, ...] = ()
    purpose: str = ""
    on_behalf_of: str = ""
    approval: str = ""

    def asked(self) -> Asked:
        """As the engine has it."""
        return Asked(
            tool=str(tool_named(self.tool_name, self.mcp_server)),
            operation=self.operation,
            arguments=self.arguments,
            call_id=self.call_id,
            conversation_id=self.conversation_id,
            data_classes=tuple(self.data_classes),
            purpose=self.purpose,
            on_behalf_of=self.on_behalf_of,
        )


def decide(agent: Agent, question: Question, *, actor: Principal) -> Decision:
    """Answer from what is committed now, and keep the answer.

    One query where nothing changed since the agent was last asked about. A retry of an allowed call gets the same answer
    while it would still be given; a denial is judged anew. What was merged into another agent is answered as that one.
    """
    require_for(actor, Permission.DECISIONS_ASK, agent)
    return _answer(agent, question, actor)


def decide_on_call(caller: Agent, callee: Agent, *, actor: Principal) -> Decision:
    """May `caller` hand work to `callee`? As for the tool agent/<slug> of a policy; denied, too, while the callee is not
    in production, not in order or stopped. Kept like every decision."""
    require_for(actor, Permission.DECISIONS_ASK, caller)
    callee = Agent.objects.select_related("tool_policy").get(pk=callee.merged_into_id or callee.pk)
    unfit = objection_to_calling(situation_of(callee), timezone.now())
    besides = Finding("deny", unfit.code, unfit.reason) if unfit else None
    return _answer(caller, Question(callee.slug, AGENTS, operation="call_agent"), actor, besides)


def _answer(agent: Agent, question: Question, actor: Principal, besides: Finding | None = None) -> Decision:
    """Decide for whoever may ask. `besides`: what else speaks against it. Raises Unavailable where the record changes faster than it can be read."""
    asked = question.asked()
    if len(asked.tool) > LONGEST:
        raise InvalidInput("Nothing was decided.", fields={"tool": f"At most {LONGEST} characters"})
    for _ in range(ATTEMPTS):
        decision = Case(holding.held(agent.pk), asked, actor, besides, question.approval).decided()
        if decision is not None:
            return decision
        holding.forget(agent.pk)
    raise Unavailable(
        "What this depends on is being changed. Ask again.", code="decision.in_motion", retry_after_s=1
    )

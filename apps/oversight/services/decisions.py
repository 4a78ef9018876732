"""May this agent call this tool? Answered, with the reason, and recorded."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.agents.toolnames import tool_named
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.oversight.models import Decision
from apps.oversight.rules import Objection, objection_to, objection_to_calling
from apps.oversight.situations import situation_of

AGENTS = "agent"  # where a tool has its MCP server, an agent that is called has this


@dataclass(frozen=True)
class Question:
    """What is asked. `tool_name` as `apps.agents.toolnames` reads it. Ids are the caller's own; '' where it has none."""

    tool_name: str
    mcp_server: str = ""
    operation: str = ""
    call_id: str = ""
    conversation_id: str = ""


@transaction.atomic
def decide(agent: Agent, question: Question, *, actor: Principal) -> Decision:
    """Answer from what is committed now, and keep the answer.

    Nothing is remembered between questions: a retry is judged again, for a breaker may have tripped in
    between and an old 'allow' would outlive it. What was merged into another agent is answered as that one.
    Two queries and one insert.
    """
    require_for(actor, Permission.DECISIONS_ASK, agent)
    return _answer(agent, question, actor)


@transaction.atomic
def decide_on_call(caller: Agent, callee: Agent, *, actor: Principal) -> Decision:
    """May `caller` hand work to `callee`? As for the tool agent/<slug> of a policy; denied, too, while the callee is not
    in production, not in order or stopped. Kept like every decision."""
    require_for(actor, Permission.DECISIONS_ASK, caller)
    callee = Agent.objects.select_related("tool_policy").get(pk=callee.merged_into_id or callee.pk)
    unfit = objection_to_calling(situation_of(callee), timezone.now())
    return _answer(caller, Question(callee.slug, AGENTS, operation="call_agent"), actor, unfit)


def _answer(agent: Agent, question: Question, actor: Principal, besides: Objection | None = None) -> Decision:
    now, tool = timezone.now(), tool_named(question.tool_name, question.mcp_server)
    agent = Agent.objects.select_related("tool_policy").get(pk=agent.merged_into_id or agent.pk)
    situation = situation_of(agent)
    objection = objection_to(situation, tool, now) or besides
    limited = situation.allowed_tools is not None
    allowed_because = "The tool policy allows it." if limited else "No tool policy limits this agent."
    return Decision.objects.create(
        agent=agent,
        asked_by=actor,
        tool_name=str(tool),
        operation=question.operation,
        call_id=question.call_id,
        conversation_id=question.conversation_id,
        outcome=Decision.Outcome.DENY if objection else Decision.Outcome.ALLOW,
        code=objection.code if objection else ("policy.allowed" if limited else "policy.none"),
        reason=objection.reason if objection else allowed_because,
        policy_version=situation.policy_version,
        decided_at=now,
    )

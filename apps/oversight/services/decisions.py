"""May this agent call this tool? Answered from memory, proved and recorded in one statement.

The way of a question: what is held of the agent in memory, the engine's verdict, the row. Where a rule looks beyond the
call, or a person is asked, the same goes on inside a transaction that holds what must not move meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from chancery_sdk.policy.question import Finding, Past, Verdict
from chancery_sdk.policy.question import Question as Asked
from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.agents.toolnames import LONGEST, tool_named
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act
from apps.kit.errors import InvalidInput, Unavailable
from apps.oversight import holding
from apps.oversight.asking import ask_person, redeem_approval, use_earlier_approval, use_standing_approval
from apps.oversight.binding import digest_of
from apps.oversight.holding import Held
from apps.oversight.models import Decision
from apps.oversight.pasts import is_needed, past_of
from apps.oversight.rules import objection_to_calling
from apps.oversight.situations import situation_of
from apps.oversight.writing import Write, asked_before, write

AGENTS = "agent"  # where a tool has its MCP server, an agent that is called has this
HOLDS_FOR = timedelta(minutes=5)
ATTEMPTS = 6
IN_LEDGER = {"deny": "oversight.decision.denied", "ask": "oversight.decision.asked"}


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
        case = Case(holding.held(agent.pk), asked, actor, besides, question.approval)
        decision = case.decided()
        if decision is not None:
            return decision
        holding.forget(agent.pk)
    raise Unavailable(
        "What this depends on is being changed. Ask again.", code="decision.in_motion", retry_after_s=1
    )


@dataclass(frozen=True)
class Case:
    """One question about one agent, with what is held of it."""

    held: Held
    asked: Asked
    actor: Principal
    besides: Finding | None
    approval: str

    def decided(self) -> Decision | None:
        """None when what is held is out of date."""
        tool = self.held.know(self.asked.tool)
        rules = self.held.engine.slice_of(tool)
        if not (self.approval or is_needed(rules, self.held)):
            at = timezone.now()
            verdict = self._verdict(Past(), at)
            if verdict.outcome != "ask" and not _for_people_only(verdict):
                return self._write(verdict, at)
        with transaction.atomic():
            decision = self._carefully(timezone.now())
            if decision is None:  # what was used up for it, a consent, was not
                transaction.set_rollback(True)
            return decision

    def _carefully(self, at: datetime) -> Decision | None:
        """With counters locked, and what a person said taken into account."""
        rules = self.held.engine.slice_of(self.held.know(self.asked.tool))
        past = past_of(self.held, rules, self.asked, at)
        verdict = self._verdict(past, at)
        if self.approval:
            said = redeem_approval(self.approval, self.held, self.asked, at)
            verdict = self._verdict(past, at, approved=True) if said.outcome == "allow" else verdict
            return self._write(_with(verdict, said), at, once=False)
        consent = self._consent(at) if verdict.outcome == "ask" else None
        if consent is not None:
            return self._write(_with(self._verdict(past, at, approved=True), consent), at, once=False)
        if verdict.outcome == "ask" or _for_people_only(verdict):
            return self._wait_for_person(verdict, at)
        return self._write(verdict, at)

    def _consent(self, at: datetime) -> Finding | None:
        return use_earlier_approval(self.held, self.asked, at) or use_standing_approval(
            self.held, self.asked, at
        )

    def _verdict(self, past: Past, at: datetime, *, approved: bool = False) -> Verdict:
        verdict = self.held.engine.decide(self.asked, past, at, approved=approved)
        return _with(verdict, self.besides) if self.besides and verdict.outcome != "deny" else verdict

    def _write(self, verdict: Verdict, at: datetime, *, once: bool = True) -> Decision | None:
        decision = self._row(verdict, at)
        if write(self.held, Write(decision, _act(decision, self.actor), once)):
            return decision
        before = asked_before(self.held.agent_id, decision) if once else None
        if before is None:
            return None
        if decision.outcome != "deny" and _stands(before, decision, at):
            return before
        return self._write(verdict, at, once=False)

    def _wait_for_person(self, verdict: Verdict, at: datetime) -> Decision | None:
        """One approval for a call however often it is asked about; None where the record moved, with nothing written."""
        decision = self._row(verdict, at)
        approval, is_new = ask_person(self.held, self.asked, verdict, decision)
        decision.approval_id = approval.pk
        if not is_new and (before := Decision.objects.filter(pk=approval.decision_id).first()):
            return before
        if write(self.held, Write(decision, _act(decision, self.actor), once=False)):
            return decision
        return None

    def _row(self, verdict: Verdict, at: datetime) -> Decision:
        held, asked = self.held, self.asked
        tool = held.know(asked.tool)
        return Decision(
            agent_id=held.agent_id,
            asked_by=self.actor,
            tool_name=asked.tool,
            operation=asked.operation,
            call_id=asked.call_id,
            conversation_id=asked.conversation_id,
            outcome=verdict.outcome,
            code=verdict.code,
            reason=verdict.reason,
            policy_version=_version(verdict) or held.bundle.tool_policy_version,
            decided_at=at,
            team_id=held.team_id,
            data_classes=sorted({*tool.data_classes_of(asked.operation), *asked.data_classes}),
            purpose=asked.purpose[:500],
            on_behalf_of=asked.on_behalf_of,
            findings=[_told(one) for one in verdict.findings],
            obligations=list(verdict.obligations),
            shadow=_told(verdict.shadow) if verdict.shadow else None,
            counted={key: str(amount) for key, amount in verdict.counted.items()},
            digest=digest_of(held, asked),
            bundle=held.bundle.version,
            expires_at=at + HOLDS_FOR if verdict.outcome in ("allow", "notify") else None,
        )


def _stands(before: Decision, now: Decision, at: datetime) -> bool:
    """The same question, asked again while the answer holds."""
    went_on = before.outcome in ("allow", "notify") and before.digest == now.digest
    return went_on and before.expires_at is not None and before.expires_at > at


def _with(verdict: Verdict, finding: Finding) -> Verdict:
    """The verdict with what decides it: a person's word, or an objection from elsewhere."""
    if finding.outcome != "deny" and verdict.outcome in ("deny", "ask"):
        return replace(verdict, findings=(*verdict.findings, finding))
    return replace(
        verdict,
        outcome=verdict.outcome if finding.outcome == "allow" else finding.outcome,
        code=finding.code,
        reason=finding.reason,
        findings=(*verdict.findings, finding),
        counted={} if finding.outcome == "deny" else verdict.counted,
    )


def _for_people_only(verdict: Verdict) -> bool:
    return verdict.outcome == "deny" and verdict.code == "oversight.human_only"


def _version(verdict: Verdict) -> int | None:
    deciding = next((one for one in verdict.findings if one.code == verdict.code), None)
    return deciding.version if deciding else None


def _told(finding: Finding) -> dict[str, Any]:
    told = asdict(finding)
    return {name: value for name, value in told.items() if value not in ("", None, (), [])}


def _act(decision: Decision, actor: Principal) -> Act | None:
    """Denials and questions to a person stand in the ledger one by one; what was allowed, by its batch's root."""
    action = IN_LEDGER.get(decision.outcome)
    if action is None:
        return None
    detail = {
        "agent": decision.agent_id, "tool": decision.tool_name, "operation": decision.operation, "code": decision.code,
        "digest": decision.digest, "call_id": decision.call_id, "bundle": decision.bundle,
    }  # fmt: skip
    return Act(action, actor, ("decision", decision.pk), decision.reason, detail)

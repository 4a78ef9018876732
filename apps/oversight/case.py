"""One question about one agent: from what is held of it to the row that is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chancery_sdk.policy.question import Finding, Past, Question, Verdict
from django.db import transaction
from django.utils import timezone

from apps.identity.models import Principal
from apps.identity.services.ledger import Act
from apps.oversight.asking import ask_person, redeem_approval, use_earlier_approval, use_standing_approval
from apps.oversight.binding import digest_of
from apps.oversight.holding import Held
from apps.oversight.models import Decision
from apps.oversight.pasts import is_needed, past_of
from apps.oversight.writing import Write, asked_before, write

HOLDS_FOR = timedelta(minutes=5)
IN_LEDGER = {"deny": "oversight.decision.denied", "ask": "oversight.decision.asked"}


@dataclass(frozen=True)
class Case:
    """One question about one agent, with what is held of it."""

    held: Held
    asked: Question
    actor: Principal
    besides: Finding | None = None
    approval: str = ""
    asker: tuple[str, int] = ("", 0)

    def plain(self) -> Write | None:
        """What is to be written where the call speaks for itself; None where a rule looks beyond it or a person is asked.
        Nothing is read but memory, once the tool is known."""
        rules = self.held.engine.slice_of(self.held.know(self.asked.tool))
        if self.approval or is_needed(rules, self.held):
            return None
        at = timezone.now()
        verdict = self._verdict(Past(), at)
        if verdict.outcome == "ask" or _for_people_only(verdict):
            return None
        decision = self._row(verdict, at)
        return Write(decision, _act(decision, self.actor), asker=self.asker)

    def decided(self) -> Decision | None:
        """None when what is held is out of date."""
        plain = self.plain()
        if plain is not None:
            return self._written(plain)
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
        return self._written(Write(decision, _act(decision, self.actor), once))

    def _written(self, one: Write) -> Decision | None:
        """The decision as it stands in the end: this one, or the same one given before. None where the record moved."""
        if write(self.held, one):
            return one.decision
        before = asked_before(self.held.agent_id, one.decision) if one.once else None
        if before is None:
            return None
        if one.decision.outcome != "deny" and _stands(before, one.decision):
            return before
        return self._written(replace(one, once=False))

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


def _stands(before: Decision, now: Decision) -> bool:
    """The same question, asked again while the answer holds."""
    went_on = before.outcome in ("allow", "notify") and before.digest == now.digest
    return went_on and before.expires_at is not None and before.expires_at > now.decided_at


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

"""What a person says about a call, seen from the call: asking, using the answer, consent given in advance.

All of it runs in the transaction of the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chancery_sdk.policy.question import Finding, Question, Verdict
from chancery_sdk.policy.values import as_decimal, at_path
from django.conf import settings
from django.db.models import F, Q

from apps.kit.errors import InvalidInput
from apps.kit.ids import id_or_none
from apps.oversight.binding import digest_of
from apps.oversight.holding import Held
from apps.oversight.models import Approval, Decision, StandingApproval
from apps.oversight.showing import shown_to_approver

EFFECT_RISK = {"read": 0, "write": 5, "external": 10, "irreversible": 20}
FOUR_EYES, ON_EXPIRY = (
    "four_eyes",
    "on_expiry",
)  # what a policy may ask of people, beside what it asks of the agent


def ask_person(held: Held, asked: Question, verdict: Verdict, decision: Decision) -> tuple[Approval, bool]:
    """The approval that the call waits for, and whether it is new. The same call asked about again, as a model does that is
    told to wait and comes with a new call id, waits once."""
    rows = Approval.objects.open().filter(
        agent_id=held.agent_id,
        digest=decision.digest,
        conversation_id=asked.conversation_id,
        expires_at__gt=decision.decided_at,
    )
    known = rows.select_for_update().first()
    if known is not None:
        return known, False
    if _has_null(
        asked.arguments
    ):  # PostgreSQL holds none, and a fault of ours here would be a way past the question
        raise InvalidInput("Nothing was decided.", fields={"arguments": "Null characters are not allowed."})
    return Approval.objects.create(**_approval(held, asked, verdict, decision)), True


def redeem_approval(name: str, held: Held, asked: Question, at: datetime) -> Finding:
    """Use a person's consent for this call, once. The row is locked: of two who use it at once, one is refused."""
    key = id_or_none(name)
    approval = (
        Approval.objects.select_for_update().filter(pk=key, agent_id=held.agent_id).first() if key else None
    )
    if approval is None:
        return Finding("deny", "approval.unknown", "No approval of this agent has this id.")
    refusal = _unusable(approval, held, asked, at)
    return refusal if refusal is not None else _used(approval, at)


def use_earlier_approval(held: Held, asked: Question, at: datetime) -> Finding | None:
    """A person's consent to this very call that nobody has used yet, for those who cannot carry its id: it is bound to all
    of the call, and good once all the same."""
    rows = Approval.objects.filter(
        agent_id=held.agent_id, tool_name=asked.tool, state=Approval.State.APPROVED, usable_until__gt=at,
        digest=digest_of(held, asked),
    )  # fmt: skip
    approval = rows.select_for_update(skip_locked=True).order_by("pk").first()
    return _used(approval, at) if approval else None


def use_standing_approval(held: Held, asked: Question, at: datetime) -> Finding | None:
    """Consent given in advance that covers the call, with one use of it taken; None where there is none."""
    rows = StandingApproval.objects.filter(
        Q(operation="") | Q(operation=asked.operation),
        agent_id=held.agent_id, tool_name=asked.tool, revoked_at=None, until__gt=at, used__lt=F("most_calls"),
    ).select_related("given_by")  # fmt: skip
    for one in rows.order_by("until"):
        if not fits(one.limits, asked.arguments):
            continue
        left = StandingApproval.objects.filter(pk=one.pk, used__lt=F("most_calls"), revoked_at=None)
        if left.update(used=F("used") + 1):
            words = (
                f"{one.given_by.name} approved such calls in advance, until {one.until:%Y-%m-%d %H:%M} UTC."
            )
            return Finding("allow", "approval.standing", words)
    return None


def fits(limits: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]) -> bool:
    """True when every limit holds: {path: {"most": number}} or {path: {"among": [values]}}. What is not there is outside."""
    return all(_within(limit, at_path(arguments, path)) for path, limit in limits.items())


def _has_null(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_null(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_has_null, value))


def _within(limit: Mapping[str, Any], value: Any) -> bool:
    if "most" in limit:
        amount, most = as_decimal(value), as_decimal(limit["most"])
        return amount is not None and most is not None and amount <= most
    return value in limit.get("among", [])


def _unusable(approval: Approval, held: Held, asked: Question, at: datetime) -> Finding | None:
    states = {
        Approval.State.PENDING: ("approval.pending", "Nobody has answered yet."),
        Approval.State.DENIED: (
            "approval.denied",
            f"{_who(approval)} denied it. {approval.decision_reason}".strip(),
        ),
        Approval.State.EXPIRED: ("approval.expired", "Nobody answered in time."),
        Approval.State.WITHDRAWN: ("approval.withdrawn", "It was withdrawn."),
        Approval.State.USED: ("approval.used", "It was used already; it is good for one call."),
        Approval.State.DONE: ("approval.done", "A person carried it out."),
    }
    if approval.state != Approval.State.APPROVED:
        return Finding("deny", *states[Approval.State(approval.state)])
    if approval.usable_until is None or approval.usable_until <= at:
        return Finding("deny", "approval.out_of_date", "The consent is out of date. Ask again.")
    if approval.digest != digest_of(held, asked):
        words = "The call differs from what was approved, or what it depends on was changed since. Ask again."
        return Finding("deny", "approval.mismatch", words)
    return None


def _used(approval: Approval, at: datetime) -> Finding:
    approval.state, approval.used_at = Approval.State.USED, at
    approval.version += 1
    approval.save(update_fields=["state", "used_at", "version"])
    return Finding("allow", "approval.given", f"{_who(approval)} approved this call.")


def _who(approval: Approval) -> str:
    return approval.decided_by.name if approval.decided_by else "Nobody"


def _approval(held: Held, asked: Question, verdict: Verdict, decision: Decision) -> dict[str, Any]:
    said = {one.get("kind"): one for one in verdict.obligations}
    expiry = said.get(ON_EXPIRY, {})
    is_human_only = verdict.code == "oversight.human_only"
    return {
        "kind": Approval.Kind.HUMAN_ONLY if is_human_only else Approval.Kind.APPROVE,
        "agent_id": held.agent_id,
        "requested_by": decision.asked_by,
        "decision_id": decision.pk,
        "tool_name": asked.tool,
        "operation": asked.operation,
        "call_id": asked.call_id,
        "conversation_id": asked.conversation_id,
        "purpose": asked.purpose,
        "on_behalf_of": asked.on_behalf_of,
        "arguments": dict(asked.arguments),
        "digest": decision.digest,
        "code": verdict.code,
        "reason": verdict.reason,
        "risk": _risk(held, asked, verdict),
        "needed": 2 if FOUR_EYES in said else 1,
        "on_expiry": expiry.get("default", "deny"),
        "expires_at": decision.decided_at
        + timedelta(seconds=int(expiry.get("after_s", settings.APPROVAL_LIFE_S))),
        **shown_to_approver(held, asked, verdict, decision.decided_at),
    }


def _risk(held: Held, asked: Question, verdict: Verdict) -> int:
    """What comes first in the inbox: 0 to about 120."""
    tool = held.know(asked.tool)
    effect = EFFECT_RISK.get(tool.side_effect_of(asked.operation), 10)
    return held.bundle.agent.tier * 20 + effect + (15 if verdict.code.startswith("policy.") else 0)

"""What is told of a call, as CloudEvents; what is asked and answered. Plain values, nothing is sent here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypedDict
from uuid import uuid4

from chancery_sdk.tracing import current_traceparent

STARTED, FINISHED, DENIED, HANDOVER, OUTCOME = (
    "ai.chancery.tool_call.started", "ai.chancery.tool_call.finished", "ai.chancery.tool_call.denied",
    "ai.chancery.handover", "ai.chancery.outcome",
)  # fmt: skip
LONGEST_PAYLOAD: Final = 32_768
GOES_ON: Final = frozenset({"allow", "notify"})


@dataclass(frozen=True)
class Call:
    """One tool call. `call_id` is the model's own id and joins what others report; where there is none, one is made that joins
    what this client says.

    `conversation_id` is the one telemetry carries. `agent` is the agent's name as telemetry has it.
    """

    tool: str
    arguments: Any = None
    call_id: str = ""
    conversation_id: str = ""
    mcp_server: str = ""
    agent: str = ""
    model: str = ""
    framework: str = ""
    service: str = ""
    began: float = field(default_factory=time.monotonic, compare=False)

    def __post_init__(self) -> None:
        if not self.call_id:
            object.__setattr__(self, "call_id", f"sdk_{uuid4().hex}")

    @property
    def duration_ms(self) -> float:
        return round((time.monotonic() - self.began) * 1000, 3)


class Outcome(TypedDict, total=False):
    """What is known of a run; what is not said stays as it was.

    `escalation_due`: it should have been handed to a person. `repeated`: the same person came back with the same matter.
    `rating` is trust or rating, 0 to 1; `value` and `cost` are amounts in `currency`, three letters; `contact` is whoever was
    served (a pseudonym will do); `at` is when the run was, for what is told days later.
    """

    resolved: bool
    escalated: bool
    escalation_due: bool
    abandoned: bool
    repeated: bool
    reopened: bool
    rating: float
    value: Decimal | float
    cost: Decimal | float
    currency: str
    segment: str
    contact: str
    at: datetime


@dataclass(frozen=True)
class Verdict:
    """May the call be made? `asked` is False when nobody could be asked and the fallback answered.

    `approval_id` is what the call waits for where `outcome` is ask; `advice` is what the agent may do instead.
    """

    outcome: str
    reason: str = ""
    code: str = ""
    decision_id: str = ""
    asked: bool = True
    approval_id: str = ""
    advice: str = ""

    @property
    def allowed(self) -> bool:
        """False for what is denied, held for a person, or answered in a word this client does not know."""
        return self.outcome in GOES_ON

    @property
    def words(self) -> str:
        """What the model is told instead of a result."""
        why = self.reason or self.code or "no reason was given"
        beginning = (
            "Chancery holds this call for a person" if self.outcome == "ask" else "Refused by Chancery"
        )
        return f"{beginning}: {why}{f' {self.advice}' if self.advice else ''}"


def fallback(fail_closed: bool, why: str) -> Verdict:
    """The answer when nobody answered."""
    return Verdict("deny" if fail_closed else "allow", why, "sdk.not_asked", asked=False)


def unknown(agent_id: str) -> Verdict:
    """The answer when the server knows no such agent, or none that this key may ask about: no case for the fallback,
    for a mistyped id would else be an agent that may do anything."""
    return Verdict(
        "deny",
        f"Chancery knows no agent {agent_id or 'of this key'} that this key may ask about",
        "sdk.unknown_agent",
    )


def question(call: Call, agent_id: str, approval_id: str = "") -> bytes:
    """The body of POST /api/v1/decisions. Raises ValueError for arguments that JSON has no form for, such as NaN."""
    arguments = call.arguments if isinstance(call.arguments, Mapping) else {"value": call.arguments}
    told: dict[str, Any] = {
        "tool": call.tool, "mcp_server": call.mcp_server, "call_id": call.call_id[:255],
        "conversation_id": call.conversation_id[:255], "arguments": {} if call.arguments is None else dict(arguments),
    }  # fmt: skip
    told |= {"agent": agent_id} if agent_id else {}
    told |= {"approval": approval_id} if approval_id else {}
    return json.dumps(told, default=_plain, allow_nan=False).encode()


def answer(body: Mapping[str, Any]) -> Verdict:
    told = {name: str(body.get(name) or "") for name in ("outcome", "reason", "code", "id", "approval_id")}
    advice = " ".join(
        str(step.get("words", "")) for step in body.get("next") or () if isinstance(step, Mapping)
    )
    return Verdict(
        told["outcome"],
        told["reason"],
        told["code"],
        told["id"],
        approval_id=told["approval_id"],
        advice=advice,
    )


def unreadable(why: object) -> Verdict:
    """A call that nobody can judge is refused, whatever the fallback: an agent must not get past by what it sends."""
    return Verdict("deny", f"The call cannot be judged: {why}", "sdk.unreadable")


def settled(approval: Mapping[str, Any], verdict: Verdict) -> Verdict:
    """The verdict that an approval came to when it was not given as asked for."""
    reason = str(approval.get("decision_reason") or approval.get("state") or "")
    if approval.get("state") == "approved":
        allowed = json.dumps(approval.get("arguments"), default=_plain)
        reason = f"A person allowed other arguments. Make the call with exactly these: {allowed}"
    return Verdict("deny", reason, f"approval.{approval.get('state')}", verdict.decision_id, advice="")


def event(kind: str, source: str, data: Mapping[str, Any], traceparent: str = "") -> bytes:
    """A CloudEvent of now as JSON; what is longer than is kept is cut to its beginning."""
    told = {name: _bounded(value) for name, value in data.items() if value not in (None, "")}
    whole = {
        "specversion": "1.0", "id": str(uuid4()), "source": source[:255] or "chancery-sdk", "type": kind,
        "time": datetime.now(UTC).isoformat(), "datacontenttype": "application/json", "data": told,
    }  # fmt: skip
    context = traceparent or current_traceparent()
    return json.dumps(whole | ({"traceparent": context} if context else {}), default=_plain).encode()


def outcome_of(fields: Outcome) -> dict[str, Any]:
    """The fields that are said, as JSON has them. Raises TypeError for one that no outcome has."""
    unknown = sorted(set(fields) - Outcome.__annotations__.keys())
    if unknown:
        raise TypeError(f"an outcome has no {', '.join(unknown)}")
    told = {name: value for name, value in fields.items() if value is not None}
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, Decimal)
        else value
        for name, value in told.items()
    }


def told_of(call: Call) -> dict[str, Any]:
    """What every event of a call says."""
    return {
        "tool": call.tool, "mcp_server": call.mcp_server, "call_id": call.call_id, "agent": call.agent,
        "conversation_id": call.conversation_id, "model": call.model, "framework": call.framework,
        "service": call.service,
    }  # fmt: skip


def error_of(error: BaseException | str) -> dict[str, str]:
    if isinstance(error, str):
        return {"type": "", "message": error[:500]}
    return {"type": type(error).__name__, "message": str(error)[:500]}


def _bounded(value: Any) -> Any:
    words = value if isinstance(value, str) else json.dumps(value, default=_plain)
    return value if len(words) <= LONGEST_PAYLOAD else words[:LONGEST_PAYLOAD]


def _plain(value: Any) -> Any:
    """What JSON has no word for: a model as its fields, anything else as its text."""
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json")
    return str(value)[:LONGEST_PAYLOAD]

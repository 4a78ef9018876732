"""Giving, revoking and expiring certifications."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import F, Max
from django.utils import timezone

from apps.activity.behaviour.services import freeze_baseline
from apps.agents.access import require_for
from apps.agents.models import Agent, ObservedModel, ObservedTool
from apps.agents.risk import needs_certification
from apps.agents.services.registry import lock_agent
from apps.agents.services.status import write_certified_until, write_many_certified_until
from apps.agents.toolnames import tool_named
from apps.compliance.models import Certification, ControlResult, Finding, Framework, Severity
from apps.compliance.rules import VALIDITY, Judged, what_stands_in_the_way
from apps.compliance.services.findings import FindingDraft, raise_finding, raise_findings
from apps.compliance.signals import certification_ended, certification_issued
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import Conflict, DomainError, InvalidInput, NotPermitted, require_reason
from apps.oversight.models import ToolPolicy

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ControlJudgement:
    """What the certifier says of one control."""

    result: str
    note: str = ""


@dataclass(frozen=True)
class CertificationRequest:
    """A framework, a judgement per control code, and the note of evidence they rest on."""

    framework: Framework
    evidence: str
    controls: Mapping[str, ControlJudgement] = field(default_factory=dict)


@transaction.atomic
def certify_agent(agent: Agent, request: CertificationRequest, *, actor: Principal) -> Certification:
    """Certify against one framework, until the tier's validity ends; an active one is superseded.

    Records the tools and models seen until now as the baseline for drift, and freezes what is usual for it.
    """
    agent = lock_agent(agent)
    require_for(actor, Permission.COMPLIANCE_CERTIFY, agent)
    if agent.tier is None:
        raise Conflict(
            f"{agent.name} has no risk tier yet; answer its four risk questions first.",
            code="compliance.tier_missing",
        )
    check_certifier(agent, actor=actor)
    check_request(request)
    now = timezone.now()
    _supersede(agent, request.framework, now)
    certification = Certification.objects.create(
        agent=agent,
        framework=request.framework,
        tier=agent.tier,
        evidence=request.evidence.strip(),
        baseline=baseline_of(agent),
        certified_by=actor,
        certified_at=now,
        expires_at=now + VALIDITY[agent.tier],
    )
    _keep_results(certification, request)
    refresh_status(agent, now)
    freeze_baseline(agent, actor=actor)
    record_act(
        "compliance.certification.issued",
        actor=actor,
        target=("agent", agent.pk),
        reason=certification.evidence,
        detail={
            "certification": certification.pk,
            "framework": request.framework.key,
            "tier": agent.tier,
            "expires_at": certification.expires_at,
            "baseline": certification.baseline,
            "controls": {code: judged.result for code, judged in request.controls.items()},
        },
    )
    certification_issued.send(sender=Certification, certification=certification, actor=actor)
    return certification


@transaction.atomic
def revoke_certification(certification: Certification, *, actor: Principal, reason: str) -> Certification:
    """Take a certification back; a tier 3 or 4 agent in production is refused every call from then on."""
    agent = lock_agent(certification.agent, off_record_too=True)
    require_for(actor, Permission.COMPLIANCE_CERTIFY, agent)
    require_reason(reason, "Say why it is taken back")
    certification = Certification.objects.select_for_update(of=("self",)).get(pk=certification.pk)
    if certification.status != Certification.Status.ACTIVE:
        raise Conflict(
            "Only an active certification can be revoked.", code="compliance.certification.not_active"
        )
    end_certification(certification, Certification.Status.REVOKED, reason.strip(), actor=actor)
    refresh_status(agent, timezone.now())
    return certification


def follow_tiers(agents: Sequence[Agent]) -> None:
    """After a change of risk: until when a certification covers each new tier, and a finding where none does any more.

    The rows are locked by whoever changed them. A few queries whatever their number; nothing is done of those that hold
    no certification.
    """
    if not agents:
        return
    now = timezone.now()
    refresh_many(agents, now, actor=system_principal())
    held = Certification.objects.filter(
        agent__in=agents, status=Certification.Status.ACTIVE, expires_at__gt=now
    )
    best: dict[UUID, Certification] = {}
    for one in held.select_related("framework").order_by("-tier", "-expires_at"):
        best.setdefault(one.agent_id, one)
    outgrown = [agent for agent in agents if agent.pk in best and best[agent.pk].tier < (agent.tier or 0)]
    if outgrown:
        told = Finding.objects.filter(
            agent__in=outgrown, kind=Finding.Kind.CERTIFICATION_OUTGROWN, status=Finding.Status.OPEN
        )
        known = set(told.values_list("agent_id", flat=True))
        raise_findings([_outgrown(one, best[one.pk]) for one in outgrown if one.pk not in known])


def expire_certifications(now: datetime | None = None) -> int:
    """End every active certification whose time is over; returns how many. Safe to run at any time.

    One transaction per certification: one that cannot be ended is logged, and the others are ended.
    """
    now = now or timezone.now()
    due = Certification.objects.filter(status=Certification.Status.ACTIVE, expires_at__lte=now)
    return sum(_try_to_expire(pk, now) for pk in list(due.order_by("pk").values_list("pk", flat=True)))


def baseline_of(agent: Agent) -> dict[str, list[str]]:
    """What is certified: the tools its policy allows and those it was seen to call, and its models; sorted.

    Tools are written as `ToolName` writes them: one of another server is another tool.
    """
    policy = ToolPolicy.objects.limiting().filter(agent=agent).first()
    seen = ObservedTool.objects.filter(agent=agent).values_list("tool_name", "mcp_server")
    tools = [
        *(str(tool_named(name, server)) for name, server in seen),
        *((policy.allowed_tools or ()) if policy else ()),
    ]
    models = ObservedModel.objects.filter(agent=agent).values_list("model", flat=True)
    return {"tools": sorted(set(tools)), "models": sorted(set(models))}


def _try_to_expire(pk: UUID, now: datetime) -> bool:
    try:
        return _expire(pk, now)
    except (DatabaseError, DomainError):
        logger.exception("the certification %s was not ended", pk)
        return False


@transaction.atomic
def _expire(pk: UUID, now: datetime) -> bool:
    certification = Certification.objects.select_related("agent").get(pk=pk)
    # The agent before the certification: the order of every other writer.
    agent = lock_agent(certification.agent, off_record_too=True)
    certification = (
        Certification.objects.select_for_update(of=("self",)).select_related("framework").get(pk=pk)
    )
    if certification.status != Certification.Status.ACTIVE or certification.expires_at > now:
        return False
    end_certification(
        certification, Certification.Status.EXPIRED, "Its time is over.", actor=system_principal()
    )
    refresh_status(agent, now)
    raise_finding(
        FindingDraft(
            agent=agent,
            certification=certification,
            kind=Finding.Kind.CERTIFICATION_EXPIRED,
            key=f"certification.expired:{certification.pk}",
            severity=Severity.CRITICAL if needs_certification(agent.tier) else Severity.MEDIUM,
            title=f"{certification.framework.name} certification expired",
            detail=f"It was given for tier {certification.tier} and ended on {certification.expires_at:%-d %B %Y}.",
        )
    )
    return True


def check_certifier(agent: Agent, *, actor: Principal) -> None:
    """Raise NotPermitted where this is nobody who may judge the agent."""
    if actor.kind != Principal.Kind.HUMAN:
        raise NotPermitted(
            "A person certifies; this is not a person's credential.", code="compliance.certifier_not_a_person"
        )
    if needs_certification(agent.tier) and actor.pk in (agent.owner_id, agent.deputy_id):
        raise NotPermitted(
            f"{agent.name} is tier {agent.tier}: its owner and deputy cannot certify it.",
            code="compliance.certifier_is_owner",
        )


def check_request(request: CertificationRequest) -> None:
    """Raise InvalidInput naming what stands in the way."""
    controls = list(request.framework.controls.all())
    known = {control.code for control in controls}
    problems = {
        code: "There is no such control in this framework" for code in request.controls if code not in known
    }
    problems |= {
        code: f"Choose one of {', '.join(ControlResult.Result.values)}"
        for code, judged in request.controls.items()
        if judged.result not in ControlResult.Result.values
    }
    given = {code: (judged.result, judged.note) for code, judged in request.controls.items()}
    problems |= what_stands_in_the_way(
        Judged(control.code, control.severity, *given.get(control.code, (None, ""))) for control in controls
    )
    if not request.framework.is_active:
        problems["framework"] = "This framework is no longer in use"
    if not request.evidence.strip():
        problems["evidence"] = "Say what the judgement rests on"
    if problems:
        raise InvalidInput(
            "The certification was not given.", code="compliance.controls_open", fields=problems
        )


def _keep_results(certification: Certification, request: CertificationRequest) -> None:
    by_code = {control.code: control for control in request.framework.controls.all()}
    ControlResult.objects.bulk_create(
        ControlResult(
            certification=certification, control=by_code[code], result=judged.result, note=judged.note
        )
        for code, judged in request.controls.items()
    )


def _supersede(agent: Agent, framework: Framework, now: datetime) -> None:
    held = Certification.objects.filter(agent=agent, framework=framework, status=Certification.Status.ACTIVE)
    for certification in held:
        end_certification(
            certification,
            Certification.Status.SUPERSEDED,
            "A newer certification took its place.",
            actor=system_principal(),
        )


def end_certification(certification: Certification, status: str, reason: str, *, actor: Principal) -> None:
    """End it and say so. A step: the caller holds the agent's row and refreshes what it shows."""
    certification.status, certification.ended_at, certification.ended_reason = status, timezone.now(), reason
    certification.save(update_fields=["status", "ended_at", "ended_reason"])
    record_act(
        f"compliance.certification.{status}",
        actor=actor,
        target=("agent", certification.agent_id),
        reason=reason,
        detail={"certification": certification.pk, "framework": certification.framework.key},
    )
    certification_ended.send(sender=Certification, certification=certification)


def refresh_status(agent: Agent, now: datetime) -> None:
    """Until when a certification covers the agent as it is now, on its locked row."""
    until = Certification.objects.covering(agent, now).aggregate(until=Max("expires_at"))["until"]
    if until != agent.certified_until:
        write_certified_until(agent, until)


def refresh_many(agents: Sequence[Agent], now: datetime, *, actor: Principal) -> None:
    """As above for many locked rows, in one query and the write."""
    rows = Certification.objects.filter(
        agent__in=agents, status=Certification.Status.ACTIVE, expires_at__gt=now, tier__gte=F("agent__tier")
    )
    until = dict(rows.order_by().values_list("agent_id").annotate(until=Max("expires_at")))
    write_many_certified_until({agent: until.get(agent.pk) for agent in agents}, actor=actor)


def _outgrown(agent: Agent, certification: Certification) -> FindingDraft:
    return FindingDraft(
        agent=agent,
        certification=certification,
        kind=Finding.Kind.CERTIFICATION_OUTGROWN,
        key=f"certification.outgrown:{certification.pk}:{agent.version}",
        severity=Severity.CRITICAL if needs_certification(agent.tier) else Severity.MEDIUM,
        title=f"Tier {agent.tier} is above the certified tier {certification.tier}",
        detail=f"The {certification.framework.name} certification was given for tier {certification.tier} and "
        f"does not count while the agent is tier {agent.tier}. Certify it again for what it is now.",
    )

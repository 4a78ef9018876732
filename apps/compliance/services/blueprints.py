"""Certifying a blueprint: one judgement of the definition, held by every instance that is as it was certified.

What is judged is the definition's word on the fields of `rules.CERTIFIED`, with the tools and models its instances
were seen to use. An instance that differs there is not covered; one that comes later is covered while it does not
differ and uses nothing else; one that departs from it later loses what it held through the blueprint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.activity.behaviour.services import freeze_baselines
from apps.agents.access import require_for
from apps.agents.definitions import InstanceResult, differing_fields, refused, told
from apps.agents.fields import FIELDS
from apps.agents.models import Agent, Blueprint, ObservedModel, ObservedTool
from apps.agents.risk import needs_certification
from apps.agents.services.blueprints import BlueprintAct, instances_within_reach
from apps.agents.services.definitions import lock_blueprint, lock_instances
from apps.agents.services.risk import hold_policy
from apps.agents.toolnames import tool_named
from apps.compliance.models import BlueprintCertification, Certification, ControlResult, Finding, Severity
from apps.compliance.rules import CERTIFIED, VALIDITY
from apps.compliance.services.certifications import (
    CertificationRequest,
    check_certifier,
    check_request,
    refresh_many,
)
from apps.compliance.services.findings import FindingDraft, raise_findings
from apps.compliance.signals import certification_ended, certification_issued
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_act, record_acts, system_principal
from apps.kit.errors import Conflict, DomainError, NotPermitted, require_reason
from apps.oversight.models import BlueprintPolicy, ToolPolicy

Status = BlueprintCertification.Status
Used = dict[str, set[str]]  # as a baseline: {"tools": names, "models": names}


@transaction.atomic
def certify_blueprint(
    blueprint: Blueprint, request: CertificationRequest, *, actor: Principal
) -> BlueprintAct:
    """Certify the definition against one framework, and with it every instance that does not differ from it.

    The definition must answer the four risk questions; its tier is by the policy that stands. An active certification
    of the blueprint is superseded. A refused instance, such as one of a higher tier, keeps what it held of its own.
    """
    blueprint = lock_blueprint(blueprint)
    require(actor, Permission.COMPLIANCE_CERTIFY, blueprint.team_id)
    check_request(request)
    agents, hidden = instances_within_reach(blueprint, actor=actor)
    tier = _certifiable_tier(blueprint, actor)
    given = _keep(blueprint, request, agents, tier, actor)
    results = [_result(agent, given, actor) for agent in agents]
    _issue(given, [one.agent for one in results if one.status == "done" and one.agent], actor)
    _record("compliance.blueprint.certified", given, actor, given.evidence, results + hidden)
    return BlueprintAct(blueprint, results + hidden)


@transaction.atomic
def revoke_blueprint_certification(
    given: BlueprintCertification, *, actor: Principal, reason: str
) -> BlueprintAct:
    """Take the judgement back from every agent that holds a certification through it, whoever may see it."""
    blueprint = lock_blueprint(given.blueprint)
    require(actor, Permission.COMPLIANCE_CERTIFY, blueprint.team_id)
    require_reason(reason, "Say why it is taken back")
    given = (
        BlueprintCertification.objects.select_for_update(of=("self",))
        .select_related("framework")
        .get(pk=given.pk)
    )
    if given.status != Status.ACTIVE:
        raise Conflict(
            "Only an active certification can be revoked.", code="compliance.certification.not_active"
        )
    _end(given, Status.REVOKED, reason.strip())
    held = Certification.objects.filter(through=given, status=Certification.Status.ACTIVE)
    agents = lock_instances(set(held.values_list("agent_id", flat=True)))
    _end_many(held, Certification.Status.REVOKED, reason.strip(), agents, actor)
    seen = set(
        Agent.objects.visible_to(actor).filter(pk__in=[a.pk for a in agents]).values_list("pk", flat=True)
    )
    results = [InstanceResult(agent.name, "done", agent) for agent in agents if agent.pk in seen]
    _record("compliance.blueprint.revoked", given, actor, reason.strip(), results)
    return BlueprintAct(blueprint, results)


def cover_new_instances(
    blueprint: Blueprint, agents: Sequence[Agent], *, actor: Principal
) -> dict[UUID, str]:
    """Give agents that became instances what the others hold, where they are as it was certified and, from tier 3 on, the
    actor might certify them; for the others, by id, why they are not covered."""
    now, holders = timezone.now(), [agent.pk for agent in agents]
    left: dict[UUID, list[str]] = defaultdict(list)
    active = BlueprintCertification.objects.filter(
        blueprint=blueprint, status=Status.ACTIVE, expires_at__gt=now
    )
    for given in active.select_related("framework", "certified_by", "blueprint"):
        used = _used(holders)
        own = set(
            Certification.objects.filter(
                agent__in=holders, framework=given.framework, status=Certification.Status.ACTIVE
            ).values_list("agent_id", flat=True)
        )
        joining = [agent for agent in agents if agent.pk not in own]
        why = {agent: _why_uncovered(agent, given, used[agent.pk], actor) for agent in joining}
        _issue(given, [agent for agent, words in why.items() if not words], system_principal())
        for agent in filter(why.get, joining):
            left[agent.pk].append(f"Not covered by {given.framework.name}: {why[agent]}.")
    return {pk: " ".join(words) for pk, words in left.items()}


def follow_departures(changes: Mapping[Agent, Collection[str]]) -> None:
    """After changes of what certifications judge: end those held through a blueprint that an agent no longer is as, and
    raise a finding for each. The agents are locked by whoever changed them; a few queries whatever their number.
    """
    agents = {agent.pk: agent for agent, fields in changes.items() if set(fields) & set(CERTIFIED)}
    if not agents:
        return
    held = Certification.objects.filter(agent__in=agents, status=Certification.Status.ACTIVE).exclude(
        through=None
    )
    ending: dict[str, list[Certification]] = defaultdict(list)
    for one in held.select_related("through__blueprint", "framework"):
        differs = _differs(agents[one.agent_id], one.through) if one.through else ""
        if one.through and differs:
            ending[f"It is no longer as {one.through.blueprint.name} was certified: {differs}."].append(one)
    for why, certifications in ending.items():
        rows = Certification.objects.filter(pk__in=[one.pk for one in certifications])
        concerned = [agents[one.agent_id] for one in certifications]
        _end_many(rows, Certification.Status.REVOKED, why, concerned, system_principal())
        raise_findings([_departed(agents[one.agent_id], one, why) for one in certifications])


def _certifiable_tier(blueprint: Blueprint, actor: Principal) -> int:
    """The tier of a definition that this actor may judge. Its instances are locked before: whoever changes them holds
    the policy after their rows."""
    assessment = blueprint.assessed_by(hold_policy().parsed)
    if assessment is None:
        raise Conflict(
            f"The definition of {blueprint.name} has no risk tier; answer its four risk questions first.",
            code="compliance.tier_missing",
        )
    if actor.kind != Principal.Kind.HUMAN:
        raise NotPermitted(
            "A person certifies; this is not a person's credential.", code="compliance.certifier_not_a_person"
        )
    if needs_certification(assessment.tier) and str(actor.pk) in (
        blueprint.defaults.get(n) for n in ("owner", "deputy")
    ):
        raise NotPermitted(
            f"{blueprint.name} is tier {assessment.tier}: whom its definition names as owner or deputy cannot certify it.",
            code="compliance.certifier_is_owner",
        )
    return assessment.tier


def _keep(
    blueprint: Blueprint, request: CertificationRequest, agents: Sequence[Agent], tier: int, actor: Principal
) -> BlueprintCertification:
    now = timezone.now()
    before = BlueprintCertification.objects.filter(
        blueprint=blueprint, framework=request.framework, status=Status.ACTIVE
    ).first()
    if before:
        _end(before, Status.SUPERSEDED, "A newer certification took its place.")
    return BlueprintCertification.objects.create(
        blueprint=blueprint, framework=request.framework, tier=tier, evidence=request.evidence.strip(),
        controls={code: {"result": one.result, "note": one.note} for code, one in request.controls.items()},
        certified={name: blueprint.defaults[name] for name in CERTIFIED if name in blueprint.defaults},
        baseline=_baseline(blueprint, agents), certified_by=actor, certified_at=now, expires_at=now + VALIDITY[tier],
    )  # fmt: skip


def _baseline(blueprint: Blueprint, agents: Sequence[Agent]) -> dict[str, list[str]]:
    """What the instances together may call and were seen to use: they are one agent."""
    ids = [agent.pk for agent in agents]
    allowed = list(
        ToolPolicy.objects.limiting().filter(agent__in=ids).values_list("allowed_tools", flat=True)
    )
    policy = BlueprintPolicy.objects.filter(blueprint=blueprint).first()
    used = list(_used(ids).values())
    tools = set().union(
        *(one["tools"] for one in used),
        *(names or () for names in allowed),
        (policy.allowed_tools or ()) if policy else (),
    )
    return {"tools": sorted(tools), "models": sorted(set().union(*(one["models"] for one in used)))}


def _used(agents: Iterable[UUID]) -> dict[UUID, Used]:
    """The tools and models that each of these was seen to use; two queries."""
    found: dict[UUID, Used] = {pk: {"tools": set(), "models": set()} for pk in agents}
    seen = ObservedTool.objects.filter(agent__in=list(found)).values_list(
        "agent_id", "tool_name", "mcp_server"
    )
    for pk, name, server in seen:
        found[pk]["tools"].add(str(tool_named(name, server)))
    answered = ObservedModel.objects.filter(agent__in=list(found))
    for pk, model in answered.values_list("agent_id", "model"):
        found[pk]["models"].add(model)
    return found


def _result(agent: Agent, given: BlueprintCertification, actor: Principal) -> InstanceResult:
    try:
        _require_judge(agent, actor)
    except DomainError as error:
        return refused(agent, error)
    differs = _differs(agent, given)
    if differs:
        words = f"It differs from the definition: {differs}. Certify it by itself."
        return InstanceResult(agent.name, "refused", agent, words)
    if not _is_of_its_tier(agent, given):
        words = f"It is tier {agent.tier}, the definition tier {given.tier}. Certify it by itself."
        return InstanceResult(agent.name, "refused", agent, words)
    return InstanceResult(agent.name, "done", agent)


def _differs(agent: Agent, given: BlueprintCertification) -> str:
    """The fields on which the agent is not as it was certified, in words; '' where it is."""
    return ", ".join(FIELDS[name].label.lower() for name in differing_fields(agent, given.certified))


def _is_of_its_tier(agent: Agent, given: BlueprintCertification) -> bool:
    """False where facts or a policy put the agent above what was judged: there the judgement counts for nothing."""
    return agent.tier is not None and agent.tier <= given.tier


def _require_judge(agent: Agent, actor: Principal) -> None:
    require_for(actor, Permission.COMPLIANCE_CERTIFY, agent)
    check_certifier(agent, actor=actor)


def _why_uncovered(agent: Agent, given: BlueprintCertification, used: Used, actor: Principal) -> str:
    """What keeps a new instance from being covered by an earlier judgement, in words; '' where nothing does."""
    differs = _differs(agent, given)
    others = [
        name
        for kind, names in used.items()
        for name in sorted(names.difference(given.baseline.get(kind, ())))
    ]
    if differs:
        return f"it differs from what was certified in {differs}"
    if not _is_of_its_tier(agent, given):
        return f"it is tier {agent.tier}, above the certified tier {given.tier}"
    if others:
        return f"it uses {others[0]}, which was not certified"
    return _why_unjudged(agent, given, actor) if needs_certification(agent.tier) else ""


def _why_unjudged(agent: Agent, given: BlueprintCertification, actor: Principal) -> str:
    """From tier 3 on an instance is covered by the act of somebody who might certify it, as any agent is."""
    if given.certified_by_id in (agent.owner_id, agent.deputy_id):
        return "its owner or deputy gave that certification"
    try:
        _require_judge(agent, actor)
    except NotPermitted:
        return f"at tier {agent.tier} somebody who may certify it decides; certify the blueprint again"
    return ""


def _issue(given: BlueprintCertification, agents: Sequence[Agent], actor: Principal) -> None:
    held = Certification.objects.filter(
        agent__in=agents, framework=given.framework, status=Certification.Status.ACTIVE
    )
    _end_many(
        held,
        Certification.Status.SUPERSEDED,
        "A newer certification took its place.",
        agents,
        system_principal(),
    )
    now = timezone.now()
    issued = [
        Certification(
            agent=agent, framework=given.framework, tier=given.tier, evidence=given.evidence, baseline=given.baseline,
            certified_by=given.certified_by, certified_at=now, expires_at=given.expires_at, through=given,
        )
        for agent in agents
    ]  # fmt: skip
    Certification.objects.bulk_create(issued)
    _keep_results(given, issued)
    refresh_many(agents, now, actor=actor)
    freeze_baselines(agents, actor=actor)
    record_acts(
        [
            Act(
                "compliance.certification.issued",
                actor,
                ("agent", one.agent_id),
                given.evidence,
                _told(one, given),
            )
            for one in issued
        ]
    )
    for one in issued:
        certification_issued.send(sender=Certification, certification=one, actor=actor)


def _keep_results(given: BlueprintCertification, issued: Iterable[Certification]) -> None:
    controls = {control.code: control for control in given.framework.controls.all()}
    judged = [(controls[code], one) for code, one in given.controls.items() if code in controls]
    ControlResult.objects.bulk_create(
        [
            ControlResult(certification=one, control=control, result=said["result"], note=said["note"])
            for one in issued
            for control, said in judged
        ],
        batch_size=2000,
    )


def _end_many(held: Any, status: str, reason: str, agents: Sequence[Agent], actor: Principal) -> None:
    """End active certifications of locked agents in a few queries."""
    ending = list(held.select_related("framework"))
    if not ending:
        return
    now = timezone.now()
    Certification.objects.filter(pk__in=[one.pk for one in ending]).update(
        status=status, ended_at=now, ended_reason=reason
    )
    refresh_many(agents, now, actor=actor)
    detail = [(one, {"certification": one.pk, "framework": one.framework.key}) for one in ending]
    action = f"compliance.certification.{status}"
    record_acts([Act(action, actor, ("agent", one.agent_id), reason, said) for one, said in detail])
    for one in ending:
        certification_ended.send(sender=Certification, certification=one)


def _told(one: Certification, given: BlueprintCertification) -> Mapping[str, Any]:
    return {
        "certification": one.pk, "framework": given.framework.key, "tier": one.tier, "expires_at": one.expires_at,
        "baseline": one.baseline, "controls": {code: said["result"] for code, said in given.controls.items()},
        "blueprint": given.blueprint_id, "source": given.blueprint.name,
    }  # fmt: skip


def _end(given: BlueprintCertification, status: str, reason: str) -> None:
    given.status, given.ended_at, given.ended_reason = status, timezone.now(), reason
    given.save(update_fields=["status", "ended_at", "ended_reason"])


def _record(
    action: str,
    given: BlueprintCertification,
    actor: Principal,
    reason: str,
    results: Sequence[InstanceResult],
) -> None:
    detail = {
        "framework": given.framework.key, "tier": given.tier, "certified": given.certified, "expires_at": given.expires_at,
        "instances": told(results), "name": given.blueprint.name,
    }  # fmt: skip
    record_act(action, actor=actor, target=("blueprint", given.blueprint_id), reason=reason, detail=detail)


def _departed(agent: Agent, certification: Certification, why: str) -> FindingDraft:
    return FindingDraft(
        agent=agent,
        certification=certification,
        kind=Finding.Kind.CERTIFICATION_DEPARTED,
        key=f"certification.departed:{certification.pk}",
        severity=Severity.CRITICAL if needs_certification(agent.tier) else Severity.MEDIUM,
        title=f"Its blueprint's {certification.framework.name} certification covers it no longer",
        detail=f"{why} Certify it by itself, or take the blueprint's value and certify the blueprint again.",
    )

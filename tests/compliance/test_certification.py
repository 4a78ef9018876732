"""Certification by rule: what stands in the way, how long it lasts, what ends it, what drifts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.agents.models import Agent
from apps.agents.services.discovery import ModelUse, ToolUse, record_model_uses, record_tool_uses
from apps.compliance.models import Certification, Finding, Framework
from apps.compliance.services.certifications import (
    CertificationRequest,
    ControlJudgement,
    certify_agent,
    expire_certifications,
)
from apps.compliance.services.drift import detect_drift
from apps.compliance.services.findings import resolve_finding
from apps.compliance.tasks import drift, expire
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted
from apps.oversight.services.decisions import Question, decide
from tests import factories

pytestmark = pytest.mark.django_db


def judged(**changes: ControlJudgement) -> CertificationRequest:
    framework = Framework.objects.get(key="eu-ai-act")
    controls = {control.code: ControlJudgement("pass") for control in framework.controls.all()}
    return CertificationRequest(
        framework, "Trial.", controls | {k.replace("_", "-"): v for k, v in changes.items()}
    )


@pytest.mark.parametrize(("tier", "days"), [(4, 90), (3, 180), (2, 365), (1, 365)])
def test_a_certification_lasts_as_long_as_the_tier_allows(tier: int, days: int) -> None:
    given = factories.certify(factories.make_agent("registered", tier=tier))
    assert given.expires_at - given.certified_at == timedelta(days=days)
    assert Agent.objects.get().certified_until == given.expires_at


def test_a_failing_critical_control_stands_in_the_way() -> None:
    agent, officer = factories.make_agent("registered", tier=3), factories.make_person(Role.COMPLIANCE)
    with pytest.raises(InvalidInput) as refused:
        certify_agent(agent, judged(AIA_STOP=ControlJudgement("fail")), actor=officer)
    assert refused.value.fields == {"AIA-STOP": "It fails, and its severity is critical"}
    assert not Certification.objects.exists()


def test_an_unjudged_control_stands_in_the_way() -> None:
    request = judged()
    open_one = {code: j for code, j in request.controls.items() if code != "AIA-LOG"}
    with pytest.raises(InvalidInput) as refused:
        certify_agent(
            factories.make_agent("registered", tier=2),
            CertificationRequest(request.framework, "Trial.", open_one),
            actor=factories.make_person(Role.COMPLIANCE),
        )
    assert set(refused.value.fields) == {"AIA-LOG"}


def test_a_medium_control_may_fail_and_the_rest_may_not_apply_without_a_word() -> None:
    agent, officer = factories.make_agent("registered", tier=2), factories.make_person(Role.COMPLIANCE)
    with pytest.raises(InvalidInput):
        certify_agent(agent, judged(AIA_TRANSPARENCY=ControlJudgement("not_applicable")), actor=officer)
    changed = judged(
        AIA_DOC=ControlJudgement("fail"),
        AIA_TRANSPARENCY=ControlJudgement("not_applicable", "Internal only."),
    )
    assert certify_agent(agent, changed, actor=officer).status == "active"


def test_an_agent_without_tier_cannot_be_certified() -> None:
    with pytest.raises(Conflict):
        factories.certify(factories.make_agent("discovered"))


def test_only_a_person_certifies() -> None:
    agent = factories.make_agent("registered", tier=2)
    machine = factories.make_source()
    machine.roles.create(role=Role.COMPLIANCE)
    with pytest.raises(NotPermitted) as refused:
        factories.certify(agent, machine)
    assert refused.value.code == "compliance.certifier_not_a_person"


def test_a_new_certification_takes_the_place_of_the_old_one() -> None:
    agent = factories.make_agent("registered", tier=3)
    first, second = factories.certify(agent), factories.certify(agent)
    assert Certification.objects.get(pk=first.pk).status == "superseded"
    assert Agent.objects.get().certified_until == second.expires_at


def aged(certification: Certification) -> Certification:
    """The same certification, with its time over since a minute."""
    now = timezone.now()
    Certification.objects.filter(pk=certification.pk).update(
        certified_at=now - timedelta(days=181), expires_at=now - timedelta(minutes=1)
    )
    return certification


def test_expiry_ends_it_once_raises_a_finding_and_denies_the_agent() -> None:
    agent = factories.make_agent("production", tier=3)
    aged(factories.certify(agent))
    operator = factories.make_person(Role.OPERATOR)
    assert decide(agent, Question("x"), actor=operator).outcome == "allow"
    assert (expire(), expire_certifications()) == (1, 0)
    assert Certification.objects.get().status == "expired"
    agent.refresh_from_db()
    assert agent.certified_until is None
    finding = Finding.objects.get()
    assert (finding.kind, finding.severity, finding.agent) == ("certification.expired", "critical", agent)
    denied = decide(agent, Question("x"), actor=operator)
    assert (denied.outcome, denied.code) == ("deny", "certification.lapsed")


def use(agent: Agent, tool: str = "", model: str = "") -> None:
    now = timezone.now()
    if tool:
        record_tool_uses([ToolUse(agent.pk, tool, "", 2, now, now)])
    if model:
        record_model_uses([ModelUse(agent.pk, "openai", model, 2, now, now)])


def test_drift_finds_a_new_tool_and_a_changed_model_once() -> None:
    agent = factories.make_agent("registered", tier=3)
    use(agent, "lookup_order", "m-1")
    factories.certify(agent)
    use(agent, "lookup_order", "m-1")
    assert drift() == {"agents": 1, "findings": 0}
    use(agent, "export_customers", "m-2")
    assert drift() == {"agents": 1, "findings": 2}
    assert drift() == {"agents": 1, "findings": 0}
    found = {f.kind: f.title for f in Finding.objects.all()}
    assert found == {
        "drift.new_tool": "export_customers was never called before certification",
        "drift.model_changed": "m-2 answers now; m-1 was certified",
    }


def test_a_resolved_finding_does_not_come_back() -> None:
    agent = factories.make_agent("registered", tier=3)
    factories.certify(agent)
    use(agent, "export_customers")
    detect_drift()
    officer = factories.make_person(Role.COMPLIANCE)
    with pytest.raises(InvalidInput):
        resolve_finding(Finding.objects.get(), actor=officer, resolution=" ")
    resolve_finding(Finding.objects.get(), actor=officer, resolution="Part of the new process.")
    assert detect_drift().findings == 0


def test_renewing_takes_what_is_used_now_as_the_baseline() -> None:
    agent = factories.make_agent("registered", tier=3)
    factories.certify(agent)
    use(agent, "export_customers")
    factories.certify(agent)
    use(agent, "export_customers")
    assert detect_drift(agent).findings == 0


def test_the_clock_runs_both_jobs(settings: object) -> None:
    schedule = settings.CELERY_BEAT_SCHEDULE  # type: ignore[attr-defined]
    assert schedule["detect-drift"]["schedule"].minute == {0, 15, 30, 45}
    assert schedule["expire-certifications"]["schedule"].hour == {2}
    assert Path(settings.CELERY_BEAT_SCHEDULE_FILENAME).parent.exists()  # type: ignore[attr-defined]

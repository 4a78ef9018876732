"""Frameworks change by services that record it; runs are allowed, recorded, and survive one failure."""

from __future__ import annotations

import logging
import os
from datetime import timedelta

import psycopg
import pytest
from django.test import Client
from django.utils import timezone

from apps.agents.services.discovery import ToolUse, record_tool_uses
from apps.compliance.models import Certification, Control, Finding, Framework
from apps.compliance.services.certifications import expire_certifications
from apps.compliance.services.drift import detect_drift
from apps.compliance.services.runs import run_drift_detection, run_expiry
from apps.identity.models import LedgerEntry
from apps.identity.roles import Role
from apps.kit.errors import NotPermitted
from tests import factories
from tests.compliance.test_certification import aged

pytestmark = pytest.mark.django_db


def acts() -> list[str]:
    told = LedgerEntry.objects.order_by("pk").values_list("action", flat=True)
    return [action for action in told if not action.startswith("agents.")]


def test_a_framework_is_made_and_edited_by_rest_and_the_ledger_tells_it() -> None:
    officer = factories.client_of(factories.make_person(Role.COMPLIANCE))
    made = officer.post("/api/v1/frameworks", {"key": "house", "name": "House rules"})
    assert made.status_code == 201, made.content
    control = {"code": "H-1", "title": "Kill switch", "requirement": "It can be stopped.", "severity": "high"}
    assert officer.post("/api/v1/frameworks/house/controls", control).status_code == 201
    assert (
        officer.post("/api/v1/frameworks/house/controls", control).json()["code"]
        == "compliance.control.exists"
    )
    edited = officer.patch("/api/v1/frameworks/house/controls/H-1", {"severity": "low", "reason": "Rarely."})
    assert edited.json()["severity"] == "low"
    out = officer.patch("/api/v1/frameworks/house", {"is_active": False})
    assert out.json()["is_active"] is False
    assert Control.objects.get(code="H-1").severity == "low"
    assert acts() == [
        "compliance.framework.created", "compliance.control.added", "compliance.control.edited",
        "compliance.framework.edited",
    ]  # fmt: skip


def test_a_viewer_edits_no_framework_and_the_administration_site_lets_nobody() -> None:
    viewer = factories.client_of(factories.make_person(Role.VIEWER))
    assert viewer.patch("/api/v1/frameworks/eu-ai-act", {"name": "x"}).status_code == 403
    administrator = factories.make_person(Role.ADMINISTRATOR)
    administrator.person.is_superuser = True
    administrator.person.save()
    client = Client()
    client.force_login(administrator.person, backend="apps.identity.auth.PersonBackend")
    framework = Framework.objects.get(key="eu-ai-act")
    url = f"/admin/compliance/framework/{framework.pk}/change/"
    assert client.get(url).status_code == 200
    assert client.post(url, {"name": "x"}).status_code == 403


def test_runs_by_hand_are_permitted_and_recorded() -> None:
    operator, viewer = factories.make_person(Role.OPERATOR), factories.make_person(Role.VIEWER)
    for run in (run_drift_detection, run_expiry):
        with pytest.raises(NotPermitted):
            run(actor=viewer)
        run(actor=operator)
    assert acts() == ["compliance.drift.run", "compliance.expiry.run"]
    assert set(LedgerEntry.objects.values_list("actor_id", flat=True)) == {operator.pk}


TRIGGER = """
CREATE FUNCTION refuse_a_row() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.id = '{id}' THEN RAISE EXCEPTION 'broken row'; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON compliance_certification FOR EACH ROW EXECUTE FUNCTION refuse_a_row();
"""


@pytest.mark.django_db(transaction=True)
def test_a_certification_that_cannot_be_ended_keeps_no_other_from_ending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = (aged(factories.certify(factories.make_agent("registered", tier=3))) for _ in range(2))
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True) as owner:
        owner.execute(TRIGGER.format(id=bad.pk))
        try:
            with caplog.at_level(logging.ERROR):
                assert expire_certifications() == 1
        finally:
            owner.execute("DROP TRIGGER refuse ON compliance_certification; DROP FUNCTION refuse_a_row()")
    assert Certification.objects.get(pk=good.pk).status == "expired"
    assert Certification.objects.get(pk=bad.pk).status == "active"
    assert str(bad.pk) in caplog.text


def test_drift_looks_at_tool_and_server_whatever_the_reporters_clock_says() -> None:
    agent = factories.make_agent("registered", tier=3)
    long_ago = timezone.now() - timedelta(days=900)
    record_tool_uses([ToolUse(agent.pk, "alpha", "good", 1, long_ago, long_ago)])
    factories.certify(agent)
    assert detect_drift().findings == 0
    record_tool_uses([ToolUse(agent.pk, "alpha", "evil", 1, long_ago, long_ago)])
    assert detect_drift().findings == 1
    assert Finding.objects.get().evidence["subject"] == "evil/alpha"


def test_the_pages_start_both_runs_for_an_operator() -> None:
    client = Client()
    operator = factories.make_person(Role.OPERATOR)
    client.force_login(operator.person, backend="apps.identity.auth.PersonBackend")
    assert client.post("/findings/drift-run/").status_code == 302
    assert client.post("/certifications/expiry-run/").status_code == 302
    assert acts() == ["compliance.drift.run", "compliance.expiry.run"]

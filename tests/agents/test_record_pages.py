"""Pages of the record: grants, versions, custom fields as columns and filters, drafts taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.agents.custom import value_problem
from apps.agents.models import (
    Agent,
    CurationItem,
    CurationJob,
    CustomField,
    ObservedTool,
    Tool,
    ToolGrant,
    ToolOperation,
)
from apps.agents.services.custom_fields import CustomDefinition, define_custom_field, edit_custom_field
from apps.agents.services.jobs import run_job, start_job, undo_job
from apps.agents.services.registry import create_draft, edit_agent
from apps.agents.services.rows import ImportRequest, plan_import
from apps.agents.services.versions import record_version
from apps.agents.services.withdrawing import withdraw_draft
from apps.agents.versions import Makeup
from apps.identity.models import LedgerEntry, Principal
from apps.kit.errors import Conflict, InvalidInput
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_tool_is_granted_changed_and_revoked_by_page(page: Client, curator: Principal) -> None:
    agent, tool = factories.make_agent("registered", tier=2), Tool.objects.create(name="wire")
    ToolOperation.objects.create(tool=tool, name="send")
    ToolOperation.objects.create(tool=tool, name="cancel")
    give, soon = reverse("agents:grant-give", args=[agent.pk]), timezone.now() + timedelta(days=3)
    first = {
        "operations": ["send"],
        "constraints": "max_amount: 100\ncurrency: EUR",
        "reason": "Pays suppliers",
    }
    page.post(f"{give}?tool={tool.pk}", first | {"expires_at": soon.strftime("%Y-%m-%dT%H:%M")})
    grant = ToolGrant.objects.get()
    assert (grant.operations, grant.constraints) == (["send"], {"max_amount": 100, "currency": "EUR"})
    change = page.get(f"{give}?tool={tool.pk}").content.decode()
    assert "max_amount: 100" in change
    page.post(f"{give}?tool={tool.pk}", {"reason": "All of it now"})
    second = ToolGrant.objects.active().get()
    shown = page.get(reverse("agents:grants", args=[agent.pk])).content.decode()
    assert curator.name in shown
    assert "1 that ended" in shown
    assert "All of it now" in shown
    page.post(reverse("agents:grant-revoke", args=[agent.pk, second.pk]), {"reason": "Over"})
    assert not ToolGrant.objects.active().exists()


def test_two_versions_are_compared_in_words_and_part_by_part(page: Client, curator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    record_version(agent, Makeup(model="gpt-4o", tools={"refund": "1"}), actor=curator)
    record_version(agent, Makeup(model="gpt-4.1", tools={"refund": "2", "wire": ""}), actor=curator)
    shown = page.get(reverse("agents:versions", args=[agent.pk]), {"a": "2", "b": "1"}).content.decode()
    assert "The model changed from gpt-4o to gpt-4.1." in shown
    assert "1 tool added: wire." in shown
    same = page.get(reverse("agents:versions", args=[agent.pk]), {"a": "1", "b": "1"}).content.decode()
    assert "Choose two different versions" in same


class TestCustomFields:
    def test_one_is_defined_entered_shown_as_a_column_and_filtered_by(
        self, page: Client, curator: Principal
    ) -> None:
        for key, kind, more in (
            ("criticality", "choice", {"choices": "high\nlow"}),
            ("cost_centre", "text", {"pattern": r"\d{4}"}),
            ("audited", "boolean", {}),
            ("seats", "number", {"minimum": "1"}),
        ):
            made = page.post(
                reverse("agents:custom-field-new"), {"key": key, "label": key.title(), "kind": kind} | more
            )
            assert made.status_code == 302, made.content
        wanted = factories.make_agent("registered", tier=2, name="wanted agent")
        factories.make_agent("registered", tier=2, name="other agent")
        custom = {"criticality": "high", "cost_centre": "1234", "audited": True, "seats": 12}
        edit_agent(wanted, {"custom": custom}, actor=curator)
        form = page.get(reverse("agents:edit", args=[wanted.pk])).content.decode()
        assert 'value="1234"' in form
        for query in (
            "custom.criticality=high",
            "custom.cost_centre=1234",
            "custom.audited=true",
            "custom.seats=12",
        ):
            shown = page.get(f"{reverse('agents:list')}?{query}&columns=custom.cost_centre").content.decode()
            assert "wanted agent" in shown, query
            assert "other agent" not in shown, query
            assert "1234" in shown
        listed = page.get(f"{reverse('agents:list')}?custom.audited=false").content.decode()
        assert "wanted agent" not in listed
        file = b"".join(
            page.get(
                reverse("agents:export", args=["csv"]), {"columns": "custom.cost_centre"}
            ).streaming_content
        )  # type: ignore[attr-defined]
        assert b"Cost_Centre" in file
        api = factories.client_of(curator)
        assert len(api.get("/api/v1/agents", {"custom.criticality": "high"}).data["results"]) == 1

    def test_it_is_asked_of_its_teams_only(self, curator: Principal) -> None:
        team = factories.make_team()
        definition = CustomDefinition("Branch", "text", is_required=True, teams=[team])
        define_custom_field("branch", definition, actor=curator)
        inside, outside = (
            factories.make_agent("registered", tier=2, team=team),
            factories.make_agent("registered", tier=2),
        )
        CustomField.objects.create(key="vendor", label="Vendor", kind="text")
        edit_agent(outside, {"custom": {"vendor": "Acme"}}, actor=curator)
        with pytest.raises(InvalidInput) as refused:
            edit_agent(inside, {"custom": {"vendor": "Acme"}}, actor=curator)
        assert set(refused.value.fields) == {"custom.branch"}

    def test_a_change_that_values_on_record_would_not_survive_is_refused(self, curator: Principal) -> None:
        custom = define_custom_field(
            "level", CustomDefinition("Level", "choice", choices=["a", "b"]), actor=curator
        )
        edit_agent(factories.make_agent("registered", tier=2), {"custom": {"level": "a"}}, actor=curator)
        with pytest.raises(Conflict) as refused:
            edit_custom_field(custom, CustomDefinition("Level", "choice", choices=["b"]), actor=curator)
        assert refused.value.code == "agents.custom_field.values_misfit"
        edit_custom_field(custom, CustomDefinition("Grade", "choice", choices=["a", "c"]), actor=curator)
        for pattern in ("(", "(?=a)b", r"(a)\1"):
            with pytest.raises(InvalidInput) as wrong:
                define_custom_field("x", CustomDefinition("X", "text", pattern=pattern), actor=curator)
            assert set(wrong.value.fields) == {"pattern"}
        eager = define_custom_field("x", CustomDefinition("X", "text", pattern="(a+)+$"), actor=curator)
        assert value_problem(eager, "a" * 1900 + "!"), "and that before this test is over"


def imported(curator: Principal, *rows: dict[str, Any]) -> CurationJob:
    job = plan_import(rows, ImportRequest("CMDB"), actor=curator)
    start_job(job, actor=curator)
    run_job(job.pk)
    job.refresh_from_db()
    return job


def test_undoing_an_import_withdraws_its_drafts_and_says_which_stay(curator: Principal) -> None:
    old = factories.make_agent("registered", tier=2, name="old")
    rows = [{"name": name, "purpose": "Does."} for name in ("plain", "edited", "seen")]
    job = imported(curator, *rows, {"name": "old", "business_service": "Cards"})
    plain, edited, seen = (Agent.objects.get(name=name) for name in ("plain", "edited", "seen"))
    assert plain.purpose == "Does."
    edit_agent(edited, {"tags": ["kept"]}, actor=curator)
    now = timezone.now()
    ObservedTool.objects.create(agent=seen, tool_name="wire", calls=1, first_seen=now, last_seen=now)
    undo = undo_job(job, actor=curator)
    run_job(undo.pk)
    undo.refresh_from_db()
    assert (undo.total, undo.done, undo.failed) == (4, 2, 2)
    problems = {item.agent.name: item.problems for item in undo.items.filter(state=CurationItem.State.FAILED)}
    assert problems == {
        "edited": {"": "edited stays: it was changed since it was made."},
        "seen": {"": "seen stays: it has acted."},
    }
    old.refresh_from_db()
    assert old.business_service == ""
    assert set(Agent.objects.on_record().values_list("name", flat=True)) == {"old", "edited", "seen"}
    assert LedgerEntry.objects.filter(action="agents.agent.withdrawn", target_id=str(plain.pk)).count() == 1
    again = imported(curator, {"name": "plain"})
    assert again.done == 1, "its name is free again"


def test_a_draft_is_withdrawn_by_page_and_what_was_certified_stays(page: Client, curator: Principal) -> None:
    draft = create_draft("Planned", actor=curator)
    page.post(reverse("agents:withdraw", args=[draft.pk]), {"reason": "Not needed"})
    draft.refresh_from_db()
    assert draft.withdrawn_at is not None
    assert draft.principal.is_active is False
    assert b"This draft was withdrawn." in page.get(reverse("agents:detail", args=[draft.pk])).content
    certified = factories.make_agent("draft", tier=2)
    factories.certify(certified)
    with pytest.raises(Conflict):
        withdraw_draft(certified, actor=curator, reason="x")
    with pytest.raises(Conflict):
        withdraw_draft(factories.make_agent("registered", tier=2), actor=curator, reason="x")

"""Risk at the doors people and programs use: pages and REST."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.agents.models import Agent, DataSource, RiskPolicy
from apps.agents.services.dependencies import Node, declare_dependency
from apps.agents.services.risk import standing_policy
from apps.agents.services.risk_policies import draft_policy, recalculate
from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db
STRICTER = {"raises": [{"dimensions": 2, "level": 3, "tier": 4}]}


@pytest.fixture
def officer() -> Principal:
    return factories.make_person(Role.COMPLIANCE)


@pytest.fixture
def reading() -> Agent:
    """An agent that says it reads internal data and is on record as reading health data."""
    agent = factories.make_agent("registered", tier=2)
    source = DataSource.objects.create(name="Claims", data_class="health")
    curator = factories.make_person(Role.CURATOR)
    declare_dependency(Node("agent", agent.pk), Node("data_source", source.pk), "reads", actor=curator)
    return agent


def page_of(principal: Principal) -> Client:
    client = Client()
    client.force_login(principal.person, backend="apps.identity.auth.PersonBackend")
    return client


def entered(form: Any) -> dict[str, Any]:
    """What a browser would send of this form as it stands."""
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value is not None and value is not False}


class TestPages:
    def test_a_contradiction_is_shown_linked_and_taken_by_one_button(self, reading: Agent) -> None:
        page = page_of(reading.owner)
        text = page.get(reverse("agents:risk", args=[reading.pk])).content.decode()
        assert "Answered “Internal data”, but: uses Claims by its record: health data." in text
        assert f"/catalogue/data_source/{DataSource.objects.get().pk}/" in text
        assert (
            "The facts say more"
            not in page.get(reverse("agents:risk", args=[factories.make_agent().pk])).content.decode()
        )
        answer = page.post(reverse("agents:risk-take", args=[reading.pk]), {"dimension": "data_sensitivity"})
        assert answer.status_code == 302
        reading.refresh_from_db()
        assert (reading.data_sensitivity, reading.tier) == (4, 4)

    def test_the_record_names_the_contradiction_and_others_cannot_take_it(self, reading: Agent) -> None:
        viewer = page_of(factories.make_person(Role.VIEWER))
        text = viewer.get(reverse("agents:detail", args=[reading.pk])).content.decode()
        assert "uses Claims by its record: health data" in text
        assert "Take the facts" not in viewer.get(reverse("agents:risk", args=[reading.pk])).content.decode()

    def test_a_policy_is_drafted_edited_previewed_and_applied(self, officer: Principal) -> None:
        agent = factories.make_agent("production", tier=3)
        page = page_of(officer)
        form_page = page.post(reverse("agents:risk-policy-draft"), follow=True)
        draft = RiskPolicy.objects.get(state="draft")
        form = form_page.context["form"]
        values = entered(form)
        values |= {"name": "Two at three", "raises.0.dimensions": 2, "raises.0.level": 3, "raises.0.tier": 4}
        preview = page.post(reverse("agents:risk-policy-edit", args=[draft.pk]), values, follow=True)
        text = preview.content.decode()
        assert "Agents in production would lack a certification." in text
        assert "2 dimensions at 3 or above make tier 4" in text
        assert agent.name in page.get(preview.request["PATH_INFO"], {"move": "3-4"}).content.decode()
        apply_url = reverse("agents:risk-policy-act", args=[draft.pk, "apply"])
        assert page.post(apply_url, {"version": 1, "reason": "Why"}).status_code == 412
        assert page.post(apply_url, {"version": 2, "reason": ""}).status_code == 400
        shown = page.post(apply_url, {"version": 2, "reason": "Board decision"}, follow=True)
        assert "Recalculating" in shown.content.decode()
        recalculate(draft.pk)
        assert "1 moved" in page.get(reverse("agents:risk-policy", args=[draft.pk])).content.decode()
        agent.refresh_from_db()
        assert agent.tier == 4

    def test_half_a_rule_that_raises_is_refused_at_its_field(self, officer: Principal) -> None:
        page, draft = page_of(officer), draft_policy("Draft", {}, actor=officer)
        form = page.get(reverse("agents:risk-policy-edit", args=[draft.pk])).context["form"]
        values = entered(form)
        answer = page.post(
            reverse("agents:risk-policy-edit", args=[draft.pk]),
            values | {"raises.0.tier": 4, "thresholds.0": 3.9},
        )
        assert answer.status_code == 422
        assert "raises.0.dimensions" in answer.context["form"].errors
        answer = page.post(
            reverse("agents:risk-policy-edit", args=[draft.pk]), values | {"thresholds.0": 3.9}
        )
        assert answer.status_code == 422
        assert "thresholds.0" in answer.context["form"].errors

    def test_a_former_version_is_one_button_from_its_preview(self, officer: Principal) -> None:
        draft = draft_policy("Stricter", STRICTER, actor=officer)
        page = page_of(officer)
        page.post(reverse("agents:risk-policy-act", args=[draft.pk, "apply"]), {"reason": "Why"})
        shown = page.post(reverse("agents:risk-policy-draft"), {"from": "1"}, follow=True)
        assert "What this draft would do" in shown.content.decode()
        assert "Return to it" in page.get(reverse("agents:risk-policies")).content.decode()


class TestRest:
    def test_an_agents_risk_tells_answers_facts_and_policy(self, reading: Agent) -> None:
        client = factories.client_of(reading.owner)
        body = client.get(f"/api/v1/agents/{reading.pk}/risk").json()
        line = body["dimensions"][0]
        assert (line["answer"], line["by_facts"], line["is_contradicted"]) == (2, 4, True)
        assert line["facts"][0]["kind"] == "data_source"
        taken = client.post(
            f"/api/v1/agents/{reading.pk}/risk/take", {"dimension": "data_sensitivity"}, format="json"
        )
        assert taken.json()["assessment"]["tier"] == 4
        assert taken.json()["policy"]["number"] == 1
        assert client.get(f"/api/v1/agents/{reading.pk}").json()["risk_policy"] == 1

    def test_a_policy_goes_from_draft_to_force_with_what_it_moves(self, officer: Principal) -> None:
        factories.make_agent("registered", tier=3)
        client = factories.client_of(officer)
        made = client.post("/api/v1/risk-policies", {"name": "Stricter", "rules": STRICTER}, format="json")
        address = f"/api/v1/risk-policies/{made.json()['id']}"
        assert (made.status_code, made.json()["state"]) == (201, "draft")
        edited = client.patch(
            address, {"rules": {"facts_raise": True}}, format="json", HTTP_IF_MATCH=made["ETag"]
        )
        assert edited.json()["rules"]["raises"] == STRICTER["raises"]
        preview = client.get(f"{address}/preview")
        assert preview.json()["matrix"] == [{"before": 3, "after": 4, "agents": 1}]
        assert self._apply(client, address, made["ETag"]).status_code == 412
        applied = self._apply(client, address, preview["ETag"])
        assert (applied.json()["number"], applied.json()["is_recalculating"]) == (2, True)
        assert applied.json()["moves"] == {"3 to 4": 1}
        again = self._apply(client, address, applied["ETag"])
        assert (again.status_code, again.json()["code"]) == (409, "agents.risk_policy.not_a_draft")
        returned = client.post(f"/api/v1/risk-policies/{RiskPolicy.objects.get(number=1).pk}/return")
        assert (returned.status_code, returned.json()["based_on"]["number"]) == (201, 1)
        assert standing_policy().number == 2

    def test_a_draft_that_names_one_part_keeps_the_others_of_the_policy_in_force(
        self, officer: Principal
    ) -> None:
        made = factories.client_of(officer).post(
            "/api/v1/risk-policies", {"name": "Facts raise", "rules": {"facts_raise": True}}, format="json"
        )
        standing = standing_policy()
        rules = made.json()["rules"]
        assert rules["floors"] == {"high_risk": 3, "prohibited": 4}
        assert rules == standing.parsed.as_json() | {"facts_raise": True}
        assert made.json()["based_on"]["number"] == standing.number

    def _apply(self, client: Any, address: str, etag: str) -> Any:
        return client.post(
            f"{address}/apply", {"reason": "Board decision"}, format="json", HTTP_IF_MATCH=etag
        )

    def test_rules_that_are_none_are_refused_by_part(self, officer: Principal) -> None:
        answer = factories.client_of(officer).post(
            "/api/v1/risk-policies", {"name": "Wrong", "rules": {"floors": {"high_risk": 9}}}, format="json"
        )
        assert answer.status_code == 400
        assert "rules.floors" in str(answer.json())

"""Blueprints over REST and on pages."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.agents.models import Blueprint, Tool, ToolGrant
from apps.agents.services.registry import edit_agent
from apps.compliance.models import Framework
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.oversight.models import ToolPolicy
from tests import factories
from tests.agents.test_blueprints import RISK, define, make

pytestmark = pytest.mark.django_db


class TestDoors:
    @pytest.fixture
    def page(self) -> Client:
        client = Client()
        administrator = factories.make_person(Role.ADMINISTRATOR)
        client.force_login(administrator.person, backend="apps.identity.auth.PersonBackend")
        return client

    def test_a_pasted_table_is_made_and_what_is_wrong_stands_beside_its_row(
        self, page: Client, curator: Principal
    ) -> None:
        blueprint, team = define(curator), factories.make_team("Branch Turku")
        text = "name\tteam\tcountries\nTeller Turku\tBranch Turku\tFI, SE\nTeller Oulu\tNowhere\t\n"
        url = reverse("agents:blueprint-instances", args=[blueprint.pk])
        answer = page.post(url, {"instances": text})
        assert b"There is no team Nowhere" in answer.content
        made = blueprint.instances.get()
        assert (made.name, made.team, made.countries) == ("Teller Turku", team, ["FI", "SE"])
        page.post(url, {"instances": "Teller Turku\nTeller Kemi"})
        assert blueprint.instances.count() == 2
        refused = page.post(url, {"instances": "name,colour\nTeller,red"})
        assert refused.status_code == 422
        assert b"These headings mean no field: colour" in refused.content

    def test_a_difference_is_shown_and_taken_back_with_one_button(
        self, page: Client, curator: Principal
    ) -> None:
        blueprint = define(curator)
        first, _ = make(blueprint, curator, "A", "B")
        edit_agent(first, {"framework": "agno"}, actor=curator)
        shown = page.get(
            reverse("agents:blueprint", args=[blueprint.pk]), {"show": "differing"}
        ).content.decode()
        assert "instead of crewai" in shown
        assert curator.name in shown
        page.post(
            reverse("agents:blueprint-take", args=[blueprint.pk]), {"pick": first.pk, "field": "framework"}
        )
        first.refresh_from_db()
        assert first.framework == "crewai"
        listed = page.get(reverse("agents:list"), {"blueprint": str(blueprint.pk)}).content.decode()
        assert "Branch teller" in listed

    def test_agents_are_attached_by_number_and_detached_with_a_reason(
        self, page: Client, curator: Principal
    ) -> None:
        blueprint = define(curator)
        agent = factories.make_agent("registered", tier=2, name="own")
        url = reverse("agents:blueprint-attach", args=[blueprint.pk])
        answer = page.post(url, {"agents": f"{agent.ref}\nAGT-99999"})
        assert b"No agent on record is named like this" in answer.content
        agent.refresh_from_db()
        assert agent.blueprint == blueprint
        detach = reverse("agents:blueprint-detach", args=[blueprint.pk])
        assert page.post(detach, {"pick": agent.pk}).status_code == 200
        assert blueprint.instances.exists(), "it asks why first"
        page.post(detach, {"pick": agent.pk, "reason": "A pilot"})
        assert not blueprint.instances.exists()

    def test_grants_policy_certification_and_stop_by_page(self, page: Client, curator: Principal) -> None:
        blueprint, tool = define(curator), Tool.objects.create(name="wire")
        (agent,) = make(blueprint, curator, "A")
        give = reverse("agents:blueprint-grant-give", args=[blueprint.pk])
        assert b"wire" in page.get(give).content
        page.post(f"{give}?tool={tool.pk}", {"reason": "Pays", "constraints": "max_amount: 100"})
        assert ToolGrant.objects.get(agent=agent).constraints == {"max_amount": 100}
        wrong = page.post(f"{give}?tool={tool.pk}", {"reason": "Pays", "constraints": "all"})
        assert wrong.status_code == 422
        policy = reverse("oversight:blueprint-policy", args=[blueprint.pk])
        page.post(policy, {"others": "wire", "reason": "Least privilege", "version": "0"})
        assert ToolPolicy.objects.get(agent=agent).allowed_tools == ["wire"]
        page.post(reverse("oversight:blueprint-stop", args=[blueprint.pk]), {"reason": "Trouble"})
        assert page.get(reverse("oversight:blueprint", args=[blueprint.pk])).status_code == 200
        agent.refresh_from_db()
        assert agent.is_tripped
        framework = Framework.objects.get(key="eu-ai-act")
        controls = {f"control-{one.pk}": "pass" for one in framework.controls.all()}
        url = reverse("compliance:blueprint-certify", args=[blueprint.pk, framework.key])
        assert page.post(url, controls | {"evidence": "Trial"}).status_code == 200
        assert agent.certifications.get().through is not None
        for name in (
            "agents:blueprint",
            "compliance:blueprint",
            "compliance:blueprint-panel",
            "oversight:blueprint-panel",
        ):
            assert page.get(reverse(name, args=[blueprint.pk])).status_code == 200, name

    def test_over_rest(self, curator: Principal) -> None:
        api = factories.client_of(factories.make_person(Role.ADMINISTRATOR))
        made = api.post(
            "/api/v1/blueprints", {"name": "Branch teller", "values": {"framework": "crewai", **RISK}}
        )
        assert made.status_code == 201, made.data
        url = f"/api/v1/blueprints/{made.data['id']}"
        wanted = {
            "instances": [
                {"name": "A"},
                {"name": "B", "countries": ["FI"]},
                {"name": "C", "environment": "test"},
            ]
        }
        assert [one["status"] for one in api.post(f"{url}/instances", wanted).data["results"]] == ["made"] * 3
        assert api.get("/api/v1/agents", {"blueprint": made.data["id"]}).data["results"][0]["blueprint"]
        changed = api.patch(
            url, {"values": {"framework": "agno", **RISK}}, headers={"If-Match": made.headers["ETag"]}
        )
        assert (changed.status_code, changed.data["version"]) == (200, 2)
        assert {one["status"] for one in changed.data["results"]} == {"done"}
        ids = list(map(str, Blueprint.objects.get().instances.values_list("pk", flat=True)))
        taken = api.post(f"{url}/take", {"agents": ids, "fields": ["framework"]}).data["results"]
        assert {one["status"] for one in taken} == {"unchanged"}
        put = api.put(f"{url}/tool-policy", {"allowed_tools": ["lookup"], "reason": "Least privilege"})
        assert put.status_code == 200, put.data
        assert api.post(f"{url}/stop", {"reason": "Trouble"}).status_code == 200
        grant = api.post(
            f"{url}/grants", {"tool": str(Tool.objects.create(name="wire").pk), "reason": "Work"}
        )
        assert (grant.status_code, ToolGrant.objects.active().count()) == (201, 3)
        assert api.post(f"{url}/detach", {"agents": ids[:1]}).status_code == 400, "it needs a reason"
        assert api.delete(url).status_code == 409

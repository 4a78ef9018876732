"""Many agents in one call over REST: made, changed and refused one by one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from apps.agents.models import (
    Agent,
)
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db


class TestBulkRest:
    def post(self, actor: Principal, *items: dict[str, Any], **headers: str) -> Any:
        client = factories.client_of(actor, "write")
        return client.post("/api/v1/agents/bulk", {"items": list(items)}, format="json", **headers)

    def test_items_are_made_changed_and_refused_one_by_one(self, curator: Principal) -> None:
        known = factories.make_agent("registered", tier=2, name="desk")
        answer = self.post(
            curator,
            {"slug": known.slug, "framework": "crewai"},
            {"slug": "newcomer", "name": "Newcomer", "purpose": "Does.", "tags": ["x"]},
            {"slug": "odd", "environment": "moon"},
            {"slug": "newcomer", "name": "Again"},
            {"slug": "Not a slug"},
            {"slug": "typo", "purpos": "x"},
        )
        assert answer.status_code == 200
        results = answer.json()["results"]
        assert [one["status"] for one in results] == [
            "updated",
            "created",
            "failed",
            "failed",
            "failed",
            "failed",
        ]
        assert list(results[2]["fields"]) == ["environment"]
        made = Agent.objects.get(slug="newcomer")
        assert (made.state, made.purpose, made.tags) == ("draft", "Does.", ["x"])
        assert not Agent.objects.filter(slug="odd").exists()

    def test_sending_it_again_changes_nothing(self, curator: Principal) -> None:
        item = {"slug": "newcomer", "name": "Newcomer", "framework": "agno"}
        self.post(curator, item)
        again = self.post(curator, item).json()["results"][0]
        assert again["status"] == "unchanged"
        assert Agent.objects.get(slug="newcomer").version == again["version"]

    def test_a_slug_of_another_team_is_taken_and_tells_nothing(self) -> None:
        theirs = factories.make_agent("registered", tier=1, team=factories.make_team(), name="secret")
        actor = factories.make_person(Role.OWNER, factories.make_team())
        result = self.post(actor, {"slug": theirs.slug, "purpose": "Mine now"}).json()["results"][0]
        assert (result["status"], result["id"]) == ("failed", None)
        theirs.refresh_from_db()
        assert theirs.purpose != "Mine now"

    def test_too_many_are_refused_whole(self, curator: Principal) -> None:
        answer = self.post(curator, *({"slug": f"a{number}"} for number in range(1001)))
        assert answer.status_code == 400
        assert Agent.objects.count() == 0

    def test_a_thousand_new_ones_are_made_in_a_few_queries(
        self, curator: Principal, django_assert_max_num_queries: Any
    ) -> None:
        items: list[dict[str, Any]] = [
            {"slug": f"branch-{number}", "name": f"Branch {number}", "purpose": "Answers."}
            for number in range(1000)
        ]
        items[7]["environment"] = "moon"
        with django_assert_max_num_queries(80):
            results = self.post(curator, *items).json()["results"]
        assert Counter(one["status"] for one in results) == {"created": 999, "failed": 1}
        agent = Agent.objects.get(slug="branch-8")
        assert (agent.principal.name, agent.document.agent_id) == ("Branch 8", agent.pk)
        assert set(agent.claims.values_list("field", "origin")) == {("name", "person"), ("purpose", "person")}
        told = LedgerEntry.objects.filter(action="agents.agent.drafted")
        assert (told.count(), told.filter(target_id=str(agent.pk)).count()) == (999, 1)
        again = self.post(curator, *items).json()["results"]
        assert Counter(one["status"] for one in again) == {"unchanged": 999, "failed": 1}

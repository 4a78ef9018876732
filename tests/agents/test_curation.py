"""Curating many records: bulk edits and their undo, imports and exports, merges, queues, campaigns, history."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.agents.columns import ordering_of, sortable
from apps.agents.models import (
    Agent,
    AgentAlias,
    AgentMerge,
    Campaign,
    Claim,
    CurationItem,
    CurationJob,
    Dependency,
    ObservedTool,
    QualitySnapshot,
    SavedView,
    Tool,
    ToolGrant,
)
from apps.agents.operations import Operation
from apps.agents.quality import QUEUES, completeness_expression, completeness_of, in_queue
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.claims import Source, state_claims
from apps.agents.services.declaring import Place, Stated, apply_declarations
from apps.agents.services.discovery import Sighting, ToolUse, record_tool_uses, resolve_agents
from apps.agents.services.history import restore_field
from apps.agents.services.jobs import advance_job, cancel_job, run_job, stalled_jobs, start_job, undo_job
from apps.agents.services.merging import merge_agents, undo_merge
from apps.agents.services.registry import edit_agent
from apps.agents.services.review import (
    begin_campaign,
    confirm_agent,
    keep_snapshot,
    progress_of,
    remind_owners,
)
from apps.agents.services.writing import plan_bulk_edit
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, DomainError, InvalidInput, NotPermitted
from tests import factories

pytestmark = pytest.mark.django_db
STATES = CurationItem.State


def make_some(count: int = 3, **fields: Any) -> list[Agent]:
    return [
        factories.make_agent("registered", tier=2, name=f"agent {number}", **fields)
        for number in range(count)
    ]


def done(job: CurationJob, actor: Principal) -> CurationJob:
    start_job(job, actor=actor)
    run_job(job.pk)
    job.refresh_from_db()
    return job


class TestBulkEdit:
    def test_the_preview_shows_before_and_after_and_writes_nothing(self, curator: Principal) -> None:
        agents = make_some()
        owner = factories.make_person(Role.OWNER)
        job = plan_bulk_edit(Agent.objects.all(), [Operation("owner", "set", str(owner.pk))], actor=curator)
        item = job.items.get(agent=agents[0])
        assert (item.before, item.after) == ({"owner": str(agents[0].owner_id)}, {"owner": str(owner.pk)})
        assert job.state == "preview"
        assert Agent.objects.filter(owner=owner).count() == 0

    def test_it_changes_every_agent_keeps_the_words_and_tells_the_ledger(self, curator: Principal) -> None:
        agents = make_some(tags=["old"])
        operations = [Operation("tags", "add", ["new"]), Operation("environment", "set", "test")]
        job = done(plan_bulk_edit(Agent.objects.all(), operations, actor=curator, reason="Clean-up"), curator)
        assert (job.state, job.done, job.failed) == ("done", 3, 0)
        for agent in Agent.objects.all():
            assert (agent.tags, agent.environment, agent.version) == (["old", "new"], "test", 2)
        entries = LedgerEntry.objects.filter(action="agents.agent.edited")
        assert entries.count() == 3
        assert orjson.loads(bytes(entries[0].body))["reason"] == "Clean-up"
        assert Claim.objects.filter(field="environment", origin="person", agent=agents[0]).exists()

    def test_it_can_be_undone_and_leaves_what_was_changed_again(self, curator: Principal) -> None:
        first, second, third = make_some()
        job = done(
            plan_bulk_edit(Agent.objects.all(), [Operation("framework", "set", "crewai")], actor=curator),
            curator,
        )
        edit_agent(second, {"framework": "langgraph"}, actor=curator)
        edit_agent(third, {"tags": ["kept"]}, actor=curator)
        undo = undo_job(job, actor=curator)
        run_job(undo.pk)
        undo.refresh_from_db()
        assert (undo.state, undo.done, undo.failed) == ("done", 2, 1)
        assert undo.items.get(agent=second).problems == {
            "framework": "It no longer has the value that was set"
        }
        assert dict(Agent.objects.values_list("name", "framework")) == {
            first.name: "",
            second.name: "langgraph",
            third.name: "",
        }
        with pytest.raises(Conflict):
            undo_job(job, actor=curator)

    def test_undo_ends_after_a_day(self, curator: Principal) -> None:
        make_some(1)
        job = done(
            plan_bulk_edit(Agent.objects.all(), [Operation("framework", "set", "x")], actor=curator), curator
        )
        CurationJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(hours=25))
        with pytest.raises(Conflict) as refused:
            undo_job(CurationJob.objects.get(pk=job.pk), actor=curator)
        assert refused.value.code == "agents.job.cannot_be_undone"

    def test_a_record_that_changed_since_the_preview_is_not_overwritten(self, curator: Principal) -> None:
        first, second = make_some(2)
        job = plan_bulk_edit(Agent.objects.all(), [Operation("framework", "set", "crewai")], actor=curator)
        edit_agent(first, {"framework": "agno"}, actor=curator)
        done(job, curator)
        assert job.items.get(agent=first).state == STATES.FAILED
        assert dict(Agent.objects.values_list("pk", "framework")) == {first.pk: "agno", second.pk: "crewai"}

    def test_an_agent_of_another_team_is_shown_as_not_possible(self) -> None:
        ours, theirs = factories.make_team(), factories.make_team()
        make_some(1, team=ours)
        factories.make_agent("registered", tier=1, team=theirs, name="stranger")
        everywhere = factories.make_person(Role.VIEWER)
        everywhere.roles.create(role=Role.CURATOR, team=ours)
        job = plan_bulk_edit(Agent.objects.all(), [Operation("framework", "set", "x")], actor=everywhere)
        assert job.items.get(agent__name="stranger").state == STATES.FAILED
        done(job, everywhere)
        assert Agent.objects.get(name="stranger").framework == ""

    def test_values_a_field_refuses_are_named_in_the_preview(self, curator: Principal) -> None:
        (agent,) = make_some(1)
        same = [Operation("deputy", "set", str(agent.owner_id))]
        item = plan_bulk_edit(Agent.objects.all(), same, actor=curator).items.get()
        assert item.state == STATES.FAILED
        assert item.problems == {"deputy": "Choose somebody other than the owner"}

    @pytest.mark.parametrize(
        ("operations", "field"),
        [
            ([], "operations"),
            ([Operation("state", "set", "production")], "state"),
            ([Operation("framework", "add", ["x"])], "framework"),
            ([Operation("framework", "set", "")], "framework"),
            ([Operation("name", "clear")], "name"),
            ([Operation("tags", "add", ["a"]), Operation("tags", "add", ["b"])], "operations"),
        ],
    )
    def test_operations_no_agent_can_take_are_refused(
        self, operations: list[Operation], field: str, curator: Principal
    ) -> None:
        make_some(1)
        with pytest.raises(InvalidInput) as refused:
            plan_bulk_edit(Agent.objects.all(), operations, actor=curator)
        assert field in refused.value.fields
        assert CurationJob.objects.count() == 0

    def test_whoever_may_not_curate_plans_nothing(self) -> None:
        make_some(1)
        with pytest.raises(NotPermitted):
            plan_bulk_edit(
                Agent.objects.all(),
                [Operation("framework", "set", "x")],
                actor=factories.make_person(Role.VIEWER),
            )

    def test_a_job_whose_worker_died_goes_on_where_it_stood(self, curator: Principal) -> None:
        make_some(5)
        job = plan_bulk_edit(Agent.objects.all(), [Operation("framework", "set", "x")], actor=curator)
        start_job(job, actor=curator)
        assert advance_job(job.pk, step=2) == 2
        CurationJob.objects.filter(pk=job.pk).update(progressed_at=timezone.now() - timedelta(minutes=2))
        assert stalled_jobs() == [job.pk]
        assert run_job(job.pk) == 3
        assert list(Agent.objects.values_list("framework", "version")) == [("x", 2)] * 5

    def test_cancelling_leaves_the_rest_as_it_is(self, curator: Principal) -> None:
        make_some(3)
        job = plan_bulk_edit(Agent.objects.all(), [Operation("framework", "set", "x")], actor=curator)
        start_job(job, actor=curator)
        advance_job(job.pk, step=2)
        cancel_job(job, actor=curator)
        assert run_job(job.pk) == 0
        assert Agent.objects.filter(framework="x").count() == 2

    def test_an_owner_who_left_does_not_stop_other_edits(self, curator: Principal) -> None:
        (agent,) = make_some(1)
        Principal.objects.filter(pk=agent.owner_id).update(is_active=False)
        (outcome,) = edit_agents([Edit(agent.pk, {"tags": ["x"]})], actor=curator)
        assert outcome.error is None
        assert outcome.differences == {"tags": ["", "x"]}

    def test_by_page(self, page: Client) -> None:
        agents = make_some(2)
        chosen = page.post(reverse("agents:bulk"), {"pick": [str(agents[0].pk)], "query": "tier=2"})
        assert chosen.status_code == 200
        assert b"Edit 1 agent" in chosen.content
        planned = page.post(
            reverse("agents:bulk"),
            {
                "all": "1",
                "query": "tier=2",
                "plan": "1",
                "reason": "Why not",
                "framework.verb": "set",
                "framework": "agno",
            },
        )
        job = CurationJob.objects.get()
        assert planned.headers["Location"] == reverse("agents:job", args=[job.pk])
        assert b"agno" in page.get(planned.headers["Location"]).content
        page.post(reverse("agents:job-act", args=[job.pk, "start"]))
        run_job(job.pk)
        assert Agent.objects.filter(framework="agno").count() == 2
        stranger = Client()
        other = factories.make_person(Role.CURATOR)
        stranger.force_login(other.person, backend="apps.identity.auth.PersonBackend")
        assert stranger.get(reverse("agents:job", args=[job.pk])).status_code == 404


class TestMerge:
    def make_pair(self) -> tuple[Agent, Agent, Principal]:
        source = factories.make_source()
        kept = factories.make_agent("registered", tier=2, name="kept")
        merged = resolve_agents([Sighting(source.pk, "desk", "dup", seen_at=timezone.now())]).popitem()[1]
        now = timezone.now()
        record_tool_uses([ToolUse(kept.pk, "lookup", "", 2, now, now), ToolUse(merged.pk, "lookup", "", 3, now, now),
                          ToolUse(merged.pk, "refund", "", 1, now, now)])  # fmt: skip
        return kept, merged, source

    def test_what_it_is_known_by_and_used_follows(self, curator: Principal) -> None:
        kept, merged, source = self.make_pair()
        ToolGrant.objects.create(
            agent=merged, tool=Tool.objects.get(name="refund"), reason="x", granted_by=curator
        )
        merge_agents(kept, merged, actor=curator, reason="Same service.")
        merged.refresh_from_db()
        assert merged.merged_into == kept
        assert AgentAlias.objects.get().agent == kept
        assert dict(ObservedTool.objects.filter(agent=kept).values_list("tool_name", "calls")) == {
            "lookup": 5,
            "refund": 1,
        }
        assert Dependency.objects.filter(source_id=kept.pk).count() == 2
        assert not ToolGrant.objects.active().exists()
        seen = resolve_agents([Sighting(source.pk, "desk", "dup", seen_at=timezone.now())])
        assert list(seen.values()) == [kept]
        assert list(Agent.objects.on_record()) == [kept]
        told = LedgerEntry.objects.filter(action__in=("agents.agent.absorbed", "agents.agent.merged"))
        assert {entry.target_id for entry in told} == {str(kept.pk), str(merged.pk)}

    def test_a_credential_of_the_merged_one_speaks_for_the_kept_one(self, curator: Principal) -> None:
        kept, merged, _ = self.make_pair()
        merge_agents(kept, merged, actor=curator, reason="Same.")
        own = Sighting(merged.principal_id, "x", "y", seen_at=timezone.now())
        assert resolve_agents([own])[own] == kept

    def test_it_is_undone_whole_within_a_day(self, curator: Principal) -> None:
        kept, merged, _ = self.make_pair()
        before = sorted(Dependency.objects.values_list("source_id", "target_id", "calls"))
        merge = merge_agents(kept, merged, actor=curator, reason="Same.")
        undo_merge(merge, actor=curator)
        merged.refresh_from_db()
        assert merged.merged_into is None
        assert AgentAlias.objects.get().agent == merged
        assert dict(ObservedTool.objects.filter(agent=kept).values_list("tool_name", "calls")) == {
            "lookup": 2
        }
        assert sorted(Dependency.objects.values_list("source_id", "target_id", "calls")) == before

    def test_not_after_a_day_not_twice_not_without_a_reason(self, curator: Principal) -> None:
        kept, merged, _ = self.make_pair()
        with pytest.raises(InvalidInput):
            merge_agents(kept, merged, actor=curator, reason=" ")
        merge = merge_agents(kept, merged, actor=curator, reason="Same.")
        with pytest.raises(Conflict):
            merge_agents(kept, merged, actor=curator, reason="Again.")
        AgentMerge.objects.update(merged_at=timezone.now() - timedelta(hours=25))
        with pytest.raises(Conflict) as refused:
            undo_merge(merge, actor=curator)
        assert refused.value.code == "agents.merge.cannot_be_undone"

    def test_by_page_and_a_stranger_is_refused(self, page: Client, curator: Principal) -> None:
        kept, merged, _ = self.make_pair()
        pair = {"pick": [str(kept.pk), str(merged.pk)]}
        assert b"Are these one agent?" in page.post(reverse("agents:merge"), pair).content
        page.post(reverse("agents:merge"), pair | {"kept": str(kept.pk), "reason": "Same."})
        moved = page.get(reverse("agents:detail", args=[merged.pk]))
        assert moved.headers["Location"] == reverse("agents:detail", args=[kept.pk])
        merge = AgentMerge.objects.get()
        page.post(reverse("agents:merge-undo", args=[kept.pk, merge.pk]))
        merged.refresh_from_db()
        assert merged.merged_into is None
        viewer = factories.make_person(Role.VIEWER)
        with pytest.raises(NotPermitted):
            merge_agents(kept, merged, actor=viewer, reason="x")


class TestQuality:
    def test_python_and_the_database_count_completeness_alike(self) -> None:
        make_some(2, tags=["x"], countries=["FI"])
        factories.make_agent(name="bare")
        factories.make_agent("registered", tier=3, oversight_level="approves", business_service="Cards")
        for agent in Agent.objects.annotate(share=completeness_expression()):
            assert agent.share == completeness_of(agent)

    def test_each_queue_holds_its_fault(self, curator: Principal) -> None:
        old = timezone.now() - timedelta(days=100)
        fine: dict[str, Any] = {"last_seen": timezone.now()}
        left = factories.make_person(Role.OWNER)
        Principal.objects.filter(pk=left.pk).update(is_active=False)
        cases = {
            "no-owner": factories.make_agent("registered", tier=1, owner=None, **fine),
            "owner-left": factories.make_agent("registered", tier=1, owner=left, **fine),
            "unregistered": factories.make_agent("discovered", **fine),
            "never-seen": factories.make_agent("registered", tier=1),
            "silent": factories.make_agent("registered", tier=1, last_seen=old),
            "unconfirmed": factories.make_agent("registered", tier=1, **fine),
            "contradicted": factories.make_agent("registered", tier=1, **fine),
            "incomplete": factories.make_agent("registered", **fine),
            "facts-contradict": factories.make_agent("registered", tier=1, countries=["FI", "SE"], **fine),
            "prohibited": factories.make_agent("registered", tier=4, ai_act_class="prohibited", **fine),
            "declared-otherwise": factories.make_agent("registered", tier=1, slug="declared", **fine),
        }
        edit_agent(cases["facts-contradict"], {"countries": ["DK", "FI", "SE"]}, actor=curator)
        said = {"agent": {"name": "Declared", "slug": "declared", "framework": "a"}}
        place = Place("https://git.example.org/a", "chancery.yaml")
        apply_declarations([Stated(**said)], place, actor=curator)
        edit_agent(cases["declared-otherwise"], {"framework": "b"}, actor=curator)
        Agent.objects.filter(pk=cases["unconfirmed"].pk).update(created_at=old)
        edit_agent(cases["contradicted"], {"framework": "a"}, actor=curator)
        state_claims(cases["contradicted"], Source("imported", "x"), {"framework": "b"}, actor=curator)
        for key in QUEUES:
            found = set(in_queue(Agent.objects.all(), key))
            assert cases[key] in found, key
        assert set(in_queue(Agent.objects.all(), "no-owner")) == {cases["no-owner"]}
        assert set(in_queue(Agent.objects.all(), "contradicted")) == {
            cases["contradicted"],
            cases["declared-otherwise"],
        }

    def test_a_day_is_counted_once_and_corrected(self) -> None:
        keep_snapshot(date(2026, 3, 1))
        factories.make_agent("discovered")
        keep_snapshot(date(2026, 3, 1))
        assert QualitySnapshot.objects.get(queue="unregistered").agents == 1
        assert QualitySnapshot.objects.count() == len(QUEUES)

    def test_by_page(self, page: Client) -> None:
        factories.make_agent("discovered")
        assert b"queue=unregistered" in page.get(reverse("agents:quality")).content
        assert b"Seen, not registered" in page.get(reverse("agents:list") + "?queue=unregistered").content


class TestCampaigns:
    def test_owners_are_asked_reminded_once_a_step_and_their_deputies_when_late(
        self, curator: Principal
    ) -> None:
        first, second = make_some(2)
        due = timezone.localdate() + timedelta(days=20)
        campaign = begin_campaign("Q4", Agent.objects.all(), due_on=due, actor=curator)
        assert remind_owners() == 2
        assert remind_owners() == 0, "a step is taken once"
        assert remind_owners(due - timedelta(days=7)) == 2
        confirm_agent(first, actor=first.owner)
        assert remind_owners(due + timedelta(days=1)) == 1
        item = campaign.items.get(agent=second)
        assert item.escalated_at is not None
        assert campaign.items.get(agent=first).confirmed_by == first.owner
        progress = progress_of([campaign], due + timedelta(days=1))[campaign.pk]
        assert (progress.total, progress.confirmed, progress.overdue, progress.unasked) == (2, 1, 1, 0)

    def test_a_day_in_the_past_or_no_agent_is_refused(self, curator: Principal) -> None:
        with pytest.raises(InvalidInput) as refused:
            begin_campaign(" ", Agent.objects.none(), due_on=date(2020, 1, 1), actor=curator)
        assert set(refused.value.fields) == {"title", "due_on", "query"}

    def test_by_page(self, page: Client, curator: Principal) -> None:
        (agent,) = make_some(1)
        due = (timezone.localdate() + timedelta(days=5)).isoformat()
        page.post(reverse("agents:campaign-begin"), {"title": "Q4", "due_on": due, "query": "tier=2"})
        campaign = Campaign.objects.get()
        where = reverse("agents:campaign", args=[campaign.pk])
        assert agent.name.encode() in page.get(where).content
        answered = page.post(reverse("agents:confirm", args=[agent.pk]), {"campaign": str(campaign.pk)})
        assert answered.headers["Location"] == where
        assert b"Nothing waits" in page.get(where).content
        other = Client()
        outsider = factories.make_person(Role.OWNER, factories.make_team())
        other.force_login(outsider.person, backend="apps.identity.auth.PersonBackend")
        assert other.get(where).status_code == 404


class TestHistory:
    def test_a_former_value_is_restored_as_a_persons_word(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, framework="first")
        edit_agent(agent, {"framework": "second"}, actor=curator)
        restore_field(agent, "framework", 1, actor=curator)
        agent.refresh_from_db()
        assert (agent.framework, agent.version) == ("first", 3)
        with pytest.raises(DomainError):
            restore_field(agent, "framework", 99, actor=curator)
        with pytest.raises(InvalidInput):
            restore_field(agent, "state", 1, actor=curator)

    def test_the_register_is_shown_as_it_stood(self, page: Client, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, name="now called this")
        today = timezone.localdate().isoformat()
        yesterday = (timezone.localdate() - timedelta(days=1)).isoformat()
        assert agent.name.encode() in page.get(reverse("agents:at") + f"?at={today}").content
        assert agent.name.encode() not in page.get(reverse("agents:at") + f"?at={yesterday}").content
        then = page.get(reverse("agents:history", args=[agent.pk]) + f"?at={yesterday}")
        assert b"It was not on record then" in then.content
        for odd in ("2026-02-31", "x", "9999-12-31"):
            assert page.get(reverse("agents:at") + f"?at={odd}").status_code == 200


class TestShelf:
    def test_a_view_is_kept_under_its_name_and_shared_if_wished(
        self, page: Client, curator: Principal
    ) -> None:
        page.post(reverse("agents:view-save"), {"name": "Mine", "query": "tier=4", "shared": "1"})
        page.post(reverse("agents:view-save"), {"name": "Mine", "query": "tier=3"})
        view = SavedView.objects.get()
        assert (view.query, view.is_shared) == ("tier=3", False)
        other = Client()
        somebody = factories.make_person(Role.VIEWER)
        other.force_login(somebody.person, backend="apps.identity.auth.PersonBackend")
        assert other.post(reverse("agents:view-remove", args=[view.pk])).status_code == 404
        assert b">Mine<" in page.get(reverse("agents:list")).content
        page.post(reverse("agents:view-remove", args=[view.pk]))
        assert not SavedView.objects.exists()

    def test_bookmarks_are_ones_own(self, page: Client) -> None:
        agent = factories.make_agent("registered", tier=1, name="kept agent")
        page.post(reverse("agents:bookmark", args=[agent.pk]), {"kept": "1"})
        assert b"kept agent" in page.get(reverse("agents:list") + "?kept=bookmarked").content
        page.post(reverse("agents:bookmark", args=[agent.pk]), {"kept": ""})
        assert b"kept agent" not in page.get(reverse("agents:list") + "?kept=bookmarked").content

    def test_a_field_is_edited_where_it_stands(self, page: Client) -> None:
        agent = factories.make_agent("registered", tier=1)
        where = reverse("agents:field", args=[agent.pk, "framework"])
        assert b'name="framework"' in page.get(where, HTTP_HX_REQUEST="true").content
        saved = page.post(where, {"framework": "agno", "version": agent.version}, HTTP_HX_REQUEST="true")
        assert b"agno" in saved.content
        stale = page.post(where, {"framework": "x", "version": agent.version}, HTTP_HX_REQUEST="true")
        assert b"was changed meanwhile" in stale.content
        assert page.get(reverse("agents:field", args=[agent.pk, "state"])).status_code == 404


def test_every_order_pages_through_all_agents_once(page: Client) -> None:
    agents = [
        factories.make_agent("registered", tier=1 + number % 2, name=f"n{number % 3}") for number in range(7)
    ]
    for sort in (
        "tier",
        "-tier",
        "name",
        "seen",
        "-seen",
        "created",
        "certified",
        "-confirmed",
        "complete",
        "ref",
    ):
        ordered = [a.pk for a in sortable(Agent.objects.all(), sort).order_by(*ordering_of(sort))]
        api = factories.client_of(factories.make_person(Role.VIEWER), "read")
        where: str | None = f"/api/v1/agents?sort={sort}&limit=2"
        seen = []
        while where:
            answer = api.get(where).json()
            seen += [row["id"] for row in answer["results"]]
            where = answer["next"]
        assert seen == [str(pk) for pk in ordered], sort
        assert len(seen) == len(agents)

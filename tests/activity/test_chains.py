"""Decision chains: what led to what in a run, over traces, services and clocks, and who may see which of it."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.activity.chains.build import build_chain, kind_of_tool
from apps.activity.chains.differences import compare
from apps.activity.chains.keeping import judged_run
from apps.activity.chains.steps import Chain, Link, Step
from apps.activity.models import ToolCall
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import NotFound
from tests import factories
from tests.activity.otlp import drain, post, request, tool_span

BEGIN = datetime(2026, 11, 1, 9, tzinfo=UTC)
RUN = "run-of-two-services-0001"


def step(at: float, tool: str, given: Any = None, produced: Any = None, **fields: Any) -> Step:
    """A tool call of one second that began `at` seconds after the run."""
    begin = BEGIN + timedelta(seconds=at)
    values = {"agent": "clerk", "clock": "a", "status": "ok"} | fields
    return Step(
        f"c{at}", kind_of_tool(tool), title=tool, tool=tool, given=given, produced=produced, started_at=begin,
        ended_at=begin + timedelta(seconds=1), **values,
    )  # fmt: skip


def flows(chain: Chain) -> set[tuple[int, int, str, str]]:
    return {(one.source, one.target, one.how, one.value) for one in chain.edges if one.kind == Link.FLOW}


def test_a_value_is_followed_from_a_result_into_arguments_however_it_is_written() -> None:
    account = {"id": "ACC-771-200", "first": "Mira", "last": "Novak", "total": 1204.0, "opened": "2026-05-03"}
    given = {"id": "ACC-771-200", "again": "acc 771 200", "sum": "1,204.00", "day": "3 May 2026", "name": "Novak, Mira",
             "order": "W-99120"}  # fmt: skip
    chain = build_chain(
        [
            step(0, "find_account", {"email": "m@example.org"}, account),
            step(2, "read_mail", {"box": "inbox"}, "Order W-99120 was refused."),
            step(4, "post_adjustment", given, {"ok": True}),
        ]
    )
    assert flows(chain) == {
        (0, 2, "exact", "ACC-771-200"),
        (0, 2, "normalised", "1,204.00"),
        (0, 2, "normalised", "3 May 2026"),
        (0, 2, "partial", "Novak, Mira"),
        (1, 2, "partial", "W-99120"),
    }
    assert "sum is 1204.0 of total, written 1,204.00" in {edge.words for edge in chain.edges}


def test_what_a_step_was_given_itself_and_what_every_result_says_is_not_followed() -> None:
    echo = step(0, "create", {"ref": "REF-10000001"}, {"ref": "REF-10000001", "status": "done"})
    same = [step(at, "poll", {"n": at}, {"region": "region-77"}) for at in range(2, 22, 2)]
    used = step(30, "close", {"ref": "REF-10000001", "status": "done", "region": "region-77"})
    assert flows(build_chain([echo, *same, used])) == set()


def test_causes_come_first_when_clocks_disagree_and_a_run_is_split_over_traces() -> None:
    chain = build_chain(
        [
            step(-40, "read_entries", {"account": "ACC-77120034"}, {"entry": "LE-00912377"}, agent="reconciler", clock="b", trace="2"),
            step(-38, "post_entry", {"entry": "LE-00912377"}, {}, agent="reconciler", clock="b", trace="2"),
            step(0, "trace_payment", {}, {"account": "ACC-77120034"}, trace="1"),
            step(3, "transfer_to_reconciler", {"account": "ACC-77120034"}, "accepted", trace="1"),
        ]
    )  # fmt: skip
    assert [one.title for one in chain.steps] == [
        "trace_payment",
        "transfer_to_reconciler",
        "read_entries",
        "post_entry",
    ]
    assert chain.shifts == {"b": pytest.approx(43, abs=0.1)}
    handed = [(edge.source, edge.target) for edge in chain.edges if edge.kind == Link.HANDOVER]
    assert handed == [(1, 2)]


def test_retries_people_and_loops_are_told_apart() -> None:
    order = {"order": "W-1001", "amount": 5}
    chain = build_chain(
        [
            step(0, "refund", order, "", error="Timeout", status="error"),
            step(2, "refund", order, {"ok": True}),
            step(4, "request_approval", order, "approved"),
            step(6, "refund", order, {"ok": True}),
            step(8, "notify", {"order": "W-1001"}, "sent", agent="mailer"),
        ]
    )
    found = {(edge.kind, edge.source, edge.target) for edge in chain.edges if edge.kind != Link.FLOW}
    assert found == {(Link.RETRY, 0, 1), (Link.HANDOVER, 3, 4)}
    assert chain.steps[2].kind == "approval"
    assert chain.loops == {3: "the same step for the third time"}


def test_two_runs_are_aligned_and_the_first_difference_is_told() -> None:
    left = [
        step(0, "find", {"id": 7}, {"a": 1}),
        step(2, "pay", {"sum": "5.00"}, "ok"),
        step(4, "mail", {}, "ok"),
    ]
    right = [
        step(0, "find", {"id": 7}, {"a": 1}),
        step(2, "pay", {"sum": "6.00"}, "ok"),
        step(3, "wait"),
        left[2],
    ]
    found = compare(left, right)
    assert [(pair.left, pair.right, pair.what) for pair in found.pairs] == [
        (0, 0, ""),
        (1, 1, "other arguments: sum"),
        (None, 2, "only here"),
        (2, 3, ""),
    ]
    assert found.first == 1


# A stored run, through the real door.


def call(tool: str, agent: str, trace: bytes, at: float, given: Any, result: Any, **more: Any) -> Any:
    told = {
        "gen_ai.conversation.id": RUN, "gen_ai.tool.call.arguments": json.dumps(given),
        "gen_ai.tool.call.result": json.dumps(result),
    }  # fmt: skip
    begin = int((time.time() - 60 + at) * 1e9)
    return tool_span(
        tool, agent, trace_id=trace, attributes=told, start_time_unix_nano=begin, end_time_unix_nano=begin + 10**8, **more
    )  # fmt: skip


@pytest.fixture
def told() -> dict[str, Agent]:
    """One run of two agents that different teams own, reported by two sources in two traces."""
    ours, theirs = factories.make_team("Payments"), factories.make_team("Ledger")
    one, two = os.urandom(16), os.urandom(16)
    for team, spans, service in (
        (ours, [
            call("trace_payment", "clerk", one, 0, {"payment": "PAY-118833"}, {"account": "ACC-77120034", "status": "closed"}),
            call("transfer_to_reconciler", "clerk", one, 2, {"account": "ACC-77120034", "status": "open"}, "accepted"),
        ], "payments"),
        (theirs, [
            call("read_entries", "reconciler", two, 4, {"account": "ACC-77120034"}, {"secret_entry": "LE-00912377"}),
            call("post_entry", "reconciler", two, 6, {"entry": "LE-00912377"}, "closed", error="AccountClosed"),
        ], "ledger"),
    ):  # fmt: skip
        post(
            request(spans, service=service), factories.make_key(factories.make_source(team), ["ingest"]).token
        )
    drain()
    agents = {call.agent.name: call.agent for call in ToolCall.objects.select_related("agent")}
    agents["clerk"].team, agents["reconciler"].team = ours, theirs
    for agent in agents.values():
        agent.save(update_fields=["team"])
    return agents


def page_for(actor: Principal, path: str) -> Any:
    client = Client()
    client.force_login(actor.person, backend="apps.identity.auth.PersonBackend")
    return client.get(path)


@pytest.mark.django_db(transaction=True)
def test_a_run_over_two_sources_is_one_chain_on_its_page_and_over_rest(told: dict[str, Agent]) -> None:
    officer = factories.make_person(Role.OPERATOR)
    text = page_for(officer, f"/chains/{RUN}/").content.decode()
    assert "It probably went wrong at step 2, clerk." in text
    assert "status is open here; step 1 said closed" in text
    assert "2 steps are of agents of other teams (Ledger), marked with the team." in text
    body = factories.client_of(officer).get(f"/api/v1/chains/{RUN}").json()
    assert [one["title"] for one in body["steps"]] == [
        "trace_payment", "transfer_to_reconciler", "read_entries", "post_entry",
    ]  # fmt: skip
    assert [one["foreign"] for one in body["steps"]] == ["", "", "Ledger", "Ledger"]
    assert (body["suspects"][0]["step"], body["abstains"], body["has_failed"]) == (2, False, True)
    edges = {(edge["kind"], edge["from_step"], edge["to_step"], edge["value"]) for edge in body["edges"]}
    assert {("flow", 1, 3, "ACC-77120034"), ("flow", 3, 4, "LE-00912377"), ("handover", 2, 3, "")} <= edges


@pytest.mark.django_db(transaction=True)
def test_steps_of_another_teams_agent_keep_their_place_and_show_nothing(told: dict[str, Agent]) -> None:
    viewer = factories.make_person(Role.VIEWER, told["clerk"].team)
    body = factories.client_of(viewer).get(f"/api/v1/chains/{RUN}").json()
    assert [one["is_hidden"] for one in body["steps"]] == [False, False, True, True]
    assert {edge["to_step"] for edge in body["edges"] if edge["kind"] == "flow"} == {2}
    pages = [page_for(viewer, path).content.decode() for path in (f"/chains/{RUN}/?step=3", "/chains/")]
    for text in (json.dumps(body), *pages):
        assert not [
            word for word in ("LE-00912377", "read_entries", "AccountClosed", "secret_entry") if word in text
        ]
    assert "belongs to an agent of another team" in pages[0]


@pytest.mark.django_db(transaction=True)
def test_whoever_may_see_no_step_finds_no_run_also_after_it_was_opened(told: dict[str, Agent]) -> None:
    viewer = factories.make_person(Role.VIEWER, told["clerk"].team)
    assert judged_run(RUN, actor=viewer).run.steps
    told["clerk"].team = None
    told["clerk"].save(update_fields=["team"])
    again = Principal.objects.get(pk=viewer.pk)
    with pytest.raises(NotFound):
        judged_run(RUN, actor=again)
    assert page_for(viewer, f"/chains/{RUN}/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_runs_are_listed_by_what_happened_in_them(told: dict[str, Agent]) -> None:
    officer = factories.make_person(Role.OPERATOR)
    quiet = call(
        "look",
        "clerk",
        os.urandom(16),
        0,
        {},
        {},
    )
    quiet.attributes[4].value.string_value = "another-run-that-went-well"
    post(request([quiet], service="payments"), factories.make_key(factories.make_source(), ["ingest"]).token)
    drain()
    client = factories.client_of(officer)

    def listed(query: str) -> list[str]:
        return [row["conversation_id"] for row in client.get(f"/api/v1/chains{query}").json()["results"]]

    assert len(listed("")) == 2
    assert listed("?with=failed") == listed("?with=handovers") == [RUN]
    assert listed(f"?agent={told['reconciler'].pk}") == [RUN]
    assert listed("?length=long") == []
    first = client.get("/api/v1/chains?limit=1").json()
    assert len(first["results"]) == 1
    assert len(client.get(first["next"]).json()["results"]) == 1

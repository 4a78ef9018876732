"""Where a run went wrong: the ranking without a model, and the model that may be asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from apps.activity.chains.blame import Ranking, rank
from apps.activity.chains.build import build_chain, kind_of_tool
from apps.activity.chains.differences import difference
from apps.activity.chains.keeping import Judged
from apps.activity.chains.reading import Run
from apps.activity.chains.steps import Kind, Link, Step
from apps.activity.models import RunOpinion, ToolCall
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from tests import factories

BEGIN = datetime(2026, 11, 1, 9, tzinfo=UTC)
RUN = "run-that-went-wrong-0001"
QUESTION = "How many clients of the Halden branch have an even street address?"


def said(at: int, agent: str, words: str) -> Step:
    return Step(f"t{at}", Kind.DECISION, agent, agent, BEGIN + timedelta(seconds=at), said=words)


def called(at: int, tool: str, given: Any, produced: Any, **fields: Any) -> Step:
    values = {"agent": "clerk", "status": "ok"} | fields
    return Step(
        f"c{at}", kind_of_tool(tool), title=tool, tool=tool, given=given, produced=produced,
        started_at=BEGIN + timedelta(seconds=at), **values,
    )  # fmt: skip


TALK = [
    ("Planner", "Let's begin. The plan: read the file of the Halden branch, then count the clients."),
    ("Analyst", "The file is not at hand. I assume sample data with 48 clients, of which 31 live at even addresses; for "
     "demonstration I use those placeholder numbers:\n```python\nprint(31)\n```"),
    ("Terminal", "exitcode: 0 (execution succeeded)\nCode output: 31"),
    ("Checker", "The output is confirmed and verified. The final answer is 31."),
]  # fmt: skip


def ranked(talk: list[tuple[str, str]]) -> Ranking:
    return rank(build_chain([said(at, *one) for at, one in enumerate(talk)]), QUESTION)


def test_an_assumption_that_later_steps_build_on_is_named_whatever_its_place_is() -> None:
    begun = [("human", QUESTION), ("Greeter", "Good morning."), ("Greeter", "Thanks, I hand this on now.")]
    for before in (0, len(begun)):
        ranking = ranked([*begun[:before], *TALK])
        assert ranking.first is not None
        assert (ranking.first.at, ranking.first.agent) == (before + 1, "Analyst")
        assert "it rests on an assumption, an example or a placeholder" in ranking.first.reasons
        assert sum(one.probability for one in ranking.suspects) == pytest.approx(1)
        assert "human" not in {one.agent for one in ranking.suspects}


def test_it_abstains_when_no_step_is_more_suspect_than_another() -> None:
    same = [called(at, f"read_{at}", {"page": at}, {"page": "x" * 80}) for at in range(6)]
    ranking = rank(build_chain(same))
    assert ranking.abstains
    assert ranking.first is None
    assert rank(build_chain([])).first is None


def test_a_short_result_that_a_later_step_used_is_no_ground_for_suspicion() -> None:
    run = [
        called(1, "lookup_order", {"order": "ORD-100077"}, {"refund_id": "RF-778812"}),
        called(2, "refund_order", {"refund": "RF-778812"}, None, status="error", error="boom"),
    ]
    first, *rest = rank(build_chain(run)).suspects
    assert (first.at, len(rest)) == (1, 1)
    assert "what it ran brought back next to nothing" not in rest[0].reasons


def test_a_contradiction_outweighs_the_failures_that_follow_from_it() -> None:
    steps = [
        called(0, "find_account", {"customer": "CUS-558812"}, {"account": "ACC-77120034", "status": "closed", "limit": "5000"}),
        called(1, "prepare_refund", {"account": "ACC-77120034", "status": "open"}, {"draft": "DRF-4410023", "state": "prepared"}),
        called(2, "post_refund", {"draft": "DRF-4410023"}, "account is closed", status="error", error="AccountClosed"),
        called(3, "post_refund", {"draft": "DRF-4410023"}, "account is closed", status="error", error="AccountClosed"),
    ]  # fmt: skip
    first = rank(build_chain(steps), "Refund customer CUS-558812.").first
    assert first is not None
    assert first.at == 1
    assert first.reasons[0] == "status is open here; step 1 said closed"
    assert "step 3 used its values and failed" in first.reasons


def test_a_refused_call_is_no_failure_of_the_run() -> None:
    """It is told as refused, tried again after that, and no step is suspect because its values went into it."""
    refused = {"status": "denied", "error": "Denied by policy", "outcome": "blocked"}
    steps = [
        called(0, "find_account", {"customer": "CUS-558812"}, {"account": "ACC-77120034", "status": "closed"}),
        called(1, "prepare_refund", {"account": "ACC-77120034", "status": "open"}, {"draft": "DRF-4410023"}),
        called(2, "post_refund", {"draft": "DRF-4410023"}, None, **refused),
        called(3, "post_refund", {"draft": "DRF-4410023"}, {"ok": True}),
    ]  # fmt: skip
    chain = build_chain(steps)
    assert [(step.is_failed, step.is_refused) for step in chain.steps[1:]] == [
        (False, False),
        (False, True),
        (False, False),
    ]
    (retry,) = (edge for edge in chain.edges if edge.kind == Link.RETRY)
    assert retry.words == "post_refund is tried again after it was refused"
    suspects = {one.at: one.reasons for one in rank(chain, "Refund customer CUS-558812.").suspects}
    assert not any("and failed" in reason for reasons in suspects.values() for reason in reasons)
    assert "what it ran failed" not in suspects[2]
    assert difference(steps[3], replace(steps[3], status="denied")) == "one was refused"
    run = Run("run", chain, "", is_cut=False, agent_ids=frozenset())
    assert not Judged(run, rank(chain)).has_failed, "nothing went wrong that would have to be looked for"


def test_an_argument_from_nowhere_a_new_tool_and_a_violation_are_told_as_reasons() -> None:
    steps = [
        called(0, "find_order", {"order": "W-100200"}, {"status": "sent", "note": "y" * 80}),
        called(1, "pay_out", {"iban": "DE02120300000000202051"}, "z" * 80, code="behaviour.new_tool", outcome="anomaly"),
        called(2, "export", {"order": "W-100200"}, "z" * 80, outcome="violation", reason="Export is outside the policy."),
    ]  # fmt: skip
    told = {one.at: one.reasons for one in rank(build_chain(steps), "Where is my order W-100200?").suspects}
    assert set(told[1][:2]) == {
        "comes from nowhere: no result and no request said iban DE02120300000000202051",
        "its agent had never called pay_out before",
    }
    assert told[2][0] == "Export is outside the policy"


# The model that may be asked: a small server that speaks chat completions.


@pytest.fixture
def asked() -> Iterator[list[dict[str, Any]]]:
    """What the server was asked; it answers with markup, and with 500 once `fail` was put first."""
    got: list[dict[str, Any]] = []

    class Completions(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append({"path": self.path, "key": self.headers["Authorization"], "body": body})
            words = "Step 1, order_agent: <b>it sent the wrong order</b>."
            answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": words}}]}).encode()
            self.send_response(500 if body["model"] == "broken" else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Completions)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    got.append({"url": f"http://127.0.0.1:{server.server_port}/v1"})
    yield got
    server.shutdown()
    server.server_close()


def make_run(**agent: Any) -> ToolCall:
    return ToolCall.objects.create(
        position=1, agent=factories.make_agent(name="order_agent", **agent), source_id=factories.make_source().pk,
        trace_id=b"t" * 16, span_id=b"s" * 8, started_at=BEGIN, tool_name="send_order", arguments={"order": "W-1"},
        status="error", outcome="flagged", conversation_id=RUN,
    )  # fmt: skip


def posted(actor: Principal) -> Any:
    client = Client()
    client.force_login(actor.person, backend="apps.identity.auth.PersonBackend")
    return client.post(f"/chains/{RUN}/judge/", follow=True)


@pytest.mark.django_db(transaction=True)
def test_a_model_is_asked_on_request_and_its_words_are_shown_as_its_own(asked: Any, settings: Any) -> None:
    settings.JUDGE_URL, settings.JUDGE_KEY, settings.JUDGE_MODEL = asked[0]["url"], "sesame", "judge-1"
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    call = make_run()
    text = posted(factories.make_person(Role.OPERATOR)).content.decode()
    assert (asked[1]["path"], asked[1]["key"], asked[1]["body"]["model"]) == (
        "/v1/chat/completions",
        "Bearer sesame",
        "judge-1",
    )
    assert "W-1" in asked[1]["body"]["messages"][1]["content"]
    assert "&lt;b&gt;it sent the wrong order&lt;/b&gt;" in text
    opinion = RunOpinion.objects.get()
    assert (opinion.model, opinion.agent_ids) == ("judge-1", [call.agent_id])
    entry = LedgerEntry.objects.get(action="activity.run.judged")
    assert (entry.target_id, json.loads(bytes(entry.body))["detail"]["conversation"]) == (
        str(call.agent_id),
        RUN,
    )
    stranger = factories.make_person(Role.VIEWER, factories.make_team())
    assert not RunOpinion.objects.visible_to(stranger)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_without_leave_and_a_model_that_fails_leaves_no_trace(
    asked: Any, settings: Any
) -> None:
    settings.JUDGE_URL, settings.JUDGE_MODEL = asked[0]["url"], "broken"
    call = make_run(team=factories.make_team())
    assert posted(factories.make_person(Role.VIEWER)).status_code == 403
    officer = factories.make_person(Role.OPERATOR)
    assert "is not a public address" in posted(officer).content.decode()
    assert len(asked) == 1
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    assert "The model answered with status 500." in posted(officer).content.decode()
    assert call.agent is not None
    assert not RunOpinion.objects.exists()
    assert not LedgerEntry.objects.filter(action="activity.run.judged").exists()

"""Did it really happen? Calls come by OTLP, a read-back is declared, the job judges by later calls or a real address."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.activity.effects import job
from apps.activity.effects.enlisting import enlist
from apps.activity.effects.rules import Address, Condition, Observed, Rule
from apps.activity.effects.services import Draft, declare_read_back
from apps.activity.models import Alert, CallEffect, ReadBack, ToolCall
from apps.activity.recording.services import set_content_policy
from apps.activity.rollups.rolling import roll_up
from apps.agents.models import Tool
from apps.identity.models import LedgerEntry, Principal
from apps.identity.narrative import SENTENCES
from apps.identity.roles import Role
from apps.kit.errors import InvalidInput
from tests import factories
from tests.activity.otlp import drain, post, request, tool_span
from tests.receiver import serving

SETTLED = Condition("equals", "status", "settled")
SEEN = Rule(60, Observed("get_refund", "refund_id", "result.id"), condition=SETTLED)
LATER = timedelta(minutes=10)


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


@pytest.fixture
def curator(db: Any) -> Principal:
    return factories.make_person(Role.CURATOR)


@pytest.fixture
def keeper(db: Any) -> Principal:
    """Who may say what leaves the house."""
    return factories.make_person(Role.ADMINISTRATOR)


@pytest.fixture
def tool(db: Any) -> Tool:
    return Tool.objects.create(name="refund_order", side_effect="write")


def call(name: str, run: str, given: Any, result: Any, after_s: float = 0, error: str = "") -> Any:
    began = time.time_ns() - 5_000_000_000 + int(after_s * 1e9)
    told = {
        "gen_ai.conversation.id": run, "gen_ai.tool.call.arguments": json.dumps(given),
        "gen_ai.tool.call.result": json.dumps(result),
    }  # fmt: skip
    times = {"start_time_unix_nano": began, "end_time_unix_nano": began + 5_000_000}
    return tool_span(name, attributes=told, error=error, **times)


def refund(run: str, number: str = "R-1", **changes: Any) -> Any:
    return call("refund_order", run, {"order": "A-1", "amount": 12.5}, {"id": number}, **changes)


def show(run: str, number: str, status: str, after_s: float = 1) -> Any:
    answer = {"content": [{"type": "text", "text": json.dumps({"status": status})}], "status": status}
    return call("get_refund", run, {"refund_id": number}, answer, after_s)


def told(token: str, *spans: Any) -> None:
    post(request(spans), token)
    drain()


def judge(after: timedelta = LATER) -> int:
    """What the clock does, that much later."""
    while enlist():
        continue
    return job.look_once(timezone.now() + after)


def effects() -> dict[str, str]:
    return dict(ToolCall.objects.filter(tool_name="refund_order").values_list("conversation_id", "effect"))


@pytest.mark.django_db(transaction=True)
class TestLaterCalls:
    def test_what_later_calls_show_is_told_of_each_call(
        self, token: str, tool: Tool, curator: Principal
    ) -> None:
        told(token, refund("before"), show("before", "R-1", "settled"))
        declare_read_back(tool, Draft(SEEN), actor=curator)
        told(
            token, refund("done"), show("done", "R-1", "pending"), show("done", "R-1", "settled", 2),
            refund("not_done"), show("not_done", "R-1", "pending"),
            refund("not_done_either"), show("not_done_either", "R-1", "refused"),
            refund("other_order"), show("other_order", "R-2", "settled"),
            refund("too_early", after_s=2), show("too_early", "R-1", "settled", 1),
            refund("nobody_looked"), refund("failed", error="no such order"),
        )  # fmt: skip
        judge(timedelta(seconds=4))
        assert effects()["done"] == "verified"
        assert effects()["not_done"] == "", "its time is not over"
        judge()
        assert effects() == {
            "before": "", "done": "verified", "not_done": "failed", "not_done_either": "failed", "failed": "",
            "other_order": "unknown", "too_early": "unknown", "nobody_looked": "unknown",
        }  # fmt: skip
        assert judge() == 0
        assert CallEffect.objects.count() == 6
        settled = ToolCall.objects.filter(tool_name="get_refund", conversation_id="done").latest("started_at")
        row = CallEffect.objects.get(pk=ToolCall.objects.get(conversation_id="done", effect="verified").pk)
        assert (row.why, row.evidence) == ("seen", {"call": str(settled.pk)})
        assert set(CallEffect.objects.filter(effect="unknown").values_list("why", flat=True)) == {"no_call"}

    def test_one_cause_is_one_alert_and_the_call_is_marked(
        self, token: str, tool: Tool, curator: Principal
    ) -> None:
        declare_read_back(tool, Draft(SEEN), actor=curator)
        for run in ("one", "two"):
            told(token, refund(run), show(run, "R-1", "pending"), refund(f"{run}, nobody looked"))
            before = ToolCall.objects.get(conversation_id=run, tool_name="refund_order").position
            judge()
            failed = ToolCall.objects.get(conversation_id=run, effect="failed")
            assert failed.position > before, "the feed tells of it"
            assert (failed.outcome, failed.outcome_code) == ("anomaly", "effect.failed")
        alert = Alert.objects.get(detector="effect")
        assert (alert.calls, alert.severity, alert.effects.count()) == (2, "critical", 2)
        assert "refund_order reported success" in alert.reason
        assert LedgerEntry.objects.filter(action="activity.alert.opened").count() == 1
        roll_up(pacing=False)
        page = Client()
        page.force_login(factories.make_person(Role.OPERATOR).person)
        for address, words in (
            (f"/alerts/{alert.pk}/", "Calls that did not happen"),
            (f"/calls/{failed.pk}/", "A later call about the same thing showed otherwise."),
            (f"/agents/{failed.agent_id}/activity/", "Verified to have happened"),
            ("/feed/?effect=failed&tool=refund_order", "Did not happen"),
            ("/chains/one/?step=1", "Did it happen?"),
            (f"/tools/{tool.pk}/read-back/panel/", "2"),
        ):
            assert words in page.get(address).content.decode(), address
        client = factories.client_of(curator)
        found = client.get(f"/api/v1/calls/{failed.pk}").json()
        assert (found["effect"], found["read_back"]["shown"]) == ("failed", "pending")
        assert len(client.get("/api/v1/calls?effect=failed").json()["results"]) == 2
        assert client.get(f"/api/v1/tools/{tool.pk}/read-back").json()["calls"]["failed"] == 2

    def test_another_client_with_the_same_conversation_shows_nothing(
        self, token: str, tool: Tool, curator: Principal
    ) -> None:
        declare_read_back(tool, Draft(SEEN), actor=curator)
        told(token, refund("conv-1"))
        stranger = factories.make_key(factories.make_source(), ["ingest"]).token
        post(request([show("conv-1", "R-1", "settled")], service="elsewhere"), stranger)
        drain()
        judge()
        assert effects() == {"conv-1": "unknown"}

    @pytest.mark.parametrize(("mode", "effect"), [("none", "unknown"), ("hashed", "unknown")])
    def test_what_is_not_recorded_tells_nothing(
        self, token: str, tool: Tool, curator: Principal, mode: str, effect: str
    ) -> None:
        set_content_policy(mode, (), actor=factories.make_person(Role.COMPLIANCE), reason="Data protection")
        declare_read_back(tool, Draft(SEEN), actor=curator)
        told(token, refund("one"), show("one", "R-1", "settled"))
        judge()
        assert effects() == {"one": effect}
        assert CallEffect.objects.get().why == "not_recorded"

    def test_a_call_that_failed_after_all_loses_what_was_found(
        self, token: str, tool: Tool, curator: Principal
    ) -> None:
        declare_read_back(tool, Draft(SEEN), actor=curator)
        span = refund("one")
        told(token, span, show("one", "R-1", "pending"))
        judge()
        assert effects() == {"one": "failed"}
        again = refund("one", error="it did not go through")
        again.trace_id = span.trace_id
        del again.attributes[:]
        again.attributes.extend(span.attributes)
        told(token, again)
        judge()
        assert effects() == {"one": ""}
        assert not CallEffect.objects.exists()

    def test_a_killed_worker_leaves_its_rows_to_the_next(
        self, token: str, tool: Tool, curator: Principal
    ) -> None:
        declare_read_back(tool, Draft(SEEN), actor=curator)
        told(token, refund("one"), show("one", "R-1", "settled"))
        while enlist():
            continue
        now = timezone.now() + LATER
        assert len(job._take(now)) == 1  # and then it is killed
        assert job.look_once(now) == 0
        assert job.look_once(now + job.PUT_OFF) == 1
        assert effects() == {"one": "verified"}


class Desk:
    """A system of record over HTTP: `answers` in turn by path, the last again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization", "")))
                queue = outer.answers.get(self.path, [(404, {})])
                status, body = queue.pop(0) if len(queue) > 1 else queue[0]
                if status == 0:
                    time.sleep(6)
                    return
                answer = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def desk(settings: Any) -> Iterator[Desk]:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    desk = Desk()
    with serving(desk.server):
        yield desk


@pytest.mark.django_db(transaction=True)
class TestAddresses:
    def test_an_address_is_asked_until_it_shows_it_or_the_time_is_over(
        self, token: str, tool: Tool, keeper: Principal, desk: Desk
    ) -> None:
        rule = Rule(
            60, address=Address(f"{desk.url}/refunds/{{result.id}}?of={{arguments.order}}"), condition=SETTLED
        )
        declare_read_back(tool, Draft(rule, "s3cret"), actor=keeper)
        settled, pending = (200, {"status": "settled"}), (200, {"status": "pending"})
        desk.answers = {
            "/refunds/A%2F1%3F?of=A-1": [(404, {}), pending, settled], "/refunds/B?of=A-1": [pending],
            "/refunds/C?of=A-1": [(503, {})], "/refunds/D?of=A-1": [(0, {})], "/refunds/F?of=A-1": [(200, b"yes")],
        }  # fmt: skip
        told(
            token, refund("slow", "A/1?"), refund("otherwise", "B"), refund("broken", "C"), refund("silent", "D"),
            refund("absent", "E"), refund("no_json", "F"), refund("no_piece", ".."),
        )  # fmt: skip
        for after in (4, 30, 45):
            judge(timedelta(seconds=after))
        assert effects()["slow"] == "verified"
        assert set(effects().values()) == {"verified", ""}
        judge()
        assert effects() == {
            "slow": "verified", "otherwise": "failed", "absent": "failed", "broken": "unknown", "silent": "unknown",
            "no_json": "unknown", "no_piece": "unknown",
        }  # fmt: skip
        why = {one.pk: one.why for one in CallEffect.objects.all()}
        assert {call.conversation_id: why[call.pk] for call in ToolCall.objects.all()} == {
            "slow": "answered", "otherwise": "says_otherwise", "absent": "other_status", "broken": "cannot_tell",
            "silent": "no_answer", "no_json": "not_json", "no_piece": "unfit_field",
        }  # fmt: skip
        assert {sign for _, sign in desk.asked} == {"Bearer s3cret"}
        assert CallEffect.objects.get(why="says_otherwise").evidence == {"status": 200, "found": "pending"}

    def test_what_an_address_shows_is_kept_as_the_content_policy_lets(
        self, token: str, tool: Tool, keeper: Principal, desk: Desk
    ) -> None:
        set_content_policy(
            "redacted", (), actor=factories.make_person(Role.COMPLIANCE), reason="Data protection"
        )
        rule = Rule(
            60, address=Address(f"{desk.url}/refunds/{{result.id}}"), condition=Condition("exists", "to")
        )
        declare_read_back(tool, Draft(rule), actor=keeper)
        desk.answers = {"/refunds/R-1": [(200, {"to": "anna.kern@example.org"})]}
        told(token, refund("one"))
        judge()
        assert effects() == {"one": "verified"}
        assert CallEffect.objects.get().evidence == {"status": 200, "found": "[e-mail]"}

    def test_an_inner_address_is_refused_when_it_is_declared_and_when_it_is_asked(
        self, token: str, tool: Tool, keeper: Principal, desk: Desk, settings: Any
    ) -> None:
        rule = Rule(60, address=Address(f"{desk.url}/refunds/{{result.id}}"))
        declare_read_back(tool, Draft(rule), actor=keeper)
        settings.OUTGOING_ALLOW = []
        told(token, refund("one"))
        judge()
        assert effects() == {"one": "unknown"}
        assert not desk.asked
        other = Tool.objects.create(name="pay", side_effect="irreversible")
        with pytest.raises(InvalidInput) as refused:
            declare_read_back(other, Draft(rule), actor=keeper)
        assert "address.url" in refused.value.fields


@pytest.mark.django_db(transaction=True)
class TestDeclaring:
    def test_a_change_is_a_version_in_the_ledger_and_a_secret_is_never_shown(
        self, tool: Tool, curator: Principal, keeper: Principal, settings: Any
    ) -> None:
        settings.OUTGOING_ALLOW = ["erp.example.org", "evil.example.org"]
        url, client = f"/api/v1/tools/{tool.pk}/read-back", factories.client_of(keeper)
        address = {"url": "https://erp.example.org/r/{result.id}"}
        assert client.get(url).status_code == 404
        only_curates = factories.client_of(curator).put(url, {"address": address}, format="json")
        assert only_curates.status_code == 403, "an address is told values of calls"
        made = client.put(url, {"address": address, "secret": "tok-123", "within_s": 30}, format="json")
        assert (made.status_code, made["ETag"], made.json()["has_secret"]) == (200, '"1"', True)
        stale = client.put(url, {"address": address, "within_s": 40}, format="json", HTTP_IF_MATCH='"7"')
        assert stale.status_code == 412
        moved = {"address": {"url": "https://evil.example.org/r/{result.id}"}}
        refused = client.put(url, moved, format="json", HTTP_IF_MATCH='"1"')
        assert (refused.status_code, "secret" in refused.json()["fields"]) == (400, True)
        changed = client.put(url, {"address": address, "within_s": 40}, format="json", HTTP_IF_MATCH='"1"')
        assert (changed.json()["number"], changed.json()["has_secret"]) == (2, True)
        assert client.delete(f"{url}?reason=no+longer").status_code == 204
        assert client.get(url).status_code == 404
        acts = LedgerEntry.objects.filter(target_id=str(tool.pk)).order_by("pk")
        names = [act.action for act in acts]
        assert names == ["activity.read_back.declared"] * 2 + ["activity.read_back.removed"]
        assert all(name in SENTENCES for name in names)
        assert "tok-123" not in str([act.body for act in acts]) + str(list(ReadBack.objects.values()))

    def test_what_cannot_be_declared_says_which_field(self, tool: Tool, curator: Principal) -> None:
        url, client = f"/api/v1/tools/{tool.pk}/read-back", factories.client_of(curator)
        wrong = {
            "observed": {"tool": "get", "argument": "__import__('os')", "field": "id"},
            "condition": {"test": "equals", "path": "a..b"},
        }
        answer = client.put(url, wrong, format="json")
        assert answer.status_code == 400
        named = {"observed.argument", "observed.field", "condition.path", "condition.value"}
        assert set(answer.json()["fields"]) == named
        Tool.objects.filter(pk=tool.pk).update(side_effect="read")
        good = {
            "observed": {"tool": "get", "argument": "id", "field": "result.id"},
            "condition": {"test": "exists"},
        }
        assert client.put(url, good, format="json").json()["code"] == "activity.read_back.reads_only"
        viewer = factories.client_of(factories.make_person(Role.VIEWER))
        assert viewer.put(url, good, format="json").status_code == 403

    def test_it_is_tried_on_past_calls_before_it_is_declared(
        self, token: str, tool: Tool, curator: Principal
    ) -> None:
        told(token, refund("one"), show("one", "R-1", "settled"), refund("two"))
        client = factories.client_of(curator)
        rule = SEEN.as_json() | {"condition": SETTLED.__dict__}
        tried = client.post(f"/api/v1/tools/{tool.pk}/read-back/try", rule, format="json").json()
        assert sorted(one["effect"] for one in tried) == ["", "verified"]
        page = Client()
        page.force_login(curator.person)
        form = {
            "kind": "address", "observed_of": "conversation", "address_url": "https://erp.example.org/{arguments.order}",
            "condition_test": "", "within_s": 60, "number": 0, "try": "1",
        }  # fmt: skip
        assert (
            "https://erp.example.org/A-1" in page.post(f"/tools/{tool.pk}/read-back/", form).content.decode()
        )
        assert not ReadBack.objects.exists()
        by_call = form | {
            "kind": "observed", "observed_tool": "get_refund", "observed_argument": "refund_id",
            "observed_field": "result.id", "condition_test": "equals", "condition_path": "status",
            "condition_value": "settled",
        }  # fmt: skip
        del by_call["try"]
        assert page.post(f"/tools/{tool.pk}/read-back/", by_call).status_code == 302
        assert ReadBack.objects.get().rule == SEEN.as_json()
        assert page.post(f"/tools/{tool.pk}/read-back/", by_call).status_code == 422, "it was read before"
        assert "follows within 60 s" in page.get(f"/tools/{tool.pk}/read-back/").content.decode()

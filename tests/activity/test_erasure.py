"""One person's data is found wherever activity keeps it, shown before it goes, and gone for good after that."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from apps.activity.behaviour.alerts import Alarm, open_alerts
from apps.activity.behaviour.surprise import Surprise
from apps.activity.erasure import job, rows
from apps.activity.erasure.job import drop_forgotten, run_erasure, waiting_erasures
from apps.activity.erasure.leaves import MARK
from apps.activity.erasure.places import places
from apps.activity.erasure.services import Asked, cancel_erasure, confirm_erasure, request_erasure
from apps.activity.models import (
    ArchiveFile,
    Baseline,
    CallEffect,
    CallScore,
    Erasure,
    RunOpinion,
    RunOutcome,
    Span,
    ToolCall,
)
from apps.activity.retention.archive import path_of
from apps.activity.retention.job import keep_retention
from apps.activity.retention.services import Kept, set_retention
from apps.activity.retention.turn import TURN
from apps.activity.words.finding import with_words
from apps.activity.words.indexing import index_words
from apps.identity.ledger.keys import create_key_pair
from apps.identity.models import LedgerEntry
from apps.identity.roles import Role
from apps.kit.errors import Conflict
from apps.oversight.models import Decision
from tests import factories
from tests.activity.otlp import drain, post, request, tool_span
from tests.identity.test_ledger import ORIGIN, sequence_over

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/erasures"
MAIL, NUMBER, PHONE = "Anna.Kern@Example.org", "KD-2024-0117", "+49 30 1234567"
KNOWN_BY = [MAIL, NUMBER, PHONE]
TRACES_OF_HER = re.compile(r"(?<!jo)anna\.kern|kd.?2024.?0117|49.{0,3}30.{0,3}123", re.IGNORECASE)
OTHER = {"email": "joanna.kern@example.org", "amount": 12.5}
TOLD = {
    "gen_ai.tool.call.arguments": json.dumps({"email": "anna.kern@example.org", "amount": 12.5, "who": {"n": "kd20240117"}}),
    "gen_ai.tool.call.result": "sent to ANNA.KERN@example.ORG, 0049 (30) 123-4567",
    "vendor.note": "for anna.kern@example.org",
    "vendor.link": "https://x.example/?q=anna.kern%40example.org",
    "gen_ai.conversation.id": "mail:anna.kern@example.org",
}  # fmt: skip


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"


def everywhere() -> str:
    """All that the tables looked at hold, as text, with the words for search and the erasures themselves."""
    tables = [place.table for place in places()] + ["activity_callwords", "activity_erasure"]
    with connection.cursor() as cursor:
        found = ""
        for table in tables:
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            found += cursor.fetchone()[0]
    return found


def a_persons_data(token: str) -> ToolCall:
    """A call of hers, one of somebody else, and what is made of calls."""
    post(request([tool_span(attributes=TOLD, error="no mail for anna.kern@example.org")]), token)
    post(request([tool_span("other", attributes={"gen_ai.tool.call.arguments": json.dumps(OTHER)})]), token)
    drain()
    index_words()
    call = ToolCall.objects.get(tool_name="lookup_order")
    call.verdicts = {
        "behaviour.provenance": ["anomaly", f"to of it, “{MAIL}”, is not in the request.", "b.p"]
    }
    call.outcome, call.outcome_code, call.outcome_reason = (
        "anomaly",
        "b.p",
        f"“{MAIL}” is not in the request.",
    )
    call.save(update_fields=["verdicts", "outcome", "outcome_code", "outcome_reason"])
    made_of(call)
    return call


def made_of(call: ToolCall) -> None:
    agent, now = call.agent, timezone.now()
    assert agent is not None
    words = f"to of lookup_order, “{MAIL}”, is not in the request."
    alarm = Alarm(
        Baseline.objects.create(agent=agent, profile={"taught": [f"new: {MAIL}"], "tools": {"a": 1.0}}),
        f"operation: {MAIL}", Surprise("provenance", MAIL, 7.0, words), 7.0, now, call.pk,
    )  # fmt: skip
    with transaction.atomic():
        alert = next(iter(open_alerts([alarm]).values()))
    causes = [{"detector": "provenance", "nats": 7.0, "reason": words}]
    CallScore.objects.create(
        call_id=call.pk, agent=agent, alert=alert, score=7, bar=6, causes=causes, scored_at=now
    )
    RunOutcome.objects.create(
        agent=agent, conversation_id=call.conversation_id, contact="+49301234567", at=now, changed_at=now,
        resolved=True, segment="gold",
    )  # fmt: skip
    RunOpinion.objects.create(
        conversation_id=call.conversation_id, asked_by=agent.principal, asked_at=now, model="m", steps_shown=1,
        words=f"Step 1 wrote to {MAIL}.",
    )  # fmt: skip
    CallEffect.objects.create(
        call_id=call.pk, evidence={"status": 200, "found": MAIL}, heard_at=now, due_at=now, next_at=now
    )
    Decision.objects.create(
        agent=agent, asked_by=agent.principal, tool_name="lookup_order", outcome="allow", code="policy.none",
        reason="Fine", conversation_id=call.conversation_id, decided_at=now,
    )  # fmt: skip


def asked(**more: Any) -> Erasure:
    return request_erasure(
        Asked(**({"identifiers": KNOWN_BY} | more)),
        actor=factories.make_person(Role.COMPLIANCE),
        reason="Art. 17",
    )


def erased(erasure: Erasure) -> Erasure:
    """Counted, confirmed, and both rounds over."""
    run_erasure(erasure.pk)
    confirm_erasure(erasure, actor=factories.make_person(Role.COMPLIANCE))
    run_erasure(erasure.pk)
    look_once_more(erasure.pk)
    erasure.refresh_from_db()
    assert erasure.state == "done", (erasure.state, erasure.fault)
    return erasure


def let_settle() -> None:
    Erasure.objects.update(not_before=timezone.now())


def look_once_more(erasure_id: Any) -> None:
    """The second round. Whatever is at work anywhere on the server holds it back: other tests are, for moments."""
    let_settle()
    until = time.monotonic() + 30
    while not run_erasure(erasure_id) and time.monotonic() < until:
        time.sleep(0.05)


def archived(token: str, days: int = 40) -> ArchiveFile:
    """Three spans of a day long ago, two of them hers, in a file."""
    ns = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1e9)
    times = {"start_time_unix_nano": ns, "end_time_unix_nano": ns}
    hers = [tool_span(attributes=TOLD, **times) for _ in range(2)]
    post(request([*hers, tool_span(attributes={"vendor.note": "fine"}, **times)]), token)
    actor = factories.make_person(Role.COMPLIANCE)
    set_retention(Kept("spans", 30, True), actor=actor, reason="Asked for")
    keep_retention()
    return ArchiveFile.objects.get(table="activity_span")


def test_a_persons_data_is_shown_then_gone_wherever_it_stood_and_the_ledger_holds(
    token: str, tmp_path: Path
) -> None:
    call = a_persons_data(token)
    spans, calls = Span.objects.count(), ToolCall.objects.count()
    officer = factories.client_of(factories.make_person(Role.COMPLIANCE))
    body = {"identifiers": KNOWN_BY, "reason": "Request of 3 November"}
    first = officer.post(URL, body, format="json", HTTP_IDEMPOTENCY_KEY="k1")
    again = officer.post(URL, body, format="json", HTTP_IDEMPOTENCY_KEY="k1")
    assert (first.status_code, first.json()["state"], again.json()["id"]) == (
        201,
        "counting",
        first.json()["id"],
    )
    url = f"{URL}/{first.json()['id']}"
    assert officer.post(f"{url}/confirm").json()["code"] == "activity.erasure.not_ready"
    before = everywhere()
    run_erasure(first.json()["id"])
    shown = officer.get(url).json()
    assert shown["state"] == "ready"
    assert shown["found"] == {
        "activity_span": 1, "activity_toolcall": 1, "activity_alert": 1, "activity_baseline": 1, "activity_callscore": 1,
        "activity_runopinion": 1, "activity_runoutcome": 1, "oversight_decision": 1, "activity_calleffect": 1,
    }  # fmt: skip
    assert TRACES_OF_HER.search(before), "counting changes nothing"
    assert not TRACES_OF_HER.search(json.dumps(shown))
    assert officer.post(f"{url}/confirm").json()["state"] == "running"
    run_erasure(first.json()["id"])
    assert officer.get(url).json()["round"] == 2, "it waits before it looks once more"
    look_once_more(first.json()["id"])
    done = officer.get(url).json()
    assert (done["state"], done["erased"]) == ("done", shown["found"])

    left = everywhere()
    assert not TRACES_OF_HER.search(left)
    assert "joanna.kern@example.org" in left
    assert (Span.objects.count(), ToolCall.objects.count()) == (spans, calls)
    after = ToolCall.objects.get(pk=call.pk)
    assert after.arguments == {"email": MARK, "amount": 12.5, "who": {"n": MARK}}
    assert (after.result, after.error_message, after.outcome, after.outcome_code) == (
        MARK,
        MARK,
        "anomaly",
        "b.p",
    )
    assert after.verdicts == {"behaviour.provenance": ["anomaly", MARK, "b.p"]}
    assert CallScore.objects.get().causes == [{"detector": "provenance", "nats": 7.0, "reason": MARK}]
    assert CallEffect.objects.get().evidence == {"status": 200, "found": MARK}
    joined = {
        after.conversation_id,
        RunOutcome.objects.get().conversation_id,
        Decision.objects.get().conversation_id,
    }
    assert joined == {RunOpinion.objects.get().conversation_id}
    assert joined.pop().startswith("erased-")
    assert not with_words(ToolCall.objects.all(), "anna.kern@example.org").exists()
    assert with_words(ToolCall.objects.all(), "joanna.kern@example.org").exists()
    index_words()
    assert not TRACES_OF_HER.search(everywhere())
    assert Erasure.objects.get().sealed == ""

    signer = create_key_pair(ORIGIN, tmp_path / "ledger.key", tmp_path / "ledger.pub")
    sequence_over(os.environ["CHANCERY_TEST_SEQUENCER_URL"], signer)
    call_command("verify_ledger", key=tmp_path / "ledger.pub")
    told = {entry.action: bytes(entry.body).decode() for entry in LedgerEntry.objects.all()}
    assert not TRACES_OF_HER.search(" ".join(told.values())), "what an alert quotes is not in the ledger"
    assert {f"activity.erasure.{verb}" for verb in ("requested", "confirmed", "done")} <= set(told)
    assert all(one in told["activity.erasure.done"] for one in done["digests"])


def test_an_archived_file_is_written_anew_and_the_old_one_is_gone(token: str) -> None:
    old = archived(token)
    erasure = erased(asked())
    assert erasure.found == erasure.erased == {"archive": 2}
    old.refresh_from_db()
    new = old.replaced_by
    assert new is not None
    assert not path_of(old).exists()
    assert [path.name for path in path_of(new).parent.iterdir()] == [path_of(new).name]
    with duckdb.connect() as database:
        asked_of = "SELECT count(*), count(*) FILTER (WHERE attributes LIKE '%[erased]%'), string_agg(t::text) FROM read_parquet(?) t"
        count, changed, text = database.execute(asked_of, [str(path_of(new))]).fetchone()
        kinds = database.execute(
            "SELECT typeof(id), typeof(trace_id), typeof(started_at) FROM read_parquet(?)",
            [str(path_of(new))],
        ).fetchone()
    assert (count, changed, new.rows, TRACES_OF_HER.search(text)) == (3, 2, 3, None)
    assert kinds == ("UUID", "BLOB", "TIMESTAMP")
    call_command("archive", "--check", verbosity=0)
    acts = [bytes(one.body).decode() for one in LedgerEntry.objects.filter(action="activity.archive.written")]
    assert any(old.sha256 in body and new.sha256 in body for body in acts)


def test_kill_nine_between_steps_loses_no_count_and_leaves_nothing(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = [tool_span(attributes=TOLD) for _ in range(40)]
    post(request(spans), token)
    monkeypatch.setattr(rows, "AT_ONCE", 2)
    erasure = asked()
    run_erasure(erasure.pk)
    confirm_erasure(erasure, actor=factories.make_person(Role.COMPLIANCE))
    kills = 0
    while Erasure.objects.get().round == 1 and kills < 10:
        killed_while_it_works(erasure)
        kills += 1
    assert kills >= 2
    run_erasure(erasure.pk)
    look_once_more(erasure.pk)
    done = Erasure.objects.get()
    assert (done.state, done.found["activity_span"], done.erased["activity_span"]) == ("done", 40, 40)
    assert not TRACES_OF_HER.search(everywhere())


def killed_while_it_works(erasure: Erasure) -> None:
    """A process of its own goes on with it until some steps later it is killed."""
    before = Erasure.objects.get().seen
    connection.close()
    connection.close_pool()
    child = os.fork()
    if child == 0:
        try:
            run_erasure(erasure.pk)
        finally:
            os._exit(1)
    until = time.monotonic() + 20
    while time.monotonic() < until and Erasure.objects.get().seen in range(before, before + 6):
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_was_being_made_of_a_record_meanwhile_goes_in_the_second_round(token: str) -> None:
    call = a_persons_data(token)
    erasure = asked()
    run_erasure(erasure.pk)
    confirm_erasure(erasure, actor=factories.make_person(Role.COMPLIANCE))
    with psycopg.connect(
        os.environ["DATABASE_URL"]
    ) as pipeline:  # it has read the call, and writes it afterwards
        pipeline.execute("UPDATE activity_feedposition SET last = last + 1")
        run_erasure(erasure.pk)
        let_settle()
        assert run_erasure(erasure.pk) == 0, "somebody who began before is still at work"
        pipeline.execute(
            "UPDATE activity_toolcall SET arguments = %s WHERE id = %s", [json.dumps({"to": MAIL}), call.pk]
        )
    look_once_more(erasure.pk)
    assert Erasure.objects.get().erased["activity_toolcall"] == 2
    assert not TRACES_OF_HER.search(everywhere())


def test_of_a_conversation_all_content_goes_and_its_shape_stays(token: str) -> None:
    of_run = {
        "gen_ai.conversation.id": "run-7",
        "gen_ai.tool.call.arguments": json.dumps({"q": "a rash", "n": 3}),
        "x": "y",
    }
    whole = tool_span(attributes=of_run)
    beside = tool_span(
        "said", attributes={"gen_ai.conversation.id": "run-8", "gen_ai.tool.call.result": "a cough"}
    )
    post(request([whole, beside]), token)
    drain()
    erasure = erased(asked(identifiers=["nobody@example.org"], conversations=["run-7"]))
    assert erasure.erased == {"activity_span": 1, "activity_toolcall": 1}
    call = ToolCall.objects.get(tool_name="lookup_order")
    assert (call.arguments, call.conversation_id, call.status) == ({"q": MARK, "n": MARK}, "run-7", "ok")
    told = Span.objects.get(tool_name="lookup_order").attributes
    assert (told["gen_ai.tool.name"], told["gen_ai.conversation.id"], told["x"]) == (
        "lookup_order",
        "run-7",
        MARK,
    )
    assert ToolCall.objects.get(tool_name="said").result == "a cough"


def test_nothing_is_erased_while_a_day_is_moved_to_the_archive(token: str) -> None:
    post(request([tool_span(attributes=TOLD)]), token)
    erasure = asked()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as retention:
        retention.execute("SELECT pg_advisory_lock(%s)", [TURN])
        assert run_erasure(erasure.pk) == 0
    assert run_erasure(erasure.pk) > 0
    assert Erasure.objects.get().state == "ready"


@contextmanager
def unreadable(table: str) -> Iterator[None]:
    """The application may not read the table meanwhile."""
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True) as owner:
        owner.execute(f"REVOKE SELECT ON {table} FROM chancery_app")
        try:
            yield
        finally:
            owner.execute(f"GRANT SELECT ON {table} TO chancery_app")


def test_identifiers_are_forgotten_when_nobody_confirms_and_faults_do_not_go_on_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    officer = factories.make_person(Role.COMPLIANCE)
    erasure = asked()
    assert MAIL.lower() not in everywhere().lower()

    with unreadable("activity_span"):
        for _ in range(job.MOST_ATTEMPTS):
            run_erasure(erasure.pk)
    erasure.refresh_from_db()
    assert (erasure.state, erasure.fault) == ("failed", "ProgrammingError at Spans and log records")
    assert "rows.py:" in caplog.text, "whoever runs this is told where"
    assert MAIL.lower() not in caplog.text.lower()
    with pytest.raises(Conflict):
        confirm_erasure(erasure, actor=officer)
    cancel_erasure(erasure, actor=officer)
    other = asked()
    Erasure.objects.filter(pk=other.pk).update(progressed_at=timezone.now() - timedelta(minutes=1))
    assert waiting_erasures() == [other.pk]
    run_erasure(other.pk)
    Erasure.objects.filter(pk=other.pk).update(progressed_at=timezone.now() - timedelta(days=8))
    assert (drop_forgotten(), drop_forgotten()) == (1, 0)
    assert list(Erasure.objects.values_list("state", "sealed")) == [("cancelled", "")] * 2


def test_the_pages_lead_from_what_is_recorded_to_what_was_erased(token: str) -> None:
    a_persons_data(token)
    client, officer = Client(), factories.make_person(Role.COMPLIANCE)
    client.force_login(officer.person, backend="apps.identity.auth.PersonBackend")
    assert "/activity/erasures/" in client.get("/recording/").content.decode()
    short = client.post("/activity/erasures/new/", {"identifiers": "abc", "reason": "Asked for"})
    assert (short.status_code, "letters or digits at least" in short.content.decode()) == (422, True)
    told = {"identifiers": "\r\n".join(KNOWN_BY), "conversations": "", "reason": "Asked for"}
    page = client.post("/activity/erasures/new/", told).headers["Location"]
    assert "hx-trigger" in client.get(page).content.decode()
    run_erasure(Erasure.objects.get().pk)
    words = client.get(page, HTTP_HX_REQUEST="true").content.decode()
    assert "9 records hold" in words
    assert "Erase this person's data" in words
    assert not TRACES_OF_HER.search(words)
    assert client.post(f"{page}confirm/").status_code == 302
    assert client.post(f"{page}cancel/").status_code == 302
    assert "Cancelled" in client.get("/activity/erasures/").content.decode()

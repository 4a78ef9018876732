"""What runs came to: whoever says it, once each, derived where nobody does, watched for a fall."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
from chancery_sdk import Client as Reporter
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.activity.models import OutcomeNote, OutcomeRules, OutcomeWatch, RunOutcome, ToolCall
from apps.activity.outcomes.deriving import derive_outcomes
from apps.activity.outcomes.measures import RESOLUTION, first_shift, series_of
from apps.activity.outcomes.reading import read_notes
from apps.activity.outcomes.sequential import first_fall, first_rise
from apps.activity.outcomes.watch import watch_agent, watch_outcomes
from apps.activity.outcomes.words import API, Told
from apps.activity.outcomes.writing import keep_outcomes
from apps.agents.models import Agent
from apps.agents.services.versions import record_version
from apps.agents.signals import agents_discovered
from apps.agents.versions import Makeup
from apps.compliance.models import Finding
from apps.identity.models import LedgerEntry
from apps.identity.roles import Role
from tests import factories
from tests.activity.otlp import drain, post, request, span, tool_span
from tests.activity.test_ways import BATCH as EVENT_BATCH
from tests.activity.test_ways import event, send

URL = "/api/v1/outcomes"
DAY = timedelta(days=1)


@pytest.fixture
def reporter(db: Any) -> tuple[Agent, Any]:
    """An agent of a team, and the team's source over REST."""
    team = factories.make_team()
    return factories.make_agent("production", tier=3, team=team), factories.client_of(
        factories.make_source(team), "ingest"
    )


def report(client: Any, body: Any) -> Any:
    return client.post(URL, body, format="json")


def test_a_batch_has_a_result_for_each_and_a_retry_changes_nothing(reporter: tuple[Agent, Any]) -> None:
    agent, client = reporter
    stranger = factories.make_agent(team=factories.make_team())
    body = [
        {"agent": agent.ref, "conversation_id": "a", "resolved": True, "rating": 0.8, "segment": "gold"},
        {
            "agent": str(agent.pk),
            "conversation_id": "b",
            "resolved": False,
            "cost": "0.12",
            "currency": "eur",
        },
        {"agent": stranger.ref, "conversation_id": "c", "resolved": True},
        {"agent": agent.ref, "conversation_id": "d", "rating": 7},
    ]
    first = report(client, body).json()
    assert [one["status"] for one in first["results"]] == ["recorded", "recorded", "refused", "refused"]
    assert set(first["results"][2]["fields_at_fault"]) == {"agent"}
    assert set(first["results"][3]["fields_at_fault"]) == {"rating"}
    again = report(client, body).json()
    assert (again["recorded"], again["unchanged"], again["refused"]) == (0, 2, 2)
    assert set(RunOutcome.objects.values_list("conversation_id", "resolved", "currency")) == {
        ("a", True, ""),
        ("b", False, "EUR"),
    }


def test_a_single_outcome_of_an_agent_that_is_not_ones_own_is_refused(reporter: tuple[Agent, Any]) -> None:
    other = factories.make_agent(team=factories.make_team())
    refused = report(reporter[1], {"agent": other.ref, "conversation_id": "a", "resolved": True})
    assert (refused.status_code, set(refused.json()["fields"])) == (400, {"agent"})
    assert not RunOutcome.objects.exists()


def test_an_agent_is_named_by_number_id_or_slug(reporter: tuple[Agent, Any]) -> None:
    agent, client = reporter
    stranger = factories.make_agent(team=factories.make_team())
    names = [agent.ref, str(agent.pk), agent.slug, stranger.slug]
    told = [{"agent": name, "conversation_id": f"c-{at}", "resolved": True} for at, name in enumerate(names)]
    found = [one["status"] for one in report(client, told).json()["results"]]
    assert found == ["recorded", "recorded", "recorded", "refused"]
    assert set(RunOutcome.objects.values_list("agent_id", flat=True)) == {agent.pk}


def test_an_outcome_that_contradicts_itself_is_refused_wherever_an_answer_is_given(
    reporter: tuple[Agent, Any],
) -> None:
    agent, client = reporter
    both = {"resolved": True, "abandoned": True}
    body = [
        {"agent": agent.ref, "conversation_id": "a"} | both,
        {"agent": agent.ref, "conversation_id": "b", "resolved": True, "reopened": True},
        {"agent": agent.ref, "conversation_id": "c", "resolved": False, "abandoned": True},
    ]
    told = report(client, body).json()["results"]
    faults = [(one["status"], set(one["fields_at_fault"])) for one in told]
    assert faults == [("refused", {"abandoned"}), ("refused", {"reopened"}), ("recorded", set())]
    single = report(client, body[0])
    assert (single.status_code, set(single.json()["fields"])) == (400, {"abandoned"})
    assert list(RunOutcome.objects.values_list("conversation_id", flat=True)) == ["c"]


@pytest.mark.django_db(transaction=True)
def test_an_event_with_an_outcome_that_contradicts_itself_is_named_and_costs_no_other() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    both = event("outcome", resolved=True, abandoned=True)
    answer = send([both, event("outcome", resolved=True)], token, EVENT_BATCH).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    refused = answer["results"][0]
    assert (refused["id"], refused["code"], set(refused["fields"])) == (
        both["id"], "ingest.outcome_contradicts_itself", {"abandoned"},
    )  # fmt: skip
    single = send(both, token)
    assert (single.status_code, single.json()["code"], set(single.json()["fields"])) == (
        400, "ingest.outcome_contradicts_itself", {"abandoned"},
    )  # fmt: skip


def test_the_version_in_force_when_the_run_was_is_kept(reporter: tuple[Agent, Any]) -> None:
    agent, client = reporter
    version = record_version(agent, Makeup(model="m-1"), actor=factories.make_person(Role.CURATOR))
    before = (version.first_seen - DAY).isoformat()
    report(client, [
        {"agent": agent.ref, "conversation_id": "old", "resolved": True, "at": before},
        {"agent": agent.ref, "conversation_id": "new", "resolved": True},
    ])  # fmt: skip
    assert dict(RunOutcome.objects.values_list("conversation_id", "fingerprint")) == {
        "old": "",
        "new": version.fingerprint,
    }


@pytest.mark.django_db(transaction=True)
def test_events_outrank_spans_and_the_api_outranks_both_whatever_comes_last() -> None:
    source = factories.make_source()
    token = factories.make_key(source, ["ingest"]).token
    root = span(
        "invoke_agent",
        {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "order_agent", "gen_ai.conversation.id": "conv-1",
            "chancery.outcome.resolved": True, "chancery.outcome.rating": 0.9, "chancery.outcome.value": "a lot",
        },
    )  # fmt: skip
    event = {
        "specversion": "1.0", "id": "1", "source": "order-desk", "type": "ai.chancery.outcome", "time": "2026-11-01T10:00:00Z",
        "data": {"service": "order-desk", "agent": "order_agent", "conversation_id": "conv-1", "reopened": True},
    }  # fmt: skip
    for _ in range(2):
        sent = post(orjson.dumps(event), token, "/api/v1/events", content_type="application/cloudevents+json")
        assert sent.status_code == 200
        post(request([root, tool_span()]), token)
        drain()
        read_notes()
    row = RunOutcome.objects.get()
    assert (row.resolved, row.reopened, row.rating, row.value) == (False, True, 0.9, None)
    assert (row.told["resolved"][0], row.told["rating"][0]) == ("event", "otlp")
    assert row.told["at"][0] == "otlp"
    report(
        factories.client_of(source, "ingest"),
        {"agent": row.agent.ref, "conversation_id": "conv-1", "resolved": True},
    )
    row.refresh_from_db()
    assert (row.resolved, row.told["resolved"][0], Agent.objects.count()) == (True, "api", 1)


@pytest.mark.django_db(transaction=True)
def test_a_note_that_cannot_be_read_keeps_no_other_from_being_read() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    told = {"chancery.outcome.resolved": True}
    post(request([span("run", told | {"gen_ai.agent.name": name}) for name in ("good", "bad")]), token)
    drain()

    def refuse(agents: list[Agent], **_: Any) -> None:
        if any(agent.name == "bad" for agent in agents):
            raise ValueError("refused")

    agents_discovered.connect(refuse)
    try:
        for _ in range(5):
            read_notes()
    finally:
        agents_discovered.disconnect(refuse)
    assert list(RunOutcome.objects.values_list("agent__name", "resolved")) == [("good", True)]
    note = OutcomeNote.objects.get()
    assert (note.attempts, note.error) == (5, "ValueError: refused")
    assert note.failed_at is not None


def make_runs(agent: Agent, shares: list[tuple[int, float]], until: datetime | None = None) -> None:
    """Runs an hour apart that end now, of each pair so many with this share resolved, evenly spread."""
    flags = [int((at + 1) * share) > int(at * share) for count, share in shares for at in range(count)]
    end = until or timezone.now()
    RunOutcome.objects.bulk_create(
        RunOutcome(
            agent=agent, conversation_id=f"{end:%s}-{at}", at=end - timedelta(hours=len(flags) - at), resolved=flag,
            changed_at=timezone.now(), told={},
        )
        for at, flag in enumerate(flags)
    )  # fmt: skip


def test_a_fall_is_a_finding_once_and_recovery_closes_it(reporter: tuple[Agent, Any]) -> None:
    agent, _ = reporter
    earlier = timezone.now() - 10 * DAY
    make_runs(agent, [(300, 0.61), (120, 0.3)], until=earlier)
    assert watch_outcomes() == 1
    assert watch_outcomes() == 0
    finding = Finding.objects.get()
    assert (finding.kind, finding.status, finding.severity) == ("drift.outcome", "open", "high")
    assert re.match(r"Resolution fell from 61% to (2|3)\d% since \w+day, \d+ \w+", finding.title)
    began = datetime.fromisoformat(finding.evidence["since"])
    assert abs(began - (earlier - timedelta(hours=120))) < timedelta(hours=12)
    watch = OutcomeWatch.objects.get(measure="resolution")
    assert watch.is_fallen
    assert watch.usual == pytest.approx(0.61, abs=0.02)
    make_runs(agent, [(200, 0.62)])
    assert [shift.is_worse for shift in watch_agent(agent.pk)] == [False]
    finding.refresh_from_db()
    assert (finding.status, OutcomeWatch.objects.get(measure="resolution").is_fallen) == ("resolved", False)


def test_steady_outcomes_raise_nothing(reporter: tuple[Agent, Any]) -> None:
    make_runs(reporter[0], [(600, 0.6)])
    assert watch_outcomes() == 0
    assert not Finding.objects.exists()
    assert OutcomeWatch.objects.get(measure="resolution").level == pytest.approx(0.6, abs=0.01)


def test_a_short_reference_gives_little_evidence() -> None:
    fell = [0.0, 0.0] * 6
    assert first_fall([1.0, 0.0, 1.0] * 11 + fell) is None
    assert first_fall([1.0, 0.0, 1.0] * 100 + fell * 2) is not None


def test_costs_that_rise_are_told_the_other_way_round() -> None:
    assert first_fall([0.2, 0.3] * 100 + [0.5, 0.6] * 20) is None
    rise = first_rise([0.2, 0.3] * 100 + [0.5, 0.6] * 20)
    assert rise is not None
    assert abs(rise.start - 200) <= 2
    assert (round(rise.before, 2), round(rise.after, 2)) == (0.25, 0.55)


def test_a_shift_is_told_in_a_sentence() -> None:
    began = timezone.make_aware(datetime(2026, 4, 14, 9))
    runs = [
        RunOutcome(at=began + timedelta(hours=at - 200), resolved=at % 5 in ((0, 2, 4) if at < 200 else (2,)))
        for at in range(320)
    ]
    shift = first_shift(series_of(RESOLUTION, runs))
    assert shift is not None
    assert shift.sentence(began.date()) == "resolution fell from 60% to 19% since Tuesday, 14 April"


def test_what_nobody_said_is_derived_and_yields_to_whoever_was_there(reporter: tuple[Agent, Any]) -> None:
    agent, client = reporter
    OutcomeRules.objects.create(agent=agent, handover_tools=["desk/call_a_person"], repeat_days=7)
    now = timezone.now()
    for number, tool in enumerate(("look_up", "call_a_person"), start=1):
        ToolCall.objects.create(
            position=number, agent=agent, source_id=agent.pk, trace_id=b"t" * 16, span_id=bytes([number] * 8),
            started_at=now, tool_name=tool, mcp_server="desk", conversation_id="conv-1", outcome="allowed", status="ok",
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("UPDATE activity_feedposition SET last = 2")
    derive_outcomes()
    row = RunOutcome.objects.get()
    assert (row.escalated, row.told["escalated"][0]) == (True, "derived")
    report(client, [
        {"agent": agent.ref, "conversation_id": "first", "contact": "p-1", "at": (now - 8 * DAY).isoformat()},
        {"agent": agent.ref, "conversation_id": "second", "contact": "p-1", "at": (now - 3 * DAY).isoformat()},
        {"agent": agent.ref, "conversation_id": "alone", "contact": "p-2", "at": (now - 9 * DAY).isoformat()},
        {"agent": agent.ref, "conversation_id": "conv-1", "escalated": False},
    ])  # fmt: skip
    derive_outcomes()
    told = {row.conversation_id: row for row in RunOutcome.objects.all()}
    assert (told["first"].repeated, told["first"].resolved) == (True, False)
    assert (told["alone"].repeated, told["alone"].resolved) == (False, True)
    assert told["second"].repeated is None
    assert told["conv-1"].escalated is False


def test_a_run_without_an_end_is_abandoned_where_runs_usually_have_one(reporter: tuple[Agent, Any]) -> None:
    agent, _ = reporter
    OutcomeRules.objects.create(agent=agent, abandoned_hours=24)
    make_runs(agent, [(40, 0.5)], until=timezone.now() - 2 * DAY)
    open_run = RunOutcome.objects.order_by("at").last()
    assert open_run is not None
    RunOutcome.objects.filter(pk=open_run.pk).update(resolved=None)
    derive_outcomes()
    open_run.refresh_from_db()
    assert (open_run.abandoned, open_run.resolved) == (True, None)
    assert RunOutcome.objects.filter(abandoned=False).count() == 39
    RunOutcome.objects.filter(pk=open_run.pk).update(resolved=True)
    derive_outcomes()
    assert RunOutcome.objects.filter(abandoned=False).count() == 40


def test_amounts_of_different_currencies_are_never_one_series(
    reporter: tuple[Agent, Any], client: Client
) -> None:
    agent, _ = reporter
    now = timezone.now()
    keep_outcomes([
        Told(agent.pk, str(at), API, now, now - timedelta(hours=400 - at), {"cost": Decimal(cost), "currency": currency})
        for at in range(400)
        for cost, currency in [("16", "JPY") if at % 10 < (2 if at < 250 else 8) else ("0.1", "EUR")]
    ])  # fmt: skip
    assert watch_outcomes() == 0
    watches = OutcomeWatch.objects.filter(runs__gt=0).values_list("measure", "level")
    assert {key: round(level, 2) for key, level in watches if level is not None} == {
        "cost EUR": 0.1,
        "cost JPY": 16.0,
    }
    viewer = factories.make_person(Role.VIEWER)
    told = factories.client_of(viewer).get(f"/api/v1/agents/{agent.pk}/outcomes/summary").json()
    assert [(one["currency"], one["cost"]) for one in told["total"]["amounts"]] == [
        ("EUR", 0.1),
        ("JPY", 16.0),
    ]
    client.force_login(viewer.person, backend="apps.identity.auth.PersonBackend")
    assert "Cost a run (JPY)" in client.get(f"/agents/{agent.pk}/outcomes/").content.decode()
    assert "Cost a run (EUR)" in client.get("/outcomes/?status=steady&measure=cost").content.decode()
    dearer = [
        Told(agent.pk, f"n{at}", API, now, now, {"cost": Decimal("0.25"), "currency": "EUR"})
        for at in range(60)
    ]
    keep_outcomes(dearer)
    assert [shift.sentence(now.date()).split(" from")[0] for shift in watch_agent(agent.pk)] == [
        "cost a run in EUR rose"
    ]


@pytest.mark.parametrize("at", ["0001-01-02T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_a_run_of_no_time_that_agents_ran_in_is_refused(at: str, reporter: tuple[Agent, Any]) -> None:
    agent, client = reporter
    body = {"agent": agent.ref, "conversation_id": "odd", "resolved": True, "contact": "p-1", "at": at}
    refused = report(client, body)
    assert (refused.status_code, "at" in refused.json()["fields"]) == (400, True)
    assert not RunOutcome.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_run_cannot_lie_in_the_future(reporter: tuple[Agent, Any]) -> None:
    agent, client = reporter
    body = {"agent": agent.ref, "conversation_id": "a", "resolved": True}
    refused = report(client, body | {"at": (timezone.now() + DAY).isoformat()})
    assert (refused.status_code, set(refused.json()["fields"])) == (400, {"at"})
    assert (
        report(client, body | {"at": (timezone.now() + timedelta(minutes=2)).isoformat()}).status_code == 200
    )
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    ahead = int((timezone.now() + 30 * DAY).timestamp() * 1e9)
    times = {"start_time_unix_nano": ahead, "end_time_unix_nano": ahead + 1}
    told = {"chancery.outcome.resolved": True, "gen_ai.agent.name": "fast"}
    post(request([span("run", told, **times)]), token)
    drain()
    read_notes()
    assert RunOutcome.objects.count() == 2
    assert not RunOutcome.objects.filter(at__gt=timezone.now()).exists()


def test_the_pages_tell_what_fell_and_mark_what_happened(reporter: tuple[Agent, Any], client: Client) -> None:
    agent, _ = reporter
    curator = factories.make_person(Role.CURATOR)
    client.force_login(curator.person, backend="apps.identity.auth.PersonBackend")
    page = f"/agents/{agent.pk}/outcomes/"
    assert "Nobody said yet" in client.get(page).content.decode()
    make_runs(agent, [(300, 0.61), (120, 0.3)])
    assert "420 runs are known and not weighed yet" in client.get(page).content.decode()
    watch_outcomes()
    posted = {"label": "Strike", "on": timezone.localdate().isoformat(), "reason": "Rebookings."}
    assert client.post(f"{page}events/", posted | {"reason": ""}).status_code == 422
    assert client.post(f"{page}events/", posted).status_code == 302
    rules = {"repeat_days": 3, "abandoned_hours": 12, "reason": "Its desk answers within a day."}
    assert client.post(f"{page}rules/", rules).status_code == 302
    assert OutcomeRules.objects.get(agent=agent).repeat_days == 3
    shown = client.get(page).content.decode()
    assert "Resolution fell from 61% to" in shown
    assert re.search(r"The sentence holds as of \d\d:\d\d;", shown)
    assert "Strike" in shown
    assert agent.name in client.get("/outcomes/").content.decode()
    acts = LedgerEntry.objects.filter(action__startswith="activity.").values_list("action", flat=True)
    assert set(acts) == {"activity.external_event.noted", "activity.outcome_rules.set"}


def test_the_summary_has_versions_segments_and_what_the_test_says(reporter: tuple[Agent, Any]) -> None:
    agent, client = reporter
    report(client, [
        {"agent": agent.ref, "conversation_id": str(at), "resolved": at < 3, "escalated": at > 2, "escalation_due": at > 1,
         "segment": "gold" if at else ""} for at in range(4)
    ])  # fmt: skip
    watch_outcomes()
    told = (
        factories.client_of(factories.make_person(Role.VIEWER))
        .get(f"/api/v1/agents/{agent.pk}/outcomes/summary")
        .json()
    )
    assert (told["total"]["runs"], told["total"]["resolved"], told["total"]["rightly_escalated"]) == (
        4,
        0.75,
        0.75,
    )
    assert [(one["name"], one["runs"]) for one in told["segments"]] == [("gold", 3), ("No segment", 1)]
    assert {one["measure"] for one in told["watches"]} == {"resolution", "escalation"}


@pytest.mark.django_db(transaction=True)
def test_an_outcome_on_a_nameless_root_goes_to_the_agent_and_run_of_its_calls() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    ids = {"trace_id": b"t" * 16}
    root = span("workflow", {"chancery.outcome.resolved": True}, span_id=b"r" * 8, **ids)
    inner = span("step", {"chancery.outcome.rating": 0.5}, span_id=b"s" * 8, parent_span_id=b"r" * 8, **ids)
    post(request([tool_span(parent_span_id=b"r" * 8, **ids)]), token)
    post(request([inner, root]), token)
    drain()
    assert read_notes() == 2
    call = ToolCall.objects.get()
    row = RunOutcome.objects.select_related("agent").get()
    assert (row.agent.name, row.conversation_id) == ("order_agent", "conv-1")
    assert (row.agent_id, row.resolved, row.rating) == (call.agent_id, True, 0.5)


@pytest.mark.django_db(transaction=True)
def test_an_outcome_waits_for_the_ancestor_that_names_its_agent_as_calls_do() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    below = {"trace_id": b"t" * 16, "parent_span_id": b"r" * 8}
    post(request([span("step", {"chancery.outcome.resolved": True}, **below)]), token)
    drain()
    assert (read_notes(), RunOutcome.objects.exists()) == (0, False)
    named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "order_agent"}
    post(request([span("invoke_agent", named, trace_id=b"t" * 16, span_id=b"r" * 8)]), token)
    drain()
    assert read_notes() == 1
    assert RunOutcome.objects.get().agent.name == "order_agent"


@pytest.mark.django_db(transaction=True)
def test_what_the_python_client_says_of_a_run_is_what_is_kept() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return httpx.Response(200, json={"results": []})

    told = {"service": "order-desk", "agent": "order_agent", "transport": httpx.MockTransport(answer)}
    client = Reporter("http://localhost:8000", token, **told)
    then = datetime(2026, 11, 1, 10, tzinfo=UTC)
    client.outcome(
        conversation_id="c-1", resolved=True, escalated=False, rating=0.75, value=Decimal("12.50"), currency="EUR",
        at=then,
    )  # fmt: skip
    client.outcome(conversation_id="c-1", satisfied=True)
    assert client.close()
    assert client.counts.dropped == 1
    (body,) = bodies
    post(body, token, "/api/v1/events", content_type="application/cloudevents-batch+json")
    drain()
    read_notes()
    row = RunOutcome.objects.get()
    assert (row.conversation_id, row.agent.name, row.resolved, row.escalated) == (
        "c-1",
        "order_agent",
        True,
        False,
    )
    assert (row.rating, row.value, row.currency, row.at) == (
        0.75,
        Decimal("12.50"),
        "EUR",
        then,
    )

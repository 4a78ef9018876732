"""From spans to calls: each once, whoever reports it, in whatever order, whatever is killed in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.dispatch import receiver
from django.utils import timezone

from apps.activity.management.commands import run_pipeline
from apps.activity.models import CallKey, OutboxItem, Span, ToolCall
from apps.activity.partitions import create_partitions, partition_health
from apps.activity.pipeline import runner
from apps.activity.pipeline.step import settle_overdue, step
from apps.activity.pipeline.store import next_rows
from apps.activity.signals import calls_recorded
from apps.agents.models import Agent, ObservedModel, ObservedTool
from tests import factories
from tests.activity.otlp import drain, post, request, span, tool_span

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def test_an_unknown_agent_appears_once_with_its_evidence(token: str) -> None:
    chat = span(
        "chat m",
        {"gen_ai.operation.name": "chat", "gen_ai.agent.name": "order_agent", "gen_ai.response.model": "m-1"},
    )
    post(request([tool_span(), tool_span("refund_order"), chat]), token)
    drain()
    post(request([tool_span(), tool_span()]), token)
    drain()
    agent = Agent.objects.get()
    assert (agent.name, agent.state, agent.aliases.get().service_name) == (
        "order_agent",
        "discovered",
        "order-desk",
    )
    assert dict(ObservedTool.objects.values_list("tool_name", "calls")) == {
        "lookup_order": 3,
        "refund_order": 1,
    }
    assert dict(ObservedModel.objects.values_list("model", "calls")) == {"m-1": 1}
    assert agent.first_seen < agent.last_seen <= timezone.now()


def test_a_second_source_of_the_same_names_is_another_agent(token: str) -> None:
    other = factories.make_key(factories.make_source(), ["ingest"]).token
    for key in (token, other):
        post(request([tool_span()]), key)
    drain()
    assert Agent.objects.count() == 2


def test_an_agents_own_key_reports_for_that_agent_alone() -> None:
    agent = factories.make_agent("production", tier=1)
    post(request([tool_span(agent="somebody_else")]), factories.make_key(agent.principal, ["ingest"]).token)
    drain()
    assert ToolCall.objects.get().agent == agent
    assert Agent.objects.count() == 1


def test_a_source_may_speak_only_for_agents_of_its_team(token: str) -> None:
    stranger = factories.make_agent("production", tier=1, team=factories.make_team())
    post(request([tool_span(attributes={"chancery.agent.id": str(stranger.pk)})]), token)
    drain()
    assert ToolCall.objects.get().agent != stranger


def test_a_declared_agent_of_the_same_team_is_recognised() -> None:
    team = factories.make_team()
    known = factories.make_agent("production", tier=1, team=team)
    token = factories.make_key(factories.make_source(team), ["ingest"]).token
    post(request([tool_span(attributes={"chancery.agent.id": known.ref})]), token)
    drain()
    assert ToolCall.objects.get().agent == known


def openinference_tool(trace: bytes, parent: bytes) -> Any:
    attributes = {"openinference.span.kind": "TOOL", "tool.name": "lookup_order", "input.value": '{"id": 1}'}
    return span("lookup_order", attributes, trace_id=trace, parent_span_id=parent)


def test_an_ancestor_that_arrives_later_names_the_agent(token: str) -> None:
    trace, root = b"t" * 16, b"r" * 8
    post(request([openinference_tool(trace, root)], scope="openinference.instrumentation.x"), token)
    drain()
    call = ToolCall.objects.get()
    assert (call.outcome, call.agent, call.tool_name) == ("pending", None, "lookup_order")
    first_position = call.position
    parent = span(
        "turn", {"openinference.span.kind": "AGENT", "agent.name": "late_agent"}, trace_id=trace, span_id=root
    )
    post(request([parent], scope="openinference.instrumentation.x"), token)
    drain()
    call = ToolCall.objects.get()
    assert (call.agent.name, call.outcome) == ("late_agent", "allowed")
    assert call.position > first_position


def test_an_ancestor_that_never_arrives_leaves_the_service_as_agent(token: str) -> None:
    post(request([openinference_tool(b"t" * 16, b"r" * 8)], scope="openinference.instrumentation.x"), token)
    drain()
    settle_overdue()
    assert ToolCall.objects.get().outcome == "pending"
    settle_overdue(timezone.now() + timedelta(seconds=30))
    assert ToolCall.objects.get().agent.name == "order-desk"


@pytest.mark.parametrize("shape", ["self", "cycle"])
def test_a_cycle_of_parents_does_not_stop_the_pipeline(shape: str, token: str) -> None:
    trace, a, b = b"t" * 16, b"a" * 8, b"b" * 8
    own = openinference_tool(trace, a)
    own.span_id = a
    spans = [own] if shape == "self" else [own, span("b", trace_id=trace, span_id=b, parent_span_id=a)]
    if shape == "cycle":
        own.parent_span_id = b
    post(request(spans, scope="openinference.instrumentation.x"), token)
    drain()
    settle_overdue(timezone.now() + timedelta(seconds=30))
    assert ToolCall.objects.get().agent.name == "order-desk"


def test_a_failed_tool_is_flagged_with_its_reason(token: str) -> None:
    post(request([tool_span(error="payment backend down")]), token)
    drain()
    call = ToolCall.objects.get()
    assert (call.status, call.outcome, call.outcome_code) == ("error", "flagged", "call.failed")
    assert call.outcome_reason == "The tool failed: payment backend down."


def test_positions_are_without_gap_in_commit_order(token: str) -> None:
    for _ in range(3):
        post(request([tool_span(), tool_span()]), token)
        drain()
    assert sorted(ToolCall.objects.values_list("position", flat=True)) == [1, 2, 3, 4, 5, 6]


def test_a_step_that_dies_leaves_nothing_half_done(token: str) -> None:
    post(request([tool_span()]), token)

    @receiver(calls_recorded, dispatch_uid="dies", weak=False)
    def die(**_: Any) -> None:
        raise SystemExit("killed here")

    try:
        with pytest.raises(SystemExit):
            step(next_rows())
    finally:
        calls_recorded.disconnect(dispatch_uid="dies")
    assert OutboxItem.objects.count() == 1
    assert not ToolCall.objects.exists()
    assert not Agent.objects.exists()
    drain()
    assert (ToolCall.objects.count(), ObservedTool.objects.get().calls) == (1, 1)


@contextmanager
def choking_on(tool: str) -> Iterator[None]:
    """Somebody above who cannot digest calls of this tool."""

    @receiver(calls_recorded, dispatch_uid="choke", weak=False)
    def choke(calls: list[ToolCall], **_: Any) -> None:
        if any(call.tool_name == tool for call in calls):
            raise ValueError("cannot digest this")

    try:
        yield
    finally:
        calls_recorded.disconnect(dispatch_uid="choke")


def let_time_pass() -> None:
    """As if the pause of every row that failed were over."""
    OutboxItem.objects.exclude(try_after=None).update(try_after=timezone.now())


def test_only_the_span_at_fault_stays_in_its_row(token: str) -> None:
    other = factories.make_key(factories.make_source(), ["ingest"]).token
    post(request([tool_span("fine") for _ in range(20)] + [tool_span("poison")]), token)
    post(request([tool_span("fine")]), other)
    span_ids = [one for item in OutboxItem.objects.all() for one in item.span_ids]
    OutboxItem.objects.all().delete()
    OutboxItem.objects.create(created_at=timezone.now(), span_ids=span_ids)
    with choking_on("poison"):
        drain()
    assert set(ToolCall.objects.values_list("tool_name", flat=True)) == {"fine"}
    assert ToolCall.objects.count() == 21
    left = OutboxItem.objects.get()
    assert [Span.objects.get(pk=pk).tool_name for pk in left.span_ids] == ["poison"]
    assert (left.attempts, left.failed_at, left.error) == (0, None, "ValueError: cannot digest this")
    assert left.try_after > timezone.now()


def test_what_stays_at_fault_is_tried_with_pauses_then_set_aside_until_somebody_asks(token: str) -> None:
    post(request([tool_span("poison")]), token)
    post(request([tool_span("fine")]), token)
    with choking_on("poison"):
        pauses = []
        for _ in range(5):
            drain()
            item = OutboxItem.objects.get()
            pauses.append((item.try_after - timezone.now()).total_seconds())
            let_time_pass()
    assert pauses[:4] == [pytest.approx(pause, abs=1) for pause in (1, 10, 60, 600)]
    assert (item.attempts, item.failed_at is not None) == (5, True)
    drain()
    assert list(ToolCall.objects.values_list("tool_name", flat=True)) == ["fine"]
    call_command("retry_outbox", stdout=StringIO())
    drain()
    assert set(ToolCall.objects.values_list("tool_name", flat=True)) == {"fine", "poison"}
    assert not OutboxItem.objects.exists()


def test_a_fault_of_everything_does_not_make_more_rows(token: str) -> None:
    post(request([tool_span("poison") for _ in range(40)]), token)
    with choking_on("poison"):
        drain()
    item = OutboxItem.objects.get()
    assert (len(item.span_ids), item.attempts) == (40, 1)


def test_a_call_that_cannot_be_settled_does_not_keep_the_others_waiting(token: str) -> None:
    for number in range(3):
        tool = openinference_tool(bytes([65 + number]) * 16, b"r" * 8)
        if number == 1:
            tool.attributes[1].value.string_value = "poison"
        post(request([tool], scope="openinference.instrumentation.x"), token)
    drain()
    later = timezone.now() + timedelta(seconds=30)
    with choking_on("poison"):
        runner.settle(later)
        runner.settle(later)
    settled = dict(ToolCall.objects.values_list("tool_name", "outcome"))
    assert settled == {"lookup_order": "allowed", "poison": "pending"}
    runner._held_back.clear()
    runner.settle(later)
    assert ToolCall.objects.filter(outcome="allowed").count() == 3


def test_once_works_off_what_waits_and_only_alone(token: str) -> None:
    post(request([tool_span()]), token)
    with psycopg.connect(os.environ["DATABASE_URL"]) as another:
        another.execute("SELECT pg_advisory_lock(%s)", [runner.LOCK])
        with pytest.raises(CommandError, match="another pipeline is at work"):
            call_command("run_pipeline", "--once")
    assert not ToolCall.objects.exists()
    call_command("run_pipeline", "--once", stdout=StringIO())
    assert ToolCall.objects.count() == 1
    assert not OutboxItem.objects.exists()


def test_rows_of_days_without_partition_wait_in_the_default_one_and_move(token: str) -> None:
    ahead = timezone.now() + timedelta(days=20)
    nanoseconds = int(ahead.timestamp() * 1e9)
    post(request([tool_span(start_time_unix_nano=nanoseconds, end_time_unix_nano=nanoseconds + 1)]), token)
    assert next(h for h in partition_health() if h.table == "activity_span").in_default == 1
    assert create_partitions(21) == 7 * len(partition_health())
    health = next(h for h in partition_health() if h.table == "activity_span")
    assert (health.in_default, health.days_ahead) == (0, 21)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM activity_span")
        assert cursor.fetchall() == [(f"activity_span_p{ahead:%Y%m%d}",)]


def test_whatever_grows_with_every_call_is_cut_by_day() -> None:
    tables = {health.table: health.is_well for health in partition_health()}
    assert tables == dict.fromkeys(
        ("activity_answer", "activity_callwords", "activity_span", "activity_toolcall", "oversight_decision"),
        True,
    )


def test_every_call_has_its_keys(token: str) -> None:
    post(request([tool_span()]), token)
    drain()
    assert CallKey.objects.filter(call_id=ToolCall.objects.get().pk).count() == 2


def test_the_process_goes_on_after_what_nobody_foresaw(token: str, caplog: pytest.LogCaptureFixture) -> None:
    """A table that is missing for a moment is no outage: it is said, the lock is let go, the work goes on."""
    post(request([tool_span()]), token)
    stopping = threading.Event()
    working = threading.Thread(target=_run_until, args=[stopping])
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"], autocommit=True) as owner:
        owner.execute("ALTER TABLE activity_outbox RENAME TO activity_outbox_away")
        working.start()
        try:
            wait_for(lambda: "the pipeline stumbled" in caplog.text)
        finally:
            owner.execute("ALTER TABLE activity_outbox_away RENAME TO activity_outbox")
    wait_for(ToolCall.objects.exists)
    stopping.set()
    working.join(10)
    assert runner.hold_pipeline_lock()
    runner.release_pipeline_lock()


def _run_until(stopping: threading.Event) -> None:
    run_pipeline._run(stopping)
    run_pipeline._let_go()


def wait_for(true: Callable[[], bool], within_s: float = 10) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)

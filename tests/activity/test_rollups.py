"""Sums by the hour are what counting the calls gives, whatever happened to the calls and whenever it happened."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.activity.models import ModelHour, RollupMark, ToolCall, ToolHour
from apps.activity.pipeline.store import give_positions
from apps.activity.rollups.histogram import added, bucket_of, quantile
from apps.activity.rollups.queries import activity_of
from apps.activity.rollups.rolling import roll_up
from apps.activity.services import Verdict, record_verdicts
from apps.activity.words.finding import with_words
from apps.activity.words.indexing import index_words
from apps.agents.models import Agent, ModelEndpoint
from apps.identity.roles import Role
from tests import factories
from tests.activity.otlp import drain, log_request, post, request, span, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
HOUR_NS = 3_600_000_000_000


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def at(ns: int, tool: str = "lookup_order", took_ms: int = 5, **more: Any) -> Any:
    return tool_span(tool, start_time_unix_nano=ns, end_time_unix_nano=ns + took_ms * 1_000_000, **more)


def summed() -> Counter[tuple[Any, ...]]:
    """What the stored sums say, one line for each fact."""
    facts: Counter[tuple[Any, ...]] = Counter()
    for row in ToolHour.objects.all():
        place = row.agent_id, row.hour, row.tool_name
        facts[(*place, "calls")] += row.calls
        for kind in ("by_status", "by_outcome", "durations"):
            facts.update({(*place, kind, name): count for name, count in getattr(row, kind).items()})
    return facts


def counted() -> Counter[tuple[Any, ...]]:
    """The same, counted from the calls one by one."""
    facts: Counter[tuple[Any, ...]] = Counter()
    for call in ToolCall.objects.exclude(agent=None):
        hour = call.started_at.replace(minute=0, second=0, microsecond=0)
        place = call.agent_id, hour, call.tool_name
        facts[(*place, "calls")] += 1
        facts[(*place, "by_status", call.status)] += 1
        facts[(*place, "by_outcome", call.outcome)] += 1
        facts[(*place, "durations", str(bucket_of(call.duration_ms)))] += 1
    return facts


def test_sums_follow_calls_that_come_late_change_and_are_judged_again(token: str) -> None:
    now = time.time_ns()
    post(
        request([at(now), at(now, "refund_order", error="no"), at(now - 5 * HOUR_NS), at(now, took_ms=900)]),
        token,
    )
    drain()
    assert (roll_up(pacing=False), summed()) == (2, counted())
    # an hour that was summed gets a late call; another is judged anew; a third is told of again, with an earlier start
    early = at(now, "moved")
    post(request([at(now - 5 * HOUR_NS), early]), token)
    drain()
    roll_up(pacing=False)
    early.start_time_unix_nano = now - 2 * HOUR_NS
    early.span_id = b"anotherX"
    post(request([early]), token)
    drain()
    call = ToolCall.objects.filter(tool_name="refund_order").get()
    record_verdicts([Verdict(call.pk, "violation", "not granted", "policy.grant")])
    give_positions([call.pk])
    assert summed() != counted()
    roll_up(pacing=False)
    assert summed() == counted()
    assert (roll_up(pacing=False), RollupMark.objects.exists()) == (0, False)
    assert not ToolHour.objects.filter(calls=0).exists()
    ToolHour.objects.update(calls=77)
    call_command("rebuild_rollups", verbosity=0)
    assert summed() == counted()


def test_marks_of_a_step_that_came_to_nothing_are_gone_with_it(token: str) -> None:
    post(request([at(time.time_ns())]), token)
    drain()
    with transaction.atomic():
        give_positions([ToolCall.objects.get().pk])
        transaction.set_rollback(True)
    assert RollupMark.objects.count() == 1


def test_a_busy_hour_waits_before_it_is_summed_again(token: str) -> None:
    post(request([at(time.time_ns())]), token)
    drain()
    assert roll_up(pacing=False) == 1
    give_positions([ToolCall.objects.get().pk])
    assert roll_up() == 0
    assert roll_up(pacing=False) == 1


def chat(**told: Any) -> Any:
    return span(
        "chat m",
        {"gen_ai.operation.name": "chat", "gen_ai.agent.name": "order_agent", "gen_ai.response.model": "m-1",
         "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 200, **told},
    )  # fmt: skip


def test_answers_that_claude_code_tells_in_its_log_alone_are_counted_with_their_cost(token: str) -> None:
    told = {
        "session.id": "s-1", "model": "claude-x", "input_tokens": 100, "output_tokens": 20, "cost_usd": 0.125,
    }  # fmt: skip
    body = log_request("claude_code.api_request", told)
    for _ in range(2):
        post(body, token, "/v1/logs")
    post(log_request("claude_code.user_prompt", {"prompt_length": 20}), token, "/v1/logs")
    drain()
    roll_up(pacing=False)
    hour = ModelHour.objects.get()
    assert (hour.answers, hour.input_tokens, hour.output_tokens) == (1, 100, 20)
    assert (hour.cost_usd_micros, hour.unpriced, hour.model) == (125_000, 0, "claude-x")
    assert Agent.objects.get().name == "claude-code"


def test_answers_are_counted_once_with_the_cost_the_client_told_or_the_catalogue_knows(token: str) -> None:
    body = request([tool_span(), chat()])
    post(body, token)
    drain()
    ModelEndpoint.objects.filter(model="m-1").update(input_usd_per_million=3, output_usd_per_million="15.5")
    post(body, token)
    post(request([chat(), chat(cost_usd=0.25)]), token)
    drain()
    roll_up(pacing=False)
    hour = ModelHour.objects.get()
    assert (hour.answers, hour.input_tokens, hour.output_tokens) == (3, 3000, 600)
    assert (hour.cost_usd_micros, hour.unpriced) == (250_000 + 3000 + 3100, 1)
    shown = activity_of(Agent.objects.get(), actor=factories.make_person(Role.OPERATOR))
    assert (shown.tokens, shown.unpriced, shown.total.calls) == (3600, 1, 1)


@given(st.lists(st.floats(0.02, 1e7), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_of_the_histogram_lies_within_a_twentieth(durations: list[float], share: float) -> None:
    buckets = Counter(str(bucket_of(one)) for one in durations)
    exact = sorted(durations)[max(0, -int(-share * len(durations) // 1) - 1)]
    found = quantile(added([buckets]), share)
    assert found is not None
    assert abs(found - exact) / exact < 0.0501


def test_words_of_a_call_are_found_and_those_of_strangers_are_not(client: Any, token: str) -> None:
    told = {"gen_ai.tool.call.arguments": '{"order": "A-17", "note": "broken mirror"}'}
    post(request([tool_span(attributes=told), tool_span("refund_order")]), token)
    drain()
    assert index_words() == 2
    assert [call.tool_name for call in with_words(ToolCall.objects.all(), "mirror broken")] == [
        "lookup_order"
    ]
    assert with_words(ToolCall.objects.all(), "mirror -broken").count() == 0
    person = factories.make_person(Role.OPERATOR)
    client.force_login(person.person)
    page = client.get("/api/v1/calls?q=mirror").json()
    assert [row["tool"] for row in page["results"]] == ["lookup_order"]
    agent = Agent.objects.get()
    roll_up(pacing=False)
    shown = client.get(f"/agents/{agent.pk}/activity/?q=mirror")
    assert shown.status_code == 200
    assert [call.tool_name for call in shown.context["calls"]] == ["lookup_order"]
    assert shown.context["activity"].total.calls == 2

"""What odd clients send, from wire bytes to judged calls: nothing stops the pipeline, nothing sound is lost."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from apps.activity.models import OutboxItem, Span, ToolCall
from apps.activity.pipeline.reports import LONGEST_PAYLOAD, bounded
from apps.activity.pipeline.step import settle_overdue
from apps.agents.models import AgentAlias
from tests import factories
from tests.activity.otlp import attribute, drain, post, post_all, request, span, tool_span

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def worked_off() -> list[ToolCall]:
    """Every call, after the pipeline finished what waited without setting anything aside."""
    drain()
    assert not OutboxItem.objects.exists()
    return list(ToolCall.objects.select_related("agent"))


def test_a_service_name_of_any_length_is_one_agent(token: str) -> None:
    orphan = span(
        "lookup", {"openinference.span.kind": "TOOL", "tool.name": "lookup"}, parent_span_id=b"p" * 8
    )
    post(request([tool_span(agent="")], service="s" * 300), token)
    post(request([orphan], service="s" * 300, scope="openinference.instrumentation.x"), token)
    worked_off()
    settle_overdue(timezone.now() + timedelta(seconds=30))
    assert {call.agent_id for call in ToolCall.objects.all()} == {AgentAlias.objects.get().agent_id}
    assert AgentAlias.objects.get().service_name == "s" * 255


def test_an_agent_span_of_any_length_names_its_agent(token: str) -> None:
    trace, root = b"t" * 16, b"r" * 8
    agent = span("a" * 400, {"openinference.span.kind": "AGENT"}, trace_id=trace, span_id=root)
    tool = span(
        "lookup",
        {"openinference.span.kind": "TOOL", "tool.name": "lookup"},
        trace_id=trace,
        parent_span_id=root,
    )
    post(request([tool, agent], scope="openinference.instrumentation.x"), token)
    assert [call.agent_name for call in worked_off()] == ["a" * 255]


def test_records_without_a_time_are_told_when_they_came_and_kept_once(token: str) -> None:
    timeless = tool_span(start_time_unix_nano=0, end_time_unix_nano=0)
    record = LogRecord(
        event_name="tool_result", attributes=[attribute("tool_name", "Bash"), attribute("tool_use_id", "toolu_1")]
    )  # fmt: skip
    logs = ScopeLogs(log_records=[record])
    logs.scope.name = "com.anthropic.claude_code.events"
    body = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[logs])]).SerializeToString()
    for _ in range(2):
        post(request([timeless]), token)
        post(body, token, path="/v1/logs")
    calls = worked_off()
    assert sorted(call.tool_name for call in calls) == ["Bash", "lookup_order"]
    assert all(timezone.now() - call.started_at < timedelta(minutes=1) for call in calls)


ARGUMENTS: dict[str, tuple[str, str, Any]] = {
    "nul": ("gen_ai.tool.call.arguments", '{"a": "\\u0000", "\\u0000": [1]}', {"a": "\ufffd", "\ufffd": [1]}),
    "half a character": ("traceloop.entity.input", '{"input_str": "\'\\\\ud800\'"}', "{'_raw': '\\ud800'}"),
    "a set": ("traceloop.entity.input", '{"input_str": "{\'ids\': {1}}"}', {"ids": "{1}"}),
    "bytes": ("traceloop.entity.input", '{"input_str": "{\'b\': b\'x\'}"}', {"b": "b'x'"}),
    "keys of numbers": ("traceloop.entity.input", '{"input_str": "{1: 2}"}', {"1": 2}),
    "unhashable keys": ("traceloop.entity.input", '{"input_str": "{[1]: 2}"}', {"_raw": "{[1]: 2}"}),
    "a huge number": ("traceloop.entity.input", '{"input_str": "{\'n\': 99999999999999999999999}"}',
                      "{'n': 99999999999999999999999}"),
    "infinity": ("traceloop.entity.input", '{"input_str": "{\'n\': 1e999}"}', {"n": None}),
    "no json": ("gen_ai.tool.call.arguments", '{"n": 1e999}', {"_raw": '{"n": 1e999}'}),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_json_or_the_database_cannot_hold_are_kept_as_near_as_they_can_be(
    name: str, token: str
) -> None:
    key, given, kept = ARGUMENTS[name]
    scope = "opentelemetry.instrumentation.langchain" if key.startswith("traceloop") else "pydantic-ai"
    post(request([tool_span(attributes={key: given})], scope=scope), token)
    assert [call.arguments for call in worked_off()] == [kept]


def test_a_payload_nested_beyond_reason_becomes_text() -> None:
    nested: Any = []
    for _ in range(5000):
        nested = [nested]
    assert bounded(nested) == ("(nested too deeply)", False)
    assert bounded("x\0" * LONGEST_PAYLOAD) == ("x\ufffd" * (LONGEST_PAYLOAD // 2), True)


@pytest.mark.parametrize("messages", ['[{"parts": null}]', '[{"parts": 7}]', "[null]", '{"parts": []}'])
def test_a_models_odd_messages_do_not_stop_the_calls_after_it(messages: str, token: str) -> None:
    trace = b"t" * 16
    model = span(
        "chat m", {"gen_ai.operation.name": "chat", "gen_ai.output.messages": messages}, trace_id=trace
    )
    tool = tool_span(trace_id=trace, attributes={"gen_ai.tool.call.id": ""})
    post(request([model, tool]), token)
    assert [call.tool_name for call in worked_off()] == ["lookup_order"]


def test_nul_within_the_json_of_an_attribute_does_not_cost_the_request(token: str) -> None:
    odd = span(
        "x", {"openinference.span.kind": "LLM", "metadata": '{"lc_agent_name": "a\\u0000b", "session_id": "\\u0000"}'}
    )  # fmt: skip
    answer = post(request([odd, tool_span()], scope="openinference.instrumentation.langchain"), token)
    assert (answer.status_code, answer.content) == (200, b"")
    assert set(Span.objects.values_list("agent_name", flat=True)) == {"a\ufffdb", "order_agent"}


@pytest.mark.parametrize(
    "attributes", [{"gen_ai.usage.input_tokens": float("inf")}, {"otel.events": "not a list"}, {"otel.events": 3}]
)  # fmt: skip
def test_an_odd_attribute_is_stored_with_its_span(attributes: dict[str, Any], token: str) -> None:
    chat = span("chat", {"gen_ai.operation.name": "chat"} | attributes)
    assert post(request([chat, tool_span()]), token).status_code == 200
    assert Span.objects.count() == 2


def test_a_record_that_cannot_be_read_is_refused_alone(token: str) -> None:
    odd = tool_span()
    deep = AnyValue(string_value='{"lc_agent_name": ' + "[" * 300 + "]" * 300 + "}")
    odd.attributes.add(key="metadata").value.CopyFrom(deep)
    del odd.attributes[2]  # its agent's name
    answer = post(request([odd, tool_span()]), token)
    assert (answer.status_code, b"could not be read" in answer.content) == (200, True)
    assert Span.objects.count() == 1


def test_a_body_of_several_gzip_members_is_read_to_its_end(token: str) -> None:
    first, second = request([tool_span()]), request([tool_span()])
    whole = gzip.compress(first) + gzip.compress(second)
    cut = post_all([("/v1/traces", whole[:-5], {"content_encoding": "gzip"})], token)[0]
    assert (cut.status_code, Span.objects.count()) == (400, 0)
    assert post(whole, token, content_encoding="gzip").status_code == 200
    assert Span.objects.count() == 2

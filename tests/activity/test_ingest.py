"""The ingest door as an exporter meets it: wire bytes in, OTLP answers out, rows committed before 200."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta

import pytest
from django.utils import timezone
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)

from apps.activity.models import OutboxItem, Resource, Span, ToolCall
from apps.identity.models import ApiKey
from tests import factories
from tests.activity.otlp import drain, post, post_all, request, span, tool_span

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def test_a_span_is_stored_when_200_is_answered(token: str) -> None:
    answer = post(request([tool_span()]), token)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (
        200,
        "application/x-protobuf",
        b"",
    )
    stored = Span.objects.get()
    assert (stored.kind, stored.tool_name, stored.agent_name, stored.service_name) == (
        "tool", "lookup_order", "order_agent", "order-desk",
    )  # fmt: skip
    assert Resource.objects.get(pk=stored.resource_id).attributes == {"service.name": "order-desk"}
    assert OutboxItem.objects.get().span_ids == [stored.pk]


def test_a_repeated_request_stores_nothing_new(token: str) -> None:
    body = request([tool_span(), tool_span("refund_order")])
    answers = [post(body, token) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert Span.objects.count() == 2
    assert sum(len(item.span_ids) for item in OutboxItem.objects.all()) == 2


def test_the_same_request_sent_at_once_is_stored_once(token: str) -> None:
    body = request([tool_span(str(number)) for number in range(20)])
    answers = post_all([("/v1/traces", body, {})] * 8, token)
    assert {answer.status_code for answer in answers} == {200}
    assert Span.objects.count() == 20
    assert sum(len(item.span_ids) for item in OutboxItem.objects.all()) == 20


def test_a_header_that_came_percent_encoded_carries_the_key(token: str) -> None:
    """As the JavaScript exporters send OTEL_EXPORTER_OTLP_HEADERS."""
    answer = post(request([tool_span()]), "", authorization=f"Bearer%20{token}")
    assert (answer.status_code, Span.objects.count()) == (200, 1)


def test_gzip_is_understood(token: str) -> None:
    assert post(gzip.compress(request([tool_span()])), token, content_encoding="gzip").status_code == 200
    assert Span.objects.count() == 1


def test_json_is_understood_and_answered_in_json(token: str) -> None:
    body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {"name": "pydantic-ai"}, "spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "execute_tool x",
        "startTimeUnixNano": "1795425094374000000", "endTimeUnixNano": 1795425094375000000,
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
                       {"key": "gen_ai.tool.name", "value": {"stringValue": "x"}},
                       {"key": "n", "value": {"intValue": 3}}, {"key": "m", "value": {"intValue": "4"}}],
    }]}]}]}  # fmt: skip
    answer = post(json.dumps(body).encode(), token, content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {})
    stored = Span.objects.get()
    assert bytes(stored.trace_id).hex() == "5b8efff798038103d269b633813fc60c"
    assert (stored.attributes["n"], stored.attributes["m"], stored.tool_name) == (3, 4, "x")


REFUSALS = {
    **{
        f"JSON that is no object: {body.decode()}": (body, {"content_type": "application/json"}, 400)
        for body in (b"null", b"5", b"[]", b'"x"')
    },
    "not protobuf": (b"\xff\xff\xff", {}, 400),
    "not gzip": (b"plain", {"content_encoding": "gzip"}, 400),
    "cut gzip": (gzip.compress(b"x" * 1000)[:20], {"content_encoding": "gzip"}, 400),
    "gzip bomb": (gzip.compress(b"\0" * (40 << 20)), {"content_encoding": "gzip"}, 413),
    "too large": (b"\0" * ((4 << 20) + 1), {}, 413),
    "brotli": (b"x", {"content_encoding": "br"}, 415),
    "a form": (b"a=b", {"content_type": "application/x-www-form-urlencoded"}, 415),
    "not json": (b"{", {"content_type": "application/json"}, 400),
    "odd hex id": (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', {"content_type": "application/json"}, 400),
    "deep json": (b"[" * 5000 + b"]" * 5000, {"content_type": "application/json"}, 400),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_bad_body_is_refused_in_words_and_nothing_is_stored(name: str, token: str) -> None:
    body, headers, status = REFUSALS[name]
    answer = post(body, token, **headers)
    assert answer.status_code == status
    if headers.get("content_type") == "application/json":
        assert answer.json()["message"]
    else:
        assert Status.FromString(answer.content).message
    assert not Span.objects.exists()


def test_bad_items_are_counted_and_the_good_ones_kept(token: str) -> None:
    good, short, zero = tool_span(), tool_span(trace_id=b"short"), tool_span(span_id=bytes(8))
    answer = post(request([good, short, zero]), token)
    refused = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, refused.rejected_spans) == (200, 2)
    assert "trace_id" in refused.error_message
    assert Span.objects.count() == 1


def test_garbage_times_and_texts_are_kept(token: str) -> None:
    spans = [
        tool_span(start_time_unix_nano=1, end_time_unix_nano=2),
        tool_span(start_time_unix_nano=2**63, end_time_unix_nano=2**63),
        tool_span(start_time_unix_nano=2**64 - 1, end_time_unix_nano=2**64 - 1),
        tool_span("nul\0tool", attributes={"k\0ey": "v\0alue"}),
    ]
    assert post(request(spans), token).status_code == 200
    assert Span.objects.count() == 4
    assert Span.objects.filter(tool_name="nul\ufffdtool", attributes__has_key="k\ufffdey").exists()
    drain()
    assert (ToolCall.objects.count(), OutboxItem.objects.count()) == (4, 0)


def test_metrics_are_refused_in_words(token: str) -> None:
    point = Metric(name="m", gauge=Gauge(data_points=[NumberDataPoint(as_int=1), NumberDataPoint(as_int=2)]))
    body = ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[point])])]
    ).SerializeToString()
    answer = post(body, token, path="/v1/metrics")
    refused = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, refused.rejected_data_points) == (200, 2)


def test_addresses_and_methods(token: str) -> None:
    assert post(b"", token, path="/v1/nothing").status_code == 404
    assert post(b"", token, method="GET").status_code == 405


def test_without_a_live_ingest_key_nothing_is_stored() -> None:
    source = factories.make_source()
    live = factories.make_key(source, ["ingest"]).token
    expired = factories.make_key(source, ["ingest"], expires_at=timezone.now() - timedelta(seconds=1)).token
    revoked = factories.make_key(source, ["ingest"], revoked_at=timezone.now()).token
    other_scope = factories.make_key(source, ["read"]).token
    body = request([tool_span()])
    for wrong in ("", "chy_nope_nope", live[:-1] + "x", expired, revoked):
        answer = post(body, wrong)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="chancery"')
    assert post(body, other_scope).status_code == 403
    source.is_active = False
    source.save()
    assert post(body, live).status_code == 401
    assert not Span.objects.exists()


def test_using_a_key_is_noted(token: str) -> None:
    post(request([tool_span()]), token)
    assert ApiKey.objects.get().last_used_at is not None


def test_too_much_waiting_is_refused_with_a_hint(token: str) -> None:
    body = request([tool_span() for _ in range(50)])
    answers = post_all([("/v1/traces", body, {})] * 40, token, max_queue_bytes=len(body) * 3)
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"


def test_a_self_parent_and_a_cycle_are_stored(token: str) -> None:
    trace, a, b = b"t" * 16, b"a" * 8, b"b" * 8
    spans = [
        span("own parent", trace_id=trace, span_id=b"c" * 8, parent_span_id=b"c" * 8),
        span("a", trace_id=trace, span_id=a, parent_span_id=b),
        span("b", trace_id=trace, span_id=b, parent_span_id=a),
    ]
    assert post(request(spans), token).status_code == 200
    assert Span.objects.count() == 3

"""What metrics tell of tokens and cost, as rows; every other data point is refused in words.

Claude Code sends `claude_code.token.usage` and `claude_code.cost.usage`, GenAI instrumentation the histogram
`gen_ai.client.token.usage`. A running total (cumulative temporality) keeps its value among the attributes only: tokens in the
columns may be added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any
from uuid import UUID

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from apps.activity.ingest.errors import Malformed
from apps.activity.ingest.normalise import Batch, Origin, add, origins, plain_attributes, row_of
from apps.activity.ingest.rows import Own, Row, moment
from apps.kit.ids import derived_id

METRIC = "otel.metric"
NOT_KEPT = "only metrics that tell of tokens or cost are kept"
COST = frozenset({"claude_code.cost.usage", "gen_ai.client.cost"})
TOKENS = frozenset({"claude_code.token.usage", "gen_ai.client.token.usage"})
COLUMN = {
    "input": "input_tokens", "cacheRead": "input_tokens", "cacheCreation": "input_tokens",
    "output": "output_tokens",
}  # fmt: skip
LARGEST = 1 << 62


def metrics_of(request: ExportMetricsServiceRequest, source_id: UUID) -> Batch:
    """Every data point of a known metric of tokens or cost as a row, with an id made of its content."""
    batch = Batch()
    for group in request.resource_metrics:
        for origin, metrics in origins(group.resource, group.scope_metrics, "metrics", source_id, batch):
            for metric in metrics:
                _take(metric, origin, batch)
    return batch


def _take(metric: Any, origin: Origin, batch: Batch) -> None:
    for point in _points(metric):
        if metric.name in COST | TOKENS:
            add(lambda one, where: _row(metric, one, where), point, origin, batch)
        else:
            batch.reject(NOT_KEPT)


def _points(metric: Any) -> Iterator[Any]:
    which = metric.WhichOneof("data")
    yield from getattr(metric, which).data_points if which else ()


def _row(metric: Any, point: Any, origin: Origin) -> Row:
    attributes, value = plain_attributes(point.attributes), _value(point)
    is_sum = _is_delta(metric)
    told = attributes | {METRIC: {"name": metric.name, "unit": metric.unit, "value": value, "delta": is_sum}}
    column = COLUMN.get(_kind_of_token(attributes)) if metric.name in TOKENS and is_sum else None
    content = metric.name.encode() + point.SerializeToString(deterministic=True)
    own = Own(
        id=derived_id(
            point.time_unix_nano // 1_000_000, origin.source_id.bytes, origin.resource_id.bytes, content
        ),
        signal="metric",
        trace_id=b"",
        span_id=b"",
        parent_span_id=None,
        started_at=moment(point.time_unix_nano) if point.time_unix_nano else origin.received_at,
        ended_at=None,
        name=metric.name,
        kind="usage",
        status="unset",
    )
    tokens = min(int(value), LARGEST)
    return row_of(origin, told, own)._replace(
        input_tokens=tokens if column == "input_tokens" else None,
        output_tokens=tokens if column == "output_tokens" else None,
    )


def _value(point: Any) -> float:
    """The number of a data point; of a histogram the sum of what was measured."""
    told = point.sum if hasattr(point, "sum") else getattr(point, point.WhichOneof("value") or "as_double")
    if not isfinite(told) or told < 0:
        raise Malformed("a data point of tokens or cost is no number from zero on")
    return float(told)


def _is_delta(metric: Any) -> bool:
    data = getattr(metric, metric.WhichOneof("data"))
    return bool(
        getattr(data, "aggregation_temporality", None) == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    )


def _kind_of_token(attributes: dict[str, Any]) -> str:
    return str(attributes.get("gen_ai.token.type") or attributes.get("type") or "")

"""OTLP/HTTP 1.x: traces and logs are kept whole, of metrics those that tell of tokens or cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message as ProtobufMessage
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.activity.ingest.decode import JSON, PROTOBUF, decode, media_type
from apps.activity.ingest.errors import IngestError
from apps.activity.ingest.metrics import metrics_of
from apps.activity.ingest.normalise import Batch, logs_of, spans_of
from apps.activity.ingest.way import Answer, Headers, Heard, Way


class Signal(NamedTuple):
    """How one kind of telemetry is read, and how what was refused of it is told."""

    rows_of: Callable[[Any, UUID], Batch]
    response: type[Any]
    rejected: str


SIGNALS = {
    "traces": Signal(spans_of, ExportTraceServiceResponse, "rejected_spans"),
    "logs": Signal(logs_of, ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": Signal(metrics_of, ExportMetricsServiceResponse, "rejected_data_points"),
}


def _read(name: str, heard: Heard) -> Answer:
    signal = SIGNALS[name]
    batch = signal.rows_of(decode(name, heard.kind, heard.body), heard.source_id)
    return Answer(heard.kind, _encoded(responded(signal, batch), heard.kind), batch=batch)


def responded(signal: Signal, batch: Batch) -> Any:
    """The response to a batch; as partial success when some of it was refused."""
    response = signal.response()
    if batch.rejected:
        setattr(response.partial_success, signal.rejected, batch.rejected)
        response.partial_success.error_message = batch.why
    return response


def _refuse(error: IngestError, headers: Headers) -> Answer:
    """A google.rpc.Status in the form the request had."""
    kind = JSON if headers.get("content-type", "").startswith(JSON) else PROTOBUF
    told = Status(code=error.rpc_code, message=error.message)
    return Answer(kind, _encoded(told, kind), error.status)


def _encoded(message: ProtobufMessage, kind: str) -> bytes:
    return orjson.dumps(MessageToDict(message)) if kind == JSON else message.SerializeToString()


def _media(headers: Headers) -> str:
    return media_type(headers.get("content-type", ""))


WAYS = {f"/v1/{name}": Way(_media, partial(_read, name), _refuse) for name in SIGNALS}

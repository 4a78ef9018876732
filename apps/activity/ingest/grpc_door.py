"""OTLP/gRPC: the same keys, rows and writer behind another protocol. Needs the extra `grpc`; imported by its own process only.

Errors are gRPC's: UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT, and UNAVAILABLE or RESOURCE_EXHAUSTED, with RetryInfo,
where the exporter is to try again (OTLP specification, section "OTLP/gRPC response").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from apps.activity.ingest.asgi import LARGE, Door
from apps.activity.ingest.budget import PROTOBUF_WEIGHT
from apps.activity.ingest.errors import IngestError
from apps.activity.ingest.otlp import SIGNALS, Signal, responded

CODES = {code.value[0]: code for code in grpc.StatusCode}
DETAILS = "grpc-status-details-bin"
SERVICES: dict[str, Callable[[Any, grpc.aio.Server], None]] = {
    "traces": trace_service_pb2_grpc.add_TraceServiceServicer_to_server,
    "logs": logs_service_pb2_grpc.add_LogsServiceServicer_to_server,
    "metrics": metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server,
}


class Export:
    """The one method each of the three services has."""

    def __init__(self, door: Door, signal: Signal) -> None:
        self._door, self._signal = door, signal

    async def Export(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # gRPC's name
        try:
            return await self._export(request, _authorization(context))
        except IngestError as error:
            context.set_trailing_metadata(_details(error))
            await context.abort(CODES[error.rpc_code], error.message)

    async def _export(self, request: Any, authorization: str) -> Any:
        source_id = await self._door.keys.source_of(authorization)
        await self._door.recorder.refresh()
        size = request.ByteSize()
        with self._door.budget.share() as share:
            share.grow_to(size * PROTOBUF_WEIGHT)
            batch = await self._door.run(self._signal.rows_of, request, source_id, large=size > LARGE)
            await self._door.take(batch, size)
        return responded(self._signal, batch)


def server_of(door: Door, address: str) -> tuple[grpc.aio.Server, int]:
    """A server for `address` that is not started yet, and the port it was given."""
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", door.settings.max_body_bytes), ("grpc.so_reuseport", 0)]
    )
    for name, add in SERVICES.items():
        add(Export(door, SIGNALS[name]), server)
    return server, server.add_insecure_port(address)


def _authorization(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    told = dict(context.invocation_metadata() or ())
    value = told.get("authorization", "")
    return value if isinstance(value, str) else value.decode("latin-1")


def _details(error: IngestError) -> tuple[tuple[str, bytes], ...]:
    """How long to wait, where waiting helps; nothing otherwise."""
    if error.retry_after_s is None:
        return ()
    packed = Packed()
    packed.Pack(RetryInfo(retry_delay=Duration(seconds=error.retry_after_s)))
    status = Status(code=error.rpc_code, message=error.message, details=[packed])
    return ((DETAILS, status.SerializeToString()),)

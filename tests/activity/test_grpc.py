"""OTLP/gRPC over a real socket: the same rows as over HTTP, the same refusals in gRPC's words."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.activity.ingest.asgi import close_door, open_door
from apps.activity.ingest.settings import IngestSettings
from apps.activity.models import Span
from tests import factories
from tests.activity.otlp import request, tool_span

grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed")
pytestmark = pytest.mark.django_db(transaction=True)


def export(*told: tuple[bytes, str]) -> list[Any]:
    """Each body with its token; the responses, or the errors."""

    async def work() -> list[Any]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

        from apps.activity.ingest.grpc_door import server_of

        door = await open_door(IngestSettings(dsn=os.environ["DATABASE_URL"]))
        server, port = server_of(door, "127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = TraceServiceStub(channel)
                calls = [
                    stub.Export(
                        ExportTraceServiceRequest.FromString(body),
                        metadata=(("authorization", f"Bearer {token}"),) if token else (),
                        compression=grpc.Compression.Gzip,
                    )
                    for body, token in told
                ]
                return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await server.stop(1)
            await close_door(door)

    return asyncio.run(work())


def test_spans_over_grpc_are_stored_and_the_key_counts() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    reader = factories.make_key(factories.make_source(), ["read"]).token
    body = request([tool_span(), tool_span(trace_id=b"short")])
    done, nameless, forbidden = export((body, token), (body, ""), (body, reader))
    assert done.partial_success.rejected_spans == 1
    assert nameless.code() is grpc.StatusCode.UNAUTHENTICATED
    assert forbidden.code() is grpc.StatusCode.PERMISSION_DENIED
    assert (Span.objects.count(), Span.objects.get().tool_name) == (1, "lookup_order")

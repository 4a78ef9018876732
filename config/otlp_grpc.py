"""OTLP/gRPC as a process of its own: `python -m config.otlp_grpc`, with the extra `grpc` installed.

Listens on CHANCERY_GRPC_LISTEN (127.0.0.1:4317) without TLS, as the web process does: TLS ends in front of it.
"""

from __future__ import annotations

import asyncio
import os
import signal

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from apps.activity.ingest.asgi import close_door, open_door
from apps.activity.ingest.grpc_door import server_of
from apps.activity.ingest.settings import IngestSettings

DRAIN_S = 10


async def serve() -> None:
    """Until SIGTERM or SIGINT; then requests are finished and what waits is written."""
    told = IngestSettings(
        dsn=settings.DATABASE_URL,
        max_body_bytes=settings.INGEST_MAX_BODY_BYTES,
        max_queue_bytes=settings.INGEST_MAX_QUEUE_BYTES,
        content_key=settings.CONTENT_KEY,
    )
    door = await open_door(told)
    server, port = server_of(door, os.environ.get("CHANCERY_GRPC_LISTEN", "127.0.0.1:4317"))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await server.start()
    print(f"OTLP/gRPC on port {port}", flush=True)
    await stopping.wait()
    await server.stop(DRAIN_S)
    await close_door(door)


if __name__ == "__main__":
    asyncio.run(serve())

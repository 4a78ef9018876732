"""kill -9 of the process that takes spans in, twenty times under load: nothing is lost, nothing is doubled."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from apps.activity.ingest import asgi
from apps.activity.ingest.settings import IngestSettings
from apps.activity.models import OutboxItem, Span, ToolCall
from tests import factories
from tests.activity.otlp import PROTOBUF, drain, request, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS, SENDERS, BATCH = 20, 3, 5


async def door(scope: Any, receive: Any, send: Any) -> None:
    """The bare ingest door, as the web process mounts it."""
    if scope["type"] != "lifespan":
        await asgi.application(scope, receive, send)
        return
    await receive()
    await asgi.startup(IngestSettings(dsn=os.environ["DATABASE_URL"]))
    await send({"type": "lifespan.startup.complete"})
    await receive()


def serve(listener: socket.socket) -> int:
    """Fork a process that serves until it is killed; its id. It shares no database connection with this one."""
    child = os.fork()
    if child == 0:
        try:
            uvicorn.Server(uvicorn.Config(door, lifespan="on", log_level="critical")).run(sockets=[listener])
        finally:
            os._exit(1)
    return child


@dataclass
class Exporter:
    """Sends batches one after the other, each again and again until it is answered with 200, as exporters do."""

    port: int
    token: str
    stopping: threading.Event
    acknowledged: int = 0
    sent_again: int = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            body = request([tool_span() for _ in range(BATCH)])
            while not self._post(body):
                self.sent_again += 1
                time.sleep(0.01)
            self.acknowledged += BATCH

    def _post(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"authorization": f"Bearer {self.token}", "content-type": PROTOBUF}
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/v1/traces", body, headers)
            return connection.getresponse().status == 200
        return False


def test_kill_nine_during_ingest_loses_and_doubles_nothing() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()
    exporters = [Exporter(listener.getsockname()[1], token, stopping) for _ in range(SENDERS)]
    threads = [threading.Thread(target=exporter.run) for exporter in exporters]
    for thread in threads:
        thread.start()
    for number in range(ROUNDS):
        child, before = serve(listener), sum(one.acknowledged for one in exporters)
        until = time.monotonic() + 20
        while sum(one.acknowledged for one in exporters) == before and time.monotonic() < until:
            time.sleep(0.002)  # it works
        time.sleep(random.Random(number).uniform(0, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    last = serve(listener)
    stopping.set()
    for thread in threads:
        thread.join(30)
    os.kill(last, signal.SIGKILL)
    os.waitpid(last, 0)
    listener.close()

    sent = sum(one.acknowledged for one in exporters)
    assert sum(one.sent_again for one in exporters) >= ROUNDS / 2  # the kills met requests on their way
    assert Span.objects.count() == sent
    waiting = Counter(pk for item in OutboxItem.objects.all() for pk in item.span_ids)
    assert (len(waiting), set(waiting.values())) == (sent, {1})
    drain()
    assert ToolCall.objects.count() == sent

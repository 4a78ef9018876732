"""A small server that answers as Chancery does: it refuses refund_order, and keeps what it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Chancery(ThreadingHTTPServer):
    """`statuses` are answered first, one for each request; `slow_s` is waited before each answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.events: list[dict[str, Any]] = []
        self.questions: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.slow_s = 0.0

    def handle_error(self, *_: Any) -> None:
        """A client that no longer waits for its answer is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Chancery

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.server.slow_s)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        words = json.dumps(self._told(body) if status == 200 else {"detail": "not now"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def _told(self, body: Any) -> dict[str, Any]:
        if self.path == "/api/v1/events":
            self.server.events.extend(body)
            return {"accepted": len(body), "rejected": 0}
        if self.path.startswith("/v1/hooks/"):
            self.server.hooks.append(body)
            return {"accepted": 1}
        self.server.questions.append(body)
        is_refused = body["tool"] == "refund_order"
        return {"outcome": "deny" if is_refused else "allow", "reason": "Not on the list.", "id": "d-1"}

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def serving() -> Iterator[Chancery]:
    server = Chancery()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()

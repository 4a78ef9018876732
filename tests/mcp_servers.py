"""Real MCP servers at the other end of the gateway, made with the SDK; `python tests/mcp_servers.py` speaks stdio."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse

PROGRAM = Path(__file__).resolve()
KIND = "Refund an order."


class Orders:
    """A server with two tools that counts what its tools really did."""

    def __init__(self, *, stateless: bool = True) -> None:
        self.refunds: list[Any] = []
        self.looks: list[str] = []
        self.server = MCPServer("orders", version="1")
        self.server.add_tool(self.lookup_order, description="Look an order up.")
        self.server.add_tool(self.refund_order, description=KIND)
        self.application: Any = self.server.streamable_http_app(
            json_response=stateless, stateless_http=stateless
        )

    def lookup_order(self, order_id: str) -> str:
        self.looks.append(order_id)
        return f"{order_id} shipped"

    def refund_order(self, order_id: str, amount: float) -> str:
        self.refunds.append((order_id, amount))
        return f"{amount} refunded"

    def describe_refunds(self, description: str) -> None:
        """Offer refunds with another text from now on."""
        self.server.remove_tool("refund_order")
        self.server.add_tool(self.refund_order, description=description)


class Guarded:
    """An application behind OAuth client credentials; `issued` are the tokens it gave, of which the last is good."""

    def __init__(self, application: Any, client: str) -> None:
        self._application, self._client = application, client
        self.issued: list[str] = []
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        request = Request(scope, receive)
        if scope["path"] == "/token":
            await self._token(request)(scope, receive, send)
            return
        told = request.headers.get("authorization", "")
        self.seen.append(told)
        if not self.issued or told != f"Bearer {self.issued[-1]}":
            challenge = {"WWW-Authenticate": 'Bearer realm="orders"'}
            await JSONResponse({"error": "invalid_token"}, 401, challenge)(scope, receive, send)
            return
        await self._application(scope, receive, send)

    def _token(self, request: Request) -> JSONResponse:
        if request.headers.get("authorization") != self._client:
            return JSONResponse({"error": "invalid_client"}, 401)
        self.issued.append(f"token-{len(self.issued) + 1}")
        return JSONResponse({"access_token": self.issued[-1], "token_type": "bearer", "expires_in": 3600})

    def withdraw(self) -> None:
        """What was issued is good for nothing any longer."""
        self.issued.append("withdrawn")


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """The address of the application while the block runs."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(application, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(5)


@contextmanager
def silent() -> Iterator[str]:
    """The address of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def surroundings() -> str:
    """What this program sees of the environment it was started in."""
    return ",".join(sorted(os.environ))


def pid() -> int:
    return os.getpid()


if __name__ == "__main__":
    program = MCPServer("program", version="1")
    for tool in (surroundings, pid):
        program.add_tool(tool, description=tool.__doc__ or "The number of this process.")
    program.run("stdio")

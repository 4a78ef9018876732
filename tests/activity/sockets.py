"""A WebSocket client for tests, over asgiref's communicator."""

from __future__ import annotations

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator


class Socket(ApplicationCommunicator):
    """One WebSocket conversation with an ASGI application."""

    def __init__(self, application: Any, path: str, query: str, headers: list[tuple[bytes, bytes]]) -> None:
        scope = {
            "type": "websocket", "path": path, "query_string": query.encode(), "headers": headers, "subprotocols": [],
        }  # fmt: skip
        super().__init__(application, scope)

    async def connect(self, timeout: float = 3) -> int:
        """0 when the server accepted, else the code it closed with."""
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output(timeout)
        return 0 if answer["type"] == "websocket.accept" else int(answer.get("code", 1000))

    async def receive(self, timeout: float = 3) -> dict[str, Any]:
        """The next message, parsed."""
        event = await self.receive_output(timeout)
        assert event["type"] == "websocket.send", event
        message: dict[str, Any] = json.loads(event["text"])
        return message

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(3)

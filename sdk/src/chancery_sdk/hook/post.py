"""One JSON body to one server, with the standard library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_ANSWER: Final = 1024 * 1024


class NotAnswered(Exception):
    """The server could not be reached or refused; the message says which, `status` what it answered."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Server:
    """Where, as whom, for which agent; `timeout_s` for each wait on the network."""

    url: str
    key: str
    timeout_s: float
    agent_id: str = ""


def post(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a 200; NotAnswered otherwise."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"}
    if server.agent_id:
        headers["X-Chancery-Agent-Id"] = server.agent_id
    connection = _connection(server)
    try:
        connection.request("POST", _prefix(server.url) + path, json.dumps(body), headers)
        response = connection.getresponse()
        return _answer(response.status, response.read(LONGEST_ANSWER))
    except (OSError, HTTPException) as error:
        raise NotAnswered(f"{server.url} could not be reached: {error or type(error).__name__}") from error
    finally:
        connection.close()


def _answer(status: int, body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    if status != 200 or not isinstance(told, dict):
        detail = told.get("detail", "") if isinstance(told, dict) else ""
        raise NotAnswered(f"the server answered {status}. {detail}".strip(), status)
    return told


def _connection(server: Server) -> HTTPConnection:
    parts = urlsplit(server.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotAnswered(f"{server.url} is no web address")
    if parts.scheme == "https":
        return HTTPSConnection(parts.hostname, parts.port, timeout=server.timeout_s)
    if parts.hostname not in LOCAL:
        raise NotAnswered("the key would travel unencrypted: use an https address")
    return HTTPConnection(parts.hostname, parts.port, timeout=server.timeout_s)


def _prefix(url: str) -> str:
    return urlsplit(url).path.rstrip("/")

"""The door of every WebSocket: only pages of this very origin may open one, and only where there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.urls import re_path

Scope = MutableMapping[str, Any]
Application = Callable[..., Awaitable[Any]]
PORTS = {"http": "80", "https": "443"}


class Nowhere(AsyncWebsocketConsumer):
    """An address without a stream: refused before it is opened."""

    async def connect(self) -> None:
        await self.close()


NOWHERE = re_path(r"", Nowhere.as_asgi())


class SameOrigin:
    """Refuse a WebSocket whose Origin differs from what it was sent to, in host or in port."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> Any:
        chosen = self.application if is_same_origin(scope) else WebsocketDenier()
        return await chosen(scope, receive, send)


def is_same_origin(scope: Scope) -> bool:
    """True when host and port of Origin and Host are the same and the host is an allowed one."""
    headers = {name: value.decode("latin1") for name, value in scope.get("headers", [])}
    origin = urlsplit(headers.get(b"origin", ""))
    host, port = split_domain_port(headers.get(b"host", ""))
    if origin.scheme not in PORTS or not host or not validate_host(host, settings.ALLOWED_HOSTS):
        return False
    theirs = split_domain_port(origin.netloc)
    default = PORTS[origin.scheme]
    return theirs[0] == host and (theirs[1] or default) == (port or default)

"""One ASGI process: the ingest door beside Django, WebSockets, and a lifespan that opens and closes them."""

from __future__ import annotations

import gc
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # loads the apps; what follows imports models

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import get_resolver

from apps.activity.ingest import asgi as ingest
from apps.activity.ingest.settings import IngestSettings
from apps.oversight.door import door as decisions
from apps.oversight.orders import door as orders
from apps.oversight.orders.own import OWN_POINTS
from apps.oversight.registry_mcp import PATH, RegistryDoor
from config.routing import websocket_urlpatterns
from config.sockets import NOWHERE, SameOrigin

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Any], Awaitable[None]]
EVENTS = "/api/v1/events"
registry_door = RegistryDoor()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Telemetry and events go to the bare door, MCP to the registry's, points that wait to that of orders, all else to Django."""
    await _chosen(scope)(scope, receive, send)


def _chosen(scope: Scope) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    path = scope["path"]
    if path.startswith("/v1/") or path.rstrip("/") == EVENTS:
        return ingest.application
    if decisions.is_for_the_door(scope):
        return decisions.decisions_door
    if path == orders.PATH and orders.is_for_the_door(scope):
        return orders.orders_door
    return registry_door if path == PATH else django_application


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Open the doors at start; at the end write what waits."""
    await receive()
    _settle()
    async with registry_door.opened(), OWN_POINTS.running():
        await ingest.startup(_ingest_settings())
        await decisions.startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await decisions.shutdown()
        await ingest.shutdown()
    await send({"type": "lifespan.shutdown.complete"})


def _settle() -> None:
    """Read every page's code now, not at the first request, and never search it for garbage again: walking some
    million objects that stay takes a tenth of a second, in which nobody is answered."""
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()


def _ingest_settings() -> IngestSettings:
    return IngestSettings(
        dsn=settings.DATABASE_URL,
        max_body_bytes=settings.INGEST_MAX_BODY_BYTES,
        max_queue_bytes=settings.INGEST_MAX_QUEUE_BYTES,
        content_key=settings.CONTENT_KEY,
    )


application = ProtocolTypeRouter(
    {
        "http": http,
        "lifespan": lifespan,
        "websocket": SameOrigin(AuthMiddlewareStack(URLRouter([*websocket_urlpatterns, NOWHERE]))),
    }
)

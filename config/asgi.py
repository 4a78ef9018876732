"""One ASGI process: the ingest door beside Django, WebSockets, and a lifespan that opens and closes them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # loads the apps; what follows imports models

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

from apps.activity.ingest import asgi as ingest
from apps.activity.ingest.settings import IngestSettings
from config.routing import websocket_urlpatterns
from config.sockets import NOWHERE, SameOrigin

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Any], Awaitable[None]]


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Telemetry goes to the bare door, everything else to Django."""
    chosen = ingest.application if scope["path"].startswith("/v1/") else django_application
    await chosen(scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Open the ingest door at start, write what waits at the end."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await ingest.startup(_ingest_settings())
            await send({"type": "lifespan.startup.complete"})
        else:
            await ingest.shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _ingest_settings() -> IngestSettings:
    return IngestSettings(
        dsn=settings.DATABASE_URL,
        max_body_bytes=settings.INGEST_MAX_BODY_BYTES,
        max_queue_bytes=settings.INGEST_MAX_QUEUE_BYTES,
    )


application = ProtocolTypeRouter(
    {
        "http": http,
        "lifespan": lifespan,
        "websocket": SameOrigin(AuthMiddlewareStack(URLRouter([*websocket_urlpatterns, NOWHERE]))),
    }
)

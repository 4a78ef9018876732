"""Every WebSocket address, by app."""

from apps.activity.routing import websocket_urlpatterns

__all__ = ["websocket_urlpatterns"]

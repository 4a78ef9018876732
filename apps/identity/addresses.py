"""From which address a request comes: a proxy is believed only as far as the settings say there are any."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

HEADER = "X-Forwarded-For"


def address_of(request: HttpRequest) -> str:
    """The caller's address. Behind n proxies it is the n-th of X-Forwarded-For from the right: each proxy adds
    the address that called it, so what stands further left is only the caller's word."""
    own: str = request.META.get("REMOTE_ADDR", "")
    if not settings.TRUSTED_PROXY_COUNT:
        return own
    told = [part.strip() for part in request.headers.get(HEADER, "").split(",") if part.strip()]
    return told[-settings.TRUSTED_PROXY_COUNT] if len(told) >= settings.TRUSTED_PROXY_COUNT else own

"""What the ASGI doors beside Django share: who asks, for which host, how a refusal looks, and the database for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http.request import split_domain_port, validate_host
from starlette.responses import JSONResponse

from apps.identity.access import act_through
from apps.identity.models import Principal
from apps.identity.services.keys import authenticate_key
from apps.kit.errors import DomainError, NotSignedIn
from apps.kit.rest.problems import MEDIA_TYPE, problem

T = TypeVar("T")


async def in_database(work: Callable[[], T]) -> T:
    """Run in a thread of this request, with the connection given back at the end."""

    def worked() -> T:
        close_old_connections()
        try:
            return work()
        finally:
            close_old_connections()

    async with ThreadSensitiveContext():
        return await sync_to_async(worked)()


def asker(authorization: str) -> Principal:
    """The principal of the key in this header, narrowed to it; NotSignedIn where there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedIn("Send an API key: Authorization: Bearer chy_...", code="auth.required")
    key = authenticate_key(token.strip())
    return act_through(key.principal, key)


def is_ours(headers: dict[bytes, str]) -> bool:
    """An allowed host, and no page of another origin: a browser must not be talked into asking for somebody."""
    host, _ = split_domain_port(headers.get(b"host", ""))
    return b"origin" not in headers and bool(host) and validate_host(host, settings.ALLOWED_HOSTS)


def refusal(error: DomainError) -> JSONResponse:
    """The problem as RFC 9457 has it, as everywhere under the API."""
    told = {"WWW-Authenticate": 'Bearer realm="chancery"'} if error.status == NotSignedIn.status else {}
    return JSONResponse(problem(error), error.status, told, MEDIA_TYPE)

"""Retries that are safe: a POST with an Idempotency-Key happens once, and answers the same each time.

The key's row is inserted before the work, in the same transaction. A concurrent retry waits on it and
then finds the stored answer; a killed process leaves neither the work nor the row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

import orjson
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from apps.identity.api.actor import actor_of
from apps.identity.models import IdempotentRequest
from apps.kit.errors import Conflict, InvalidInput

HEADER = "Idempotency-Key"
LONGEST_KEY = 128


def idempotent(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Decorate a view's handler; without the header it runs as it is."""

    @wraps(handler)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if not key:
            return handler(view, request, *args, **kwargs)
        if len(key) > LONGEST_KEY:
            raise InvalidInput(
                "The idempotency key is too long.", fields={HEADER: f"At most {LONGEST_KEY} characters"}
            )
        with transaction.atomic():
            memory, answered = _remember(request, key)
            if answered:
                return Response(
                    memory.body, status=memory.status, headers=memory.headers | {"Idempotent-Replay": "true"}
                )
            response = handler(view, request, *args, **kwargs)
            _keep(memory, response)
        return response

    return once


def _remember(request: Request, key: str) -> tuple[IdempotentRequest, bool]:
    body = json.dumps(request.data, sort_keys=True, default=str).encode()
    fingerprint = sha256(f"{request.method} {request.path}\n".encode() + body).digest()
    memory, created = IdempotentRequest.objects.get_or_create(
        principal=actor_of(request), key=key, defaults={"fingerprint": fingerprint}
    )
    if bytes(memory.fingerprint) != fingerprint:
        raise Conflict("This idempotency key was used for another request.", code="idempotency.key_reused")
    return memory, not created and memory.status is not None


def _keep(memory: IdempotentRequest, response: Response) -> None:
    memory.status, memory.body = response.status_code, orjson.loads(orjson.dumps(response.data, default=str))
    memory.headers = {name: response[name] for name in ("ETag", "Location") if response.has_header(name)}
    memory.save(update_fields=["status", "body", "headers"])

"""Optimistic writes: a version in the ETag, demanded back in If-Match (RFC 9110 section 13.1.1)."""

from __future__ import annotations

from typing import Protocol

from rest_framework.request import Request

from apps.kit.errors import PreconditionMissing, StaleWrite


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


def etag_of(thing: Versioned) -> str:
    return f'"{thing.version}"'


def check_if_match(request: Request, thing: Versioned, *, required: bool) -> int | None:
    """The version the write is meant for; None when any will do.

    Raises StaleWrite when If-Match names another, PreconditionMissing when it is missing. `thing` is not
    locked: hand the version to the service, which looks again at the locked row.
    """
    wanted = request.headers.get("If-Match")
    if wanted is None:
        if required:
            raise PreconditionMissing(
                "Send If-Match with the ETag you read, so that nobody's change is lost."
            )
        return None
    offered = {part.strip().removeprefix("W/") for part in wanted.split(",")}
    if "*" in offered:
        return None
    if etag_of(thing) not in offered:
        raise StaleWrite(f"This is now at version {etag_of(thing)}; read it again before you write.")
    return thing.version

"""Exceptions of the database, mapped at the edge into our own tree; REST and pages share the mapping."""

from __future__ import annotations

from django.db import DataError, OperationalError

from apps.kit.errors import DomainError, InvalidInput, Unavailable


def as_known(error: BaseException) -> DomainError | None:
    """The error itself when it is ours, its counterpart when the database raised it, else None."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, DataError):
        return InvalidInput(
            "A value holds something that no text, number or time may hold.", code="input.not_storable"
        )
    if isinstance(error, OperationalError):
        return Unavailable("The database does not answer; nothing was stored.", retry_after_s=2)
    return None

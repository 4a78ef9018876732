"""Exceptions of the database, mapped at the edge into our own tree; REST and pages share the mapping."""

from __future__ import annotations

from django.db import DataError, IntegrityError, OperationalError

from apps.kit.errors import Conflict, DomainError, InvalidInput, Unavailable

TAKEN, STILL_NEEDED = "23505", "23503"  # SQLSTATE: unique_violation, foreign_key_violation


def as_known(error: BaseException) -> DomainError | None:
    """The error itself when it is ours, its counterpart when the database raised it, else None."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, DataError):
        return InvalidInput(
            "A value holds something that no text, number or time may hold.", code="input.not_storable"
        )
    if isinstance(error, IntegrityError):
        return _collision(error)
    if isinstance(error, OperationalError):
        return Unavailable("The database does not answer; nothing was stored.", retry_after_s=2)
    return None


def _collision(error: IntegrityError) -> DomainError | None:
    """Two writes that cannot both stand; None for a rule of the database that nobody should have run into."""
    state = getattr(error.__cause__, "sqlstate", "")
    if state == TAKEN:
        return Conflict("Somebody made one of this name or key at the same moment.", code="conflict.taken")
    if state == STILL_NEEDED:
        return Conflict("Something else still needs it, or what it needs is gone.", code="conflict.needed")
    return None

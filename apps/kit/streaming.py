"""Answers that are made while they are sent, also under ASGI, where Django would first gather a plain iterator whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse

M = TypeVar("M", bound=Model)


class PiecewiseResponse(StreamingHttpResponse):
    """Pieces of a plain iterator, each made in a thread once the one before it was sent."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces: Iterator[bytes] = iter(self)
        while (piece := await sync_to_async(_next)(pieces)) is not None:
            yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


def in_chunks(rows: QuerySet[M], size: int) -> Iterator[M]:
    """The rows in the order they have now, read by so many at a time: one query each, and one for the order.

    In between the connection is given back, so that slow readers of large answers do not hold those that others need. A
    row that is gone by then, or that the reader may no longer see, is left out.
    """
    keys = list(rows.values_list("pk", flat=True))
    for first in range(0, len(keys), size):
        chunk = keys[first : first + size]
        found = rows.order_by().in_bulk(chunk)
        if not connection.in_atomic_block:
            connection.close()
        yield from (found[pk] for pk in chunk if pk in found)

"""How much memory requests may hold at once, from their first byte until they are answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.activity.ingest.errors import Overloaded

# Bytes of memory for each byte of a body while it is decoded, as rows and on its way to disk (measured: 3 to 6
# for what Python holds of protobuf, and the message beside it; up to 16 for JSON).
PROTOBUF_WEIGHT, JSON_WEIGHT = 8, 20


class Budget:
    """A number of bytes that all requests share. A request that is alone may exceed it: it would never get in."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """A request's part, given back at the end."""
        part = Share(self)
        try:
            yield part
        finally:
            self.held -= part.size

    def take(self, size: int, own: int) -> None:
        """Overloaded when others hold so much that `size` more, by one that holds `own`, is too much."""
        if self.held > own and self.held + size > self._most:
            raise Overloaded("too much is waiting to be written", retry_after_s=1)
        self.held += size


class Share:
    """What one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size = 0

    def grow_to(self, size: int) -> None:
        """Take more, before the memory is used; a request never shrinks before its end."""
        if size > self.size:
            self._budget.take(size - self.size, self.size)
            self.size = size

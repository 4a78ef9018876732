"""Events on their way: a bounded queue and one daemon thread. Whoever puts one in waits for nothing and sees no error.

When the queue is full the event is dropped and counted. A batch the server refuses is counted, one it cannot take now is sent
again with growing pauses. A process that ends waits a moment for what is left.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

logger = logging.getLogger("chancery_sdk")
AT_EXIT_S: Final = 3.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
MOST_BYTES: Final = 1_000_000  # of a batch

Send = Callable[[bytes], bool]


@dataclass
class Counts:
    """What became of events: sent, dropped for want of room, refused by the server."""

    sent: int = 0
    dropped: int = 0
    refused: int = 0


class Delivery:
    """`send` posts one JSON array: True when it is done with, taken or refused; False to try again later."""

    def __init__(self, send: Send, *, most: int, batch: int, interval_s: float) -> None:
        self._send, self._most, self._batch, self._interval_s = send, most, batch, interval_s
        self.counts = Counts()
        self._begin()
        _deliveries.add(self)

    def put(self, event: bytes) -> None:
        """Queue one event; drops it when there is no room."""
        if self._pid != os.getpid():
            self._begin()  # a fork: the thread stayed with the parent, which sends what waited there
        with self._changed:
            if len(self._queue) >= self._most or self._closed:
                self.counts.dropped += 1
                return
            self._queue.append(event)
            if len(self._queue) >= self._batch or self._thread is None:
                self._changed.notify_all()
        if self._thread is None:
            self._start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is left; False when time ran out first."""
        until = time.monotonic() + timeout_s
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while self._queue or self._sending:
                left = until - time.monotonic()
                if left <= 0 or self._pid != os.getpid():
                    return False
                self._changed.wait(left)
        return True

    def close(self, timeout_s: float) -> bool:
        done = self.flush(timeout_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        return done

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._queue: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._sending = self._hurry = self._closed = False

    def _start(self) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="chancery", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            events = self._take()
            if not events:
                return
            done = self._deliver(events)
            pause_s = FIRST_PAUSE_S if done else min(pause_s * 2, LONGEST_PAUSE_S)
            with self._changed:
                if not done:
                    self._put_back(events)
                self._sending = False
                self._changed.notify_all()
                if not done:
                    self._changed.wait(pause_s)

    def _take(self) -> list[bytes]:
        """The next batch, after the interval or as soon as it is full; empty once closed and worked off."""
        with self._changed:
            while not self._queue and not self._closed:
                self._hurry = False
                self._changed.wait()
            until = time.monotonic() + self._interval_s
            while not (self._hurry or self._closed or len(self._queue) >= self._batch):
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            events: list[bytes] = []
            size = 0
            while self._queue and len(events) < self._batch and size < MOST_BYTES:
                events.append(self._queue.popleft())
                size += len(events[-1])
            self._sending = bool(events)
            return events

    def _deliver(self, events: list[bytes]) -> bool:
        try:
            return self._send(b"[" + b",".join(events) + b"]")
        except Exception:  # the agent must not notice
            logger.debug("events could not be sent", exc_info=True)
            return False

    def _put_back(self, events: list[bytes]) -> None:
        room = self._most - len(self._queue)
        kept = events[:room] if room > 0 else []
        self.counts.dropped += len(events) - len(kept)
        self._queue.extendleft(reversed(kept))


_deliveries: weakref.WeakSet[Delivery] = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    """What is left gets a moment, all clients together."""
    until = time.monotonic() + AT_EXIT_S
    for delivery in list(_deliveries):
        delivery.flush(max(0.0, until - time.monotonic()))

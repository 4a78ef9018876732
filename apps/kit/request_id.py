"""The id of the request being served, so that log lines, audit entries and error pages can name it.

A contextvar, because one request may run on several threads (asgiref carries it over). Outside a
request it is empty. An id sent by the caller is believed only behind a trusted proxy: otherwise
anybody could write somebody else's request id into the audit log.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import uuid4

HEADER = "X-Request-ID"
_SHAPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_current: ContextVar[str] = ContextVar("chancery_request_id", default="")


def current_request_id() -> str:
    """The id of the request being served, or an empty string outside one."""
    return _current.get()


def accepted_or_new(sent: str, *, trusted: bool) -> str:
    """The caller's id when it may be believed and is well formed, otherwise a new one (32 hex digits)."""
    if trusted and _SHAPE.fullmatch(sent):
        return sent
    return uuid4().hex


@contextmanager
def serving(request_id: str) -> Iterator[str]:
    """Make `request_id` the current one for the length of the block."""
    token = _current.set(request_id)
    try:
        yield request_id
    finally:
        _current.reset(token)

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

from django.conf import settings

HEADER = "X-Request-ID"
_SHAPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_current: ContextVar[str] = ContextVar("chancery_request_id", default="")


def current_request_id() -> str:
    """The id of the request being served, or an empty string outside one."""
    return _current.get()


def begin_request(sent: str = "") -> str:
    """Give the request an id and return it: the one sent when it may be believed, otherwise 32 hex digits."""
    believed = bool(settings.TRUSTED_PROXY_COUNT) and _SHAPE.fullmatch(sent)
    request_id = sent if believed else uuid4().hex
    _current.set(request_id)
    return request_id


@contextmanager
def within_request(request_id: str) -> Iterator[None]:
    """Work that a request began and another process goes on with is told under the request's id."""
    mark = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(mark)

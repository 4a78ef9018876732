"""The feed as server-sent events (HTML standard, section 9.2), for integrations that hold no WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import orjson
from django.db import InterfaceError, OperationalError
from django.http import StreamingHttpResponse
from rest_framework import renderers
from rest_framework.request import Request

from apps.activity.feed import FeedQuery, key_actor, person_actor
from apps.activity.filters import CallFilter
from apps.activity.models import ToolCall
from apps.activity.queries import last_position
from apps.activity.tail import LOOK_EVERY_S, TAIL
from apps.activity.watching import Told, Watcher
from apps.identity.models import ApiKey, Principal
from apps.kit.errors import InvalidInput

LONGEST_POSITION = 18
HEARTBEAT_S = RECHECK_S = 15.0
PACE_S = 0.1


class EventStream(renderers.BaseRenderer):
    """Only so that `Accept: text/event-stream` is understood: the answer is no REST document."""

    media_type, format, charset = "text/event-stream", "sse", None

    def render(self, data: object, *_: object, **__: object) -> bytes:
        return orjson.dumps(data)


def stream_of(request: Request, actor: Principal) -> StreamingHttpResponse:
    """What comes from now on, or from `Last-Event-ID` (or `after`), as long as the reader listens."""
    given = request.query_params.copy()
    told = request.headers.get("Last-Event-ID") or given.get("after") or str(last_position())
    if not told.isdecimal() or len(told) > LONGEST_POSITION:
        raise InvalidInput(
            "Last-Event-ID is a position that a former event had.", fields={"after": "A whole number"}
        )
    given["after"] = told
    if not (chosen := CallFilter(given, ToolCall.objects.none())).is_valid():
        raise InvalidInput(
            "A filter is not understood.", fields={name: str(e[0]) for name, e in chosen.errors.items()}
        )
    watcher = Watcher(FeedQuery(int(told), given), _who(request, actor))
    answer = StreamingHttpResponse(_events(watcher), content_type="text/event-stream")
    answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"] = "no-store", "no"
    return answer


def _who(request: Request, actor: Principal) -> Callable[[], Principal | None]:
    if isinstance(request.auth, ApiKey):
        return partial(key_actor, request.auth.pk)
    return partial(person_actor, actor.person.pk, request._request.session.session_key)


async def _events(watcher: Watcher) -> AsyncIterator[bytes]:
    rechecked = spoke = -RECHECK_S
    with TAIL.reader() as news:
        while True:
            now = time.monotonic()
            news.clear()
            try:
                if now - rechecked >= RECHECK_S:
                    if not await watcher.refresh():
                        yield b"event: end\ndata: {}\n\n"
                        return
                    rechecked = now
                told = await watcher.next()
            except (OperationalError, InterfaceError):
                told = None  # the database is away: the reader stays, and goes on from its position
            if told is not None:
                spoke = now
                yield _worded(told)
                await asyncio.sleep(0 if told.full else PACE_S)
                continue
            if now - spoke >= HEARTBEAT_S:
                spoke = now
                yield b": still here\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), LOOK_EVERY_S)


def _worded(told: Told) -> bytes:
    """One event a call; the position of the last is where a reader goes on from."""
    if told.gap:
        return f"id: {told.position}\nevent: gap\ndata: {{}}\n\n".encode()
    events = [f"id: {entry.position}\nevent: call\ndata: {entry.json}\n\n" for entry in told.entries]
    if told.folded is not None:
        events.append(f"event: folded\ndata: {orjson.dumps(told.folded).decode()}\n\n")
    return "".join([*events, f"id: {told.position}\nevent: position\ndata: {told.position}\n\n"]).encode()

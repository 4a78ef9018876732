"""WebSockets open for pages of this very origin, at addresses there are."""

from __future__ import annotations

import pytest
from channels_redis.core import RedisChannelLayer
from django.conf import settings

from config.asgi import application
from tests.activity.sockets import Socket


def headers(origin: str, host: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:9999", "localhost:8000"),
        ("http://localhost", "localhost:8000"),
        ("http://evil.example", "localhost:8000"),
        ("", "localhost:8000"),
        ("http://localhost:8000", "localhost:8000"),  # ours, but there is nothing at this address
        ("https://localhost", "localhost:443"),
    ],
)
async def test_an_unknown_address_or_another_origin_is_closed_cleanly(origin: str, host: str) -> None:
    socket = Socket(application, "/ws/nowhere/", "", headers(origin, host))
    assert await socket.connect() != 0


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("https://localhost", "localhost:443", True),
        ("https://localhost", "localhost", True),
        ("http://localhost:9999", "localhost:8000", False),
        ("http://evil.example", "evil.example", False),
        ("null", "localhost", False),
    ],
)
def test_host_and_port_must_both_be_ours(origin: str, host: str, same: bool) -> None:
    from config.sockets import is_same_origin

    assert is_same_origin({"headers": headers(origin, host)}) is same


def test_a_socket_to_which_nothing_is_told_stays_open() -> None:
    """The layer waits `brpop_timeout` in one request: the connection must outwait it, or idle feeds end."""
    layer = RedisChannelLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
    for number in range(layer.ring_size):
        pool = layer.create_pool(number)
        assert pool.connection_kwargs["socket_timeout"] > 2 * layer.brpop_timeout

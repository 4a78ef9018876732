"""The one door for HTTP that Chancery sends by itself, to addresses that people entered.

https only. A name is resolved once and the connection goes to the address that was checked, so that a second
answer of the DNS cannot lead elsewhere; TLS still verifies the name. Addresses that are not public (private,
loopback, link-local, metadata services, carrier NAT, multicast, and the same wrapped in IPv6) are refused, unless
CHANCERY_OUTGOING_ALLOW lists the host, the address or its network: those may be http too. Redirects are not
followed, proxies of the environment not used, an answer is read up to a limit and within a deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx
from django.conf import settings

from apps.kit.destinations import NotSent, is_public, place_of, trusted
from apps.kit.errors import InvalidInput

__all__ = ["Answer", "NotSent", "Target", "check_address", "get", "is_public", "post", "target_of"]

CONNECT_S: Final = 5.0
DEADLINE_S: Final = 15.0
MOST_BYTES: Final = 1_000_000
AGENT: Final = "Chancery"


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is cut at the limit."""

    status: int
    body: bytes
    duration_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Target:
    """An address that may be reached: the URL, its host, and the one address the connection goes to."""

    url: httpx.URL
    host: str
    address: str


def check_address(url: str) -> None:
    """Raise InvalidInput, for the field url, when nothing may be sent there."""
    try:
        target_of(url)
    except NotSent as error:
        if error.is_refused:
            raise InvalidInput("This address is not used.", fields={"url": str(error)}) from error


def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    most_bytes: int = MOST_BYTES,
    deadline_s: float = DEADLINE_S,
) -> Answer:
    """Send once; NotSent when no answer came. No database and no retry in here: the caller keeps its own queue."""
    return _send("POST", url, content, headers, most_bytes, deadline_s)


def get(
    url: str, headers: Mapping[str, str], *, most_bytes: int = MOST_BYTES, deadline_s: float = DEADLINE_S
) -> Answer:
    """Ask once, under the same rules; NotSent when no answer came."""
    return _send("GET", url, b"", headers, most_bytes, deadline_s)


def _send(
    method: str, url: str, content: bytes, headers: Mapping[str, str], most_bytes: int, deadline_s: float
) -> Answer:
    began = time.monotonic()
    target = target_of(url)
    sent = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers, "Host": target.url.netloc.decode()}
    exchange = _exchange(method, target, content or None, sent, most_bytes, deadline_s)
    try:
        status, body, told = asyncio.run(asyncio.wait_for(exchange, deadline_s))
    except TimeoutError as error:
        raise NotSent("The answer took too long") from error
    except httpx.HTTPError as error:
        raise NotSent(f"{type(error).__name__}: {error}".rstrip(": ")) from error
    return Answer(status, body, _ms_since(began), told)


async def _exchange(
    method: str,
    target: Target,
    content: bytes | None,
    headers: Mapping[str, str],
    most_bytes: int,
    deadline_s: float,
) -> tuple[int, bytes, dict[str, str]]:
    """Ended from outside when its time is over: a timeout of the client is for each read, and headers can drip."""
    timeout = httpx.Timeout(min(CONNECT_S, deadline_s), read=deadline_s)
    async with (
        httpx.AsyncClient(verify=trusted(), timeout=timeout, trust_env=False, follow_redirects=False) as client,
        client.stream(
            method, target.url.copy_with(host=target.address), content=content, headers=headers,
            extensions={"sni_hostname": target.host},
        ) as response,
    ):  # fmt: skip
        return response.status_code, await _read(response, most_bytes), dict(response.headers)


def target_of(url: str) -> Target:
    """Where a URL leads, resolved and checked; NotSent otherwise."""
    place = place_of(url, settings.OUTGOING_ALLOW)
    return Target(httpx.URL(url), place.host, place.address)


async def _read(response: httpx.Response, most_bytes: int) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():  # asked for as it is: nothing compressed can swell in memory
        body += chunk[: most_bytes - len(body)]
        if len(body) >= most_bytes:
            break
    return body


def _ms_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)

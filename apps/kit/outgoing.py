"""The one door for HTTP that Chancery sends by itself, to addresses that people entered.

https only. A name is resolved once and the connection goes to the address that was checked, so that a second
answer of the DNS cannot lead elsewhere; TLS still verifies the name. Addresses that are not public (private,
loopback, link-local, metadata services, carrier NAT, multicast, and the same wrapped in IPv6) are refused, unless
CHANCERY_OUTGOING_ALLOW lists the host, the address or its network: those may be http too. Redirects are not
followed, proxies of the environment not used, an answer is read up to a limit and within a deadline.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import certifi
import httpx
from django.conf import settings

from apps.kit.errors import InvalidInput

CONNECT_S: Final = 5.0
DEADLINE_S: Final = 15.0
MOST_BYTES: Final = 1_000_000
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# Not public though Python calls them global: site-local, local NAT64 (which wraps private IPv4), IPv4-compatible and
# -translated, what IETF protocols use among themselves.
INNER: Final = tuple(
    map(ipaddress.ip_network, ("fec0::/10", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "192.0.0.0/24"))
)
AGENT: Final = "Chancery"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotSent(Exception):
    """No answer came: the message says why in words for a log. `is_refused` when our own rules forbid the address."""

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


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


@cache
def trusted() -> ssl.SSLContext:
    """The authorities of this machine (SSL_CERT_FILE and SSL_CERT_DIR name others), and those that certifi ships."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def target_of(url: str) -> Target:
    """Where a URL leads, resolved and checked; NotSent otherwise."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
        raise NotSent("Enter an address such as https://hooks.example.org/chancery", is_refused=True)
    listed = set(settings.OUTGOING_ALLOW)
    is_named = parts.hostname in listed
    try:
        port = parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80
        if not port:
            raise ValueError(port)
    except ValueError as error:
        raise NotSent("The port is no number between 1 and 65535", is_refused=True) from error
    addresses = _resolved(parts.hostname, port)
    is_listed = is_named or all(_in(one, listed) for one in addresses)
    if not is_listed:
        _require_public(parts.hostname, parts.scheme, addresses)
    return Target(httpx.URL(url), parts.hostname, str(addresses[0]))


def _require_public(host: str, scheme: str, addresses: Sequence[Address]) -> None:
    inner = next((one for one in addresses if not is_public(one)), None)
    if inner is not None:
        raise NotSent(
            f"{host} is not a public address. An administrator of this machine may list it in CHANCERY_OUTGOING_ALLOW",
            is_refused=True,
        )
    if scheme != "https":
        raise NotSent("Use https", is_refused=True)


def is_public(address: Address) -> bool:
    """True for what anybody on the Internet can reach; what IPv6 wraps counts as what it wraps."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if wrapped is None and address in NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if wrapped is not None:
            return is_public(wrapped)
    if any(address in network for network in INNER):
        return False
    return address.is_global and not address.is_multicast


def _resolved(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent(f"{host} is not found") from error
    return [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in found]


def _in(address: Address, listed: set[str]) -> bool:
    for entry in listed:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            continue  # a host's name
        if address in network:
            return True
    return False


async def _read(response: httpx.Response, most_bytes: int) -> bytes:
    body = b""
    async for chunk in response.aiter_raw():  # asked for as it is: nothing compressed can swell in memory
        body += chunk[: most_bytes - len(body)]
        if len(body) >= most_bytes:
            break
    return body


def _ms_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)

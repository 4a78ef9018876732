"""Which addresses Chancery may send to, and the one address a connection then goes to. Nothing of Django.

A name is resolved once and the connection goes to the address that was checked, so that a second answer of the DNS
cannot lead elsewhere. Addresses that are not public (private, loopback, link-local, metadata services, carrier NAT,
multicast, and the same wrapped in IPv6) are refused, unless `listed` names the host, the address or its network: those
may be http too.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

import certifi

NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
# Not public though Python calls them global: site-local, local NAT64 (which wraps private IPv4), IPv4-compatible and
# -translated, what IETF protocols use among themselves.
INNER: Final = tuple(
    map(ipaddress.ip_network, ("fec0::/10", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "192.0.0.0/24"))
)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotSent(Exception):
    """No answer came: the message says why in words for a log. `is_refused` when our own rules forbid the address."""

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


@dataclass(frozen=True)
class Place:
    """The host a URL names, and the one address the connection goes to."""

    host: str
    address: str
    port: int


def place_of(url: str, listed: Collection[str]) -> Place:
    """Where a URL leads, resolved and checked; NotSent otherwise."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
        raise NotSent("Enter an address such as https://hooks.example.org/chancery", is_refused=True)
    port = _port(parts)
    return Place(parts.hostname, str(checked(parts.hostname, port, parts.scheme, listed)[0]), port)


def checked(host: str, port: int, scheme: str, listed: Collection[str]) -> list[Address]:
    """The addresses of a host, if it may be sent to; NotSent otherwise."""
    addresses = _resolved(host, port)
    entries = set(listed)
    if host not in entries and not all(_in(one, entries) for one in addresses):
        _require_public(host, scheme, addresses)
    return addresses


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80
        if not port:
            raise ValueError(port)
    except ValueError as error:
        raise NotSent("The port is no number between 1 and 65535", is_refused=True) from error
    return port


@cache
def trusted() -> ssl.SSLContext:
    """The authorities of this machine (SSL_CERT_FILE and SSL_CERT_DIR name others), and those that certifi ships."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


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

"""Connections of the gateway go to addresses that were checked, by the rules of the one door out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from apps.kit.destinations import NotSent, checked, place_of, trusted


class GuardedResolver(AbstractResolver):
    """Resolves a name to addresses that may be sent to; the connection goes to one of these and no other."""

    def __init__(self, scheme: str, listed: Collection[str]) -> None:
        self._scheme, self._listed = scheme, listed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(None, checked, host, port, self._scheme, self._listed)
        except NotSent as error:
            raise OSError(str(error)) from error
        return [
            ResolveResult(
                hostname=host, host=str(one), port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if one.version == 6 else socket.AF_INET,
            )
            for one in found
        ]  # fmt: skip

    async def close(self) -> None:
        return


def session_to(url: str, listed: Collection[str], connections: int) -> aiohttp.ClientSession:
    """Connections for one address alone. Raises NotSent where a number is written that may not be sent to."""
    host, scheme = _host_of(url)
    if _is_number(host):
        place_of(url, listed)  # numbers pass by the resolver
    connector = aiohttp.TCPConnector(
        limit=connections,
        resolver=GuardedResolver(scheme, listed),
        ssl=trusted() if scheme == "https" else False,
        keepalive_timeout=60,
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    )


def _host_of(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0].partition("?")[0]
    host = authority.partition("]")[0][1:] if authority.startswith("[") else authority.partition(":")[0]
    return host, scheme.lower()


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

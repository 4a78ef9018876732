"""Reports findings and declarations to a Chancery; each body happens once however often it is sent."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from chancery_sdk.scan.finding import Finding

BATCH: Final = 500
ATTEMPTS: Final = 6
LONGEST_WAIT_S: Final = 60.0
RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class NotPosted(Exception):
    """The server refused what was sent or could not be reached; the message says which."""


@dataclass(frozen=True)
class Door:
    """Where to report, as whom. `sleep` waits between attempts; `transport` is httpx's."""

    url: str
    key: str
    timeout_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    transport: httpx.BaseTransport | None = None


def post_findings(
    findings: Sequence[Finding], door: Door, *, source: str, source_kind: str
) -> list[dict[str, Any]]:
    """Report the findings; returns the server's result for each, in their order. Raises NotPosted."""
    _check_address(door.url)
    results: list[dict[str, Any]] = []
    headers = {"Authorization": f"Bearer {door.key}"}
    with httpx.Client(headers=headers, timeout=door.timeout_s, transport=door.transport) as client:
        for batch in _batches(findings):
            body = {
                "source_kind": source_kind,
                "source": source,
                "findings": [one.as_json() for one in batch],
            }
            results.extend(_post(client, door, "discoveries", body)["results"])
    return results


def post_declarations(door: Door, body: dict[str, Any]) -> dict[str, Any]:
    """Apply one file's declarations, or rehearse it; returns the server's answer. Raises NotPosted."""
    _check_address(door.url)
    headers = {"Authorization": f"Bearer {door.key}"}
    with httpx.Client(headers=headers, timeout=door.timeout_s, transport=door.transport) as client:
        return _post(client, door, "agents/apply", body)


def _batches(findings: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    for start in range(0, len(findings), BATCH):
        yield findings[start : start + BATCH]


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotPosted(f"{url} is no web address.")
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        raise NotPosted("The key would travel unencrypted. Use an https address.")


def _post(client: httpx.Client, door: Door, resource: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send one body until it is taken or refused. All attempts carry one idempotency key."""
    address = f"{door.url.rstrip('/')}/api/v1/{resource}"
    headers = {"Idempotency-Key": str(uuid4())}
    problem, stated_wait = "", ""
    for attempt in range(ATTEMPTS):
        if attempt:
            door.sleep(_wait(attempt, stated_wait))
        stated_wait = ""
        try:
            response = client.post(address, json=body, headers=headers)
        except httpx.TransportError as error:
            problem = f"{door.url} could not be reached: {error}"
            continue
        if response.status_code not in RETRIED:
            return _taken(response)
        problem, stated_wait = _words(response), response.headers.get("Retry-After", "")
    raise NotPosted(f"{problem} Given up after {ATTEMPTS} attempts.")


def _taken(response: httpx.Response) -> dict[str, Any]:
    if response.is_success:
        answer: dict[str, Any] = response.json()
        return answer
    raise NotPosted(_words(response))


def _wait(attempt: int, stated: str) -> float:
    """What the server asked for, else twice as long each time with some chance in it."""
    if stated.isdecimal():
        return min(float(stated), LONGEST_WAIT_S)
    return float(min(0.5 * 2**attempt, LONGEST_WAIT_S) * random.uniform(0.5, 1.0))  # noqa: S311  # not for secrets


def _words(response: httpx.Response) -> str:
    """The problem detail of the answer, or its status."""
    try:
        problem = response.json()
        errors = [f"{name}: {words}." for name, words in problem.get("fields", {}).items()]
        detail = " ".join([problem.get("detail", ""), *errors])
    except (ValueError, AttributeError, KeyError, TypeError):
        detail = ""
    return f"The server answered {response.status_code}. {detail}".strip()

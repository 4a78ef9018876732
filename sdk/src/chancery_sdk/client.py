"""Telling a Chancery what an agent does, and asking it first. Nothing here raises into the agent or waits for the network
but `decide`, which has a deadline of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http import HTTPStatus
from itertools import chain, repeat
from typing import Any, Final, Unpack
from urllib.parse import urlsplit

import httpx

from chancery_sdk import telling
from chancery_sdk.delivery import Counts, Delivery
from chancery_sdk.telling import Call, Outcome, Verdict
from chancery_sdk.tracing import inject

logger = logging.getLogger("chancery_sdk")
UNREADABLE: Final = frozenset({400, 413, 422})
PATIENCE_S: Final = (0.5, 1.0, 2.0)
RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
BATCH: Final = "application/cloudevents-batch+json"
Transport = httpx.BaseTransport | httpx.AsyncBaseTransport


@dataclass(frozen=True)
class Options:
    """`fail_closed`: refuse a call when nobody could be asked. `ask` False: report only, every call is allowed.
    `only_refusals`: telemetry reports what ran, this client what did not.

    `agent_id` is an agent's id, number (AGT-0001) or slug; where several agents share a client, `agents` has the id of each
    by its name.

    `wait_for_person_s`: how long a call that a person has to decide about is waited for before the agent is told to come back.

    Sizes in events, times in seconds.
    """

    service: str = ""
    agent: str = ""
    agent_id: str = ""
    agents: Mapping[str, str] = field(default_factory=dict)
    ask: bool = True
    only_refusals: bool = False
    fail_closed: bool = False
    decision_timeout_s: float = 2.0
    wait_for_person_s: float = 0.0
    send_timeout_s: float = 10.0
    most_waiting: int = 10_000
    batch: int = 200
    interval_s: float = 1.0
    transport: Any = None


class _Reporting:
    """What both clients share: everything that only tells."""

    def __init__(self, url: str, key: str, options: Options) -> None:
        self.url, self._key, self.options = url.rstrip("/"), key, options
        self._delivery = Delivery(
            self._send, most=options.most_waiting, batch=options.batch, interval_s=options.interval_s
        )
        self._http: tuple[int, httpx.Client] | None = None
        self._has_warned = False

    @property
    def counts(self) -> Counts:
        """How many events were sent, dropped and refused so far."""
        return self._delivery.counts

    def tool_started(self, call: Call) -> None:
        if self.options.only_refusals:
            return
        self._tell(
            telling.STARTED, lambda: telling.told_of(self._named(call)) | {"arguments": call.arguments}
        )

    def tool_finished(self, call: Call, result: Any = None, error: BaseException | str | None = None) -> None:
        """The call came to an end: with a result, or with an error."""
        if self.options.only_refusals:
            return
        self._tell(
            telling.FINISHED,
            lambda: (
                telling.told_of(self._named(call))
                | {"arguments": call.arguments, "result": result, "duration_ms": call.duration_ms}
                | ({"error": telling.error_of(error)} if error is not None else {})
            ),
        )

    def tool_denied(self, call: Call, verdict: Verdict) -> None:
        """The call was refused and the tool did not run."""
        self._tell(
            telling.DENIED,
            lambda: (
                telling.told_of(self._named(call))
                | {"arguments": call.arguments, "reason": verdict.reason, "code": verdict.code}
                | {"decision_id": verdict.decision_id}
            ),
        )

    def handover(
        self, to_agent: str, task: Any = None, *, conversation_id: str = "", agent: str = ""
    ) -> dict[str, str]:
        """Tell that work goes to another agent; returns the headers (or A2A metadata) to send along."""
        carrier: dict[str, str] = {}
        traceparent = inject(carrier)
        told = {"to_agent": to_agent, "task": task, "conversation_id": conversation_id}
        named = {"agent": agent or self.options.agent}
        self._tell(telling.HANDOVER, lambda: told | named | self._service(), traceparent)
        return carrier

    def outcome(self, *, conversation_id: str, agent: str = "", **fields: Unpack[Outcome]) -> None:
        """Tell what a run came to: `outcome(conversation_id="c-1", resolved=True, rating=0.8)`.

        A field that is not one of `Outcome` is not sent: the event is dropped and counted.
        """
        named = {"conversation_id": conversation_id, "agent": agent or self.options.agent}
        self._tell(telling.OUTCOME, lambda: telling.outcome_of(fields) | named | self._service())

    def _named(self, call: Call) -> Call:
        return replace(
            call, agent=call.agent or self.options.agent, service=call.service or self.options.service
        )

    def _agent_id(self, name: str) -> str:
        return self.options.agents.get(name) or self.options.agent_id

    def _service(self) -> dict[str, str]:
        return {"service": self.options.service}

    def _tell(self, kind: str, data: Callable[[], dict[str, Any]], traceparent: str = "") -> None:
        try:
            told = data()
            told["agent_id"] = self._agent_id(str(told.get("agent", "")))
            self._delivery.put(telling.event(kind, self.options.service, told, traceparent))
        except Exception:  # the agent must not notice
            logger.debug("an event could not be made", exc_info=True)
            self.counts.dropped += 1

    def _send(self, body: bytes) -> bool:
        """Post one batch, on the delivery's thread."""
        if self._http is None or self._http[0] != os.getpid():  # a fork does not share connections
            settings = self._settings(self.options.send_timeout_s, httpx.BaseTransport)
            self._http = (os.getpid(), httpx.Client(**settings))
        address, headers = f"{self.url}/api/v1/events", {"Content-Type": BATCH}
        response = self._http[1].post(address, content=body, headers=headers)
        if response.status_code in RETRIED:
            return False
        self._count(response)
        return True

    def _count(self, response: httpx.Response) -> None:
        told = response.json() if response.status_code == 200 else {}
        if told:
            self.counts.sent += int(told.get("accepted", 0))
        self.counts.refused += int(told.get("rejected", 0)) if told else 1
        if (not told or told.get("rejected")) and not self._has_warned:
            self._has_warned = True
            logger.warning("Chancery refuses events: %s %.300s", response.status_code, response.text)

    def _settings(self, timeout_s: float, kind: type[Transport]) -> dict[str, Any]:
        given = self.options.transport
        told: dict[str, Any] = {"headers": {"Authorization": f"Bearer {self._key}"}, "timeout": timeout_s}
        if isinstance(given, kind):
            return told | {"transport": given}
        return told | ({"verify": _tls()} if self.url.startswith("https") else {})

    def _question(self, call: Call, approval_id: str = "") -> dict[str, Any]:
        return {
            "url": f"{self.url}/api/v1/decisions",
            "content": telling.question(call, self._agent_id(call.agent), approval_id),
            "headers": {"Content-Type": "application/json"},
        }

    def _approval_url(self, verdict: Verdict) -> str:
        return f"{self.url}/api/v1/approvals/{verdict.approval_id}"

    def _waits(self, verdict: Verdict) -> bool:
        return verdict.outcome == "ask" and bool(verdict.approval_id) and self.options.wait_for_person_s > 0

    def _verdict(self, response: httpx.Response) -> Verdict:
        if response.status_code == HTTPStatus.NOT_FOUND:
            return telling.unknown(self.options.agent_id)
        if response.status_code in UNREADABLE:
            return telling.unreadable(response.text[:300])
        if response.status_code != 200:
            return self._not_asked(f"the server answered {response.status_code} {response.text[:200]}")
        return telling.answer(response.json())

    def _not_asked(self, why: object) -> Verdict:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("Chancery could not be asked: %s", why)
        return telling.fallback(self.options.fail_closed, f"Chancery could not be asked: {why}")


class Client(_Reporting):
    """For agents that do not run on asyncio.

    `url` and `key` default to CHANCERY_URL and CHANCERY_KEY, the service to OTEL_SERVICE_NAME, the agent's id to
    CHANCERY_AGENT_ID. The key has the scopes `ingest` and, to be asked, `decide`.
    """

    def __init__(self, url: str = "", key: str = "", **options: Any) -> None:
        super().__init__(*_told(url, key, options))
        self._asking: tuple[int, httpx.Client] | None = None

    def decide(self, call: Call) -> Verdict:
        """May the call be made? Never raises; waits at most about `decision_timeout_s`, and `wait_for_person_s` for a person."""
        if not self.options.ask:
            return Verdict("allow", asked=False)
        try:
            if self._asking is None or self._asking[0] != os.getpid():
                settings = self._settings(self.options.decision_timeout_s, httpx.BaseTransport)
                self._asking = (os.getpid(), httpx.Client(**settings))
            verdict = self._verdict(self._asking[1].post(**self._question(call)))
            return self._waited(self._asking[1], call, verdict) if self._waits(verdict) else verdict
        except (ValueError, TypeError) as error:
            return telling.unreadable(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the agent gets the fallback
            return self._not_asked(str(error) or type(error).__name__)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every event is delivered; False when time ran out."""
        return self._delivery.flush(timeout_s)

    def _waited(self, http: httpx.Client, call: Call, verdict: Verdict) -> Verdict:
        """What the person said, if they did in time; the call is asked about again then."""
        until, pauses = (
            time.monotonic() + self.options.wait_for_person_s,
            chain(PATIENCE_S, repeat(PATIENCE_S[-1])),
        )
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(next(pauses), left))
            told = http.get(self._approval_url(verdict)).raise_for_status().json()
            if told["state"] == "approved":
                again = self._verdict(http.post(**self._question(call, verdict.approval_id)))
                return again if again.allowed else telling.settled(told, verdict)
            if told["state"] != "pending":
                return telling.settled(told, verdict)
        return verdict

    def close(self, timeout_s: float = 5.0) -> bool:
        if self._asking is not None:
            self._asking[1].close()
            self._asking = None
        return self._delivery.close(timeout_s)


class AsyncClient(_Reporting):
    """As `Client`, for agents on asyncio; may be used from several event loops one after the other."""

    def __init__(self, url: str = "", key: str = "", **options: Any) -> None:
        super().__init__(*_told(url, key, options))
        self._asking: tuple[asyncio.AbstractEventLoop, httpx.AsyncClient] | None = None

    async def decide(self, call: Call) -> Verdict:
        """May the call be made? Never raises; waits at most `decision_timeout_s`, and `wait_for_person_s` for a person."""
        if not self.options.ask:
            return Verdict("allow", asked=False)
        try:
            async with asyncio.timeout(self.options.decision_timeout_s):
                verdict = self._verdict(await self._asker().post(**self._question(call)))
            return await self._waited(call, verdict) if self._waits(verdict) else verdict
        except (ValueError, TypeError) as error:
            return telling.unreadable(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the agent gets the fallback
            return self._not_asked(str(error) or type(error).__name__)

    async def _waited(self, call: Call, verdict: Verdict) -> Verdict:
        """As the other client's."""
        until, pauses = (
            time.monotonic() + self.options.wait_for_person_s,
            chain(PATIENCE_S, repeat(PATIENCE_S[-1])),
        )
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(next(pauses), left))
            told = (await self._asker().get(self._approval_url(verdict))).raise_for_status().json()
            if told["state"] == "approved":
                again = self._verdict(await self._asker().post(**self._question(call, verdict.approval_id)))
                return again if again.allowed else telling.settled(told, verdict)
            if told["state"] != "pending":
                return telling.settled(told, verdict)
        return verdict

    async def flush(self, timeout_s: float = 5.0) -> bool:
        return await asyncio.to_thread(self._delivery.flush, timeout_s)

    async def close(self, timeout_s: float = 5.0) -> bool:
        return await asyncio.to_thread(self._delivery.close, timeout_s)

    def _asker(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._asking is None or self._asking[0] is not loop:
            settings = self._settings(self.options.decision_timeout_s, httpx.AsyncBaseTransport)
            self._asking = (loop, httpx.AsyncClient(**settings))
        return self._asking[1]


def _told(url: str, key: str, options: dict[str, Any]) -> tuple[str, str, Options]:
    """The settings: what is given, else what the environment says. ValueError for an address nobody should use."""
    environment = os.environ
    url = url or environment.get("CHANCERY_URL", "http://localhost:8000")
    options.setdefault("service", environment.get("OTEL_SERVICE_NAME", ""))
    options.setdefault("agent_id", environment.get("CHANCERY_AGENT_ID", ""))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no web address")
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        raise ValueError("the key would travel unencrypted: use an https address")
    return url, key or environment.get("CHANCERY_KEY", ""), Options(**options)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Made once: it takes about 50 ms."""
    return httpx.create_ssl_context()

"""The ASGI application of the decisions door.

POST /api/v1/decisions            one question
POST /api/v1/decisions/batch      {"questions": [...]}: an answer or a problem for each
POST /access/v1/evaluation        AuthZEN
POST /access/v1/evaluations       AuthZEN, several
GET  /.well-known/authzen-configuration
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson
import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apps.identity.audit import acting
from apps.kit.errors import DomainError, NotPermitted, TooLarge, Unavailable, WrongMethod
from apps.kit.request_id import begin_request, current_request_id
from apps.kit.rest.problems import MEDIA_TYPE, as_domain_error, problem
from apps.oversight import holding
from apps.oversight.bare_door import is_ours
from apps.oversight.case import Case
from apps.oversight.door import askers
from apps.oversight.door.connections import Connections
from apps.oversight.door.reading import (
    Asking,
    asking_of,
    batch_of,
    evaluated,
    evaluation_of,
    evaluations_of,
    json_of,
    refused,
    told_of,
)
from apps.oversight.models import Decision
from apps.oversight.services.decisions import decide
from apps.oversight.writing import statement

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
T = TypeVar("T")
OURS: Final = "/api/v1/decisions"
ABOUT: Final = "/.well-known/authzen-configuration"
EVALUATION: Final = "/access/v1/evaluation"
PATHS: Final = frozenset({OURS, f"{OURS}/batch", EVALUATION, f"{EVALUATION}s", ABOUT})
MOST_BYTES: Final = 1024 * 1024
THREADS: Final = 4
JSON: Final = b"application/json"
AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError, OSError)
logger = logging.getLogger(__name__)


@dataclass
class Door:
    """What lives from startup to shutdown."""

    connections: Connections
    threads: ThreadPoolExecutor


_door: Door | None = None


async def startup() -> None:
    global _door
    _door = Door(
        Connections(settings.DATABASE_URL), ThreadPoolExecutor(THREADS, thread_name_prefix="decisions")
    )


async def shutdown() -> None:
    global _door
    if _door is not None:
        await _door.connections.close()
        _door.threads.shutdown()
        _door = None


def is_for_the_door(scope: Scope) -> bool:
    """True for whoever brings a key to our own API, where a session is for Django, and for everybody at AuthZEN's addresses."""
    if _door is None or scope["path"] not in PATHS:
        return False
    asks_as_key = scope["method"] == "POST" and any(name == b"authorization" for name, _ in scope["headers"])
    return asks_as_key or scope["path"] != OURS


async def decisions_door(scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    begin_request(headers.get(b"x-request-id", ""))
    try:
        if not is_ours(headers):
            raise NotPermitted("This address is not answered for another host or origin.")
        if scope["path"] == ABOUT:
            await _send(send, 200, _about())
            return
        if scope["method"] != "POST":
            raise WrongMethod("Ask with POST.")
        answer = await WAYS[scope["path"]](headers.get(b"authorization", ""), json_of(await _body(receive)))
        await _send(send, 200, answer)
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        await _refuse(send, known)


def _about() -> dict[str, str]:
    """Where what is asked: the metadata of AuthZEN section 9."""
    here = settings.PUBLIC_URL.rstrip("/")
    return {
        "policy_decision_point": here,
        "access_evaluation_endpoint": f"{here}{EVALUATION}",
        "access_evaluations_endpoint": f"{here}{EVALUATION}s",
    }


async def _one(authorization: str, told: Any) -> Any:
    return await _answer(authorization, asking_of(told))


async def _batch(authorization: str, told: Any) -> Any:
    async def each(question: Any) -> dict[str, Any]:
        try:
            return {"decision": await _answer(authorization, asking_of(question))}
        except Exception as error:
            known = _known(error)
            if known is None or known.status in (401, 403):
                raise
            return {"problem": problem(known)}

    return {"answers": [await each(question) for question in batch_of(told)]}


async def _evaluation(authorization: str, told: Any) -> Any:
    return evaluated(await _answer(authorization, evaluation_of(told)))


async def _evaluations(authorization: str, told: Any) -> Any:
    rows, ends_after = evaluations_of(told)
    found: list[dict[str, Any]] = []
    for row in rows:
        try:
            found.append(evaluated(await _answer(authorization, evaluation_of(row))))
        except Exception as error:
            known = _known(error)
            if known is None or known.status == 401:
                raise
            found.append(refused(known))
        if ends_after(found[-1]["decision"]):
            break
    return {"evaluations": found}


WAYS: Final[dict[str, Callable[[str, Any], Awaitable[Any]]]] = {
    OURS: _one,
    f"{OURS}/batch": _batch,
    EVALUATION: _evaluation,
    f"{EVALUATION}s": _evaluations,
}


async def _answer(authorization: str, asking: Asking) -> dict[str, Any]:
    """From memory where that is enough, else through the services, which fill it."""
    quick = _quick(authorization, asking)
    if quick is not None:
        case, asker = quick
        plain = case.plain()
        if plain is not None:
            sql, values = statement(case.held, plain)
            if await _opened().connections.count(sql, values):
                return told_of(plain.decision, case.held.ref, asker.told())
            askers.forget(authorization)
            holding.forget(case.held.agent_id)
    return await _in_thread(_slowly, authorization, asking)


def _quick(authorization: str, asking: Asking) -> tuple[Case, askers.Asker] | None:
    """None unless everything is in memory: the asker, its right to ask about the agent, the agent, the tool."""
    asker = askers.remembered(authorization)
    held = holding.at_hand(asker.agents[asking.agent][0]) if asker and asking.agent in asker.agents else None
    if asker is None or held is None or not asker.agent_of(asking.agent, held):
        return None
    asked = asking.question.asked()
    if asked.tool not in held.tools:
        return None
    return Case(held, asked, asker.principal, approval=asking.question.approval, asker=asker.mark), asker


def _slowly(authorization: str, asking: Asking) -> dict[str, Any]:
    """On a thread, with a connection of Django's."""
    asker = askers.remembered(authorization) or askers.asker_of(authorization)
    agent = askers.agent_asked_about(asker, asking.agent)
    with acting(asker.principal):
        decision = decide(agent, asking.question, actor=asker.principal)
    held = holding.held(agent.pk)
    askers.note(asker, asking.agent, held)
    return told_of(decision, held.ref, _asked_by(decision, asker))


def _asked_by(decision: Decision, asker: askers.Asker) -> dict[str, str]:
    one = decision.asked_by
    return (
        asker.told()
        if one.pk == asker.principal.pk
        else {"id": str(one.pk), "kind": one.kind, "name": one.name}
    )


async def _in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """The connection goes back to the pool at the end."""

    def worked() -> T:
        try:
            return work(*arguments)
        finally:
            connection.close()

    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_opened().threads, context.run, worked)


def _opened() -> Door:
    if _door is None:
        raise Unavailable("The door is not open yet.", retry_after_s=1)
    return _door


def _known(error: Exception) -> DomainError | None:
    if isinstance(error, DomainError):
        return error
    if isinstance(error, AWAY):
        logger.error("no decision could be made: %s", error)
        return Unavailable("The database does not answer; nothing was decided.", retry_after_s=1)
    return as_domain_error(error)


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Unavailable("The connection ended before the body did.")
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            raise TooLarge(f"At most {MOST_BYTES} bytes a question.")
        if not event.get("more_body", False):
            return b"".join(parts)


async def _refuse(send: Send, error: DomainError) -> None:
    more = []
    if error.status == 401:
        more.append((b"www-authenticate", b'Bearer realm="chancery"'))
    if error.retry_after_s is not None:
        more.append((b"retry-after", str(error.retry_after_s).encode()))
    await _send(send, error.status, problem(error), MEDIA_TYPE.encode(), more)


async def _send(
    send: Send, status: int, told: Any, media: bytes = JSON, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = orjson.dumps(told)
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", current_request_id().encode()),
        *(more or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

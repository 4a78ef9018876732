"""The bare ASGI application of the gateway: /mcp/<server> for MCP, /healthz for whoever watches.

Requests with an Origin are refused: no page in a browser has business here (DNS rebinding).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from hashlib import sha256
from typing import Any

import orjson

from apps.oversight.gateway.answers import JSON, Answer
from apps.oversight.gateway.court import Asker
from apps.oversight.gateway.errors import NO_SESSION, GatewayError, NotAdmitted, Refused
from apps.oversight.gateway.gateway import Gateway
from apps.oversight.gateway.messages import error_body
from apps.oversight.gateway.sessions import opened, signed
from apps.oversight.gateway.settings import GatewaySettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PREFIX = "/mcp/"
SESSION = "mcp-session-id"
AGENT = "x-chancery-agent"
BODY_WITHIN_S = 30.0
ONCE = frozenset(
    {"authorization", SESSION, AGENT, "mcp-method", "mcp-name", "mcp-protocol-version", "content-type"}
)
RETURNED = frozenset({"content-type", "cache-control", "retry-after", "allow"})


class Application:
    """ASGI, with a lifespan that opens and closes the gateway."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._gateway: Gateway | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._gateway = Gateway(self._settings)
        self._gateway.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._gateway.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._gateway is not None
        if scope["path"] == "/healthz":
            await _reply(send, self._health(self._gateway))
            return
        try:
            answer = await self._answered(self._gateway, scope, receive)
        except GatewayError as error:
            await _reply(send, _refusal(error))
            return
        try:
            await _until_gone(_reply(send, answer), receive, answer)
        finally:
            await answer.close()

    async def _answered(self, gateway: Gateway, scope: Scope, receive: Receive) -> Answer:
        headers = _headers(scope)
        slug = scope["path"].removeprefix(PREFIX)
        if not scope["path"].startswith(PREFIX) or not slug or "/" in slug:
            raise NotAdmitted(
                "There is nothing at this address.", reason="gateway.no_such_server", status=404
            )
        asker = _asker(headers)
        key, caller = gateway.court.own_token, _caller_mark(asker)
        if SESSION in headers:
            session = opened(headers[SESSION], key, slug, caller)
            if session is None:
                raise Refused(
                    "This session is not known.", code=NO_SESSION, status=404, reason="gateway.no_session"
                )
            headers[SESSION] = session
        answer = await _carried(gateway, scope["method"], asker, slug, headers, receive)
        return _returned(answer, lambda told: signed(told, key, slug, caller))

    def _health(self, gateway: Gateway) -> Answer:
        configuration = gateway.configuration
        told = {
            "ready": configuration.is_loaded,
            "servers": len(configuration.servers),
            "reports": gateway.reporter.as_json(),
        }
        return Answer(200 if configuration.is_loaded else 503, {"content-type": JSON}, orjson.dumps(told))


async def _carried(
    gateway: Gateway, method: str, asker: Asker, slug: str, headers: dict[str, str], receive: Receive
) -> Answer:
    if method == "POST":
        return await gateway.post(
            asker, slug, await _body(receive, gateway.settings.most_body_bytes), headers
        )
    if method == "GET":
        return await gateway.listen(asker, slug, headers)
    if method == "DELETE":
        return await gateway.end(asker, slug, headers)
    raise Refused("Send POST, GET or DELETE.", status=405)


def _headers(scope: Scope) -> dict[str, str]:
    """By name in small letters. Raises Refused for one said twice where two readers could take different ones."""
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1")
        if name in found and (name in ONCE or name.startswith("mcp-param-")):
            raise Refused(f"The header {name} is said twice.")
        found[name] = value.decode("latin-1")
    if "origin" in found:
        raise NotAdmitted("This address is not for pages in a browser.", reason="gateway.origin")
    return found


def _asker(headers: dict[str, str]) -> Asker:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        words = "Send the agent's API key: Authorization: Bearer chy_..."
        raise NotAdmitted(words, reason="auth.required", status=401)
    return Asker(token.strip(), headers.get(AGENT, "").strip())


def _caller_mark(asker: Asker) -> str:
    return sha256(f"{asker.token}\0{asker.agent}".encode()).hexdigest()


async def _body(receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise Refused("The connection ended before the body did.")
                parts.append(event.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise Refused(f"At most {most} bytes a message.", status=413, reason="gateway.too_large")
                if not event.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError as error:
        raise Refused("The body did not arrive in time.", status=408) from error


def _returned(answer: Answer, sign: Callable[[str], str]) -> Answer:
    """What goes back of the server's headers: never its cookies or challenges; its session as ours."""
    headers = {name: value for name, value in answer.headers.items() if name in RETURNED}
    if session := answer.headers.get(SESSION):
        headers[SESSION] = sign(session)
    answer.headers = headers
    return answer


def _refusal(error: GatewayError) -> Answer:
    headers = {"content-type": JSON}
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="chancery"'
    if error.status == 405:
        headers["allow"] = "POST, GET, DELETE"
    return Answer(error.status, headers, error_body(error.message_id, error))


async def _until_gone(replying: Coroutine[Any, Any, None], receive: Receive, answer: Answer) -> None:
    """A stream ends when nobody listens any longer, also while the server behind it is silent."""
    if answer.chunks is None:
        await replying
        return
    work = asyncio.create_task(replying)
    leaving = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, leaving):
            task.cancel()
        await asyncio.gather(work, leaving, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reply(send: Send, answer: Answer) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"x-content-type-options", b"nosniff"))
    if answer.chunks is None:
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    async for chunk in answer.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

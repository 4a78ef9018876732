"""Reading one JSON-RPC message so that the gateway and the server behind it cannot read it differently. Pure.

A key that is said twice, or once more in other letters where it decides, could mean one thing here and another there: such a
message is refused. So is one whose headers and body disagree. What passes is carried byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from mcp.shared.inbound import NAME_BEARING_METHODS, decode_header_value

from apps.oversight.gateway.errors import HEADER_MISMATCH, PARSE_ERROR, GatewayError, Refused

CALL, LIST, INITIALIZE, DISCOVER = "tools/call", "tools/list", "initialize", "server/discover"
MODERN = "2026-07-28"
TOOL_USE = "claudecode/toolUseId"
CONVERSATION = "chancery/conversationId"
CONVERSATION_HEADER = "x-chancery-conversation"
DENIAL = "ai.chancery/denial"
LONGEST_ID = 255
ENVELOPE = frozenset({"jsonrpc", "id", "method", "params", "name", "arguments", "_meta"})
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """One message. `id` None: a notification. `method` '': an answer to the server. `name`: the tool of a call.
    `told_conversation` is what a header says where the message itself says nothing."""

    raw: bytes
    body: dict[str, Any]
    id: Any
    method: str
    params: dict[str, Any]
    is_modern: bool
    told_conversation: str = ""

    @property
    def name(self) -> str:
        return str(self.params.get("name", ""))

    @property
    def arguments(self) -> dict[str, Any]:
        told = self.params.get("arguments")
        return told if isinstance(told, dict) else {}

    @property
    def meta(self) -> dict[str, Any]:
        told = self.params.get("_meta")
        return told if isinstance(told, dict) else {}

    @property
    def traceparent(self) -> str:
        return _text(self.meta.get("traceparent"))

    @property
    def conversation(self) -> str:
        return _text(self.meta.get(CONVERSATION)) or self.told_conversation

    def call_id(self) -> str:
        """The model's own id of the call where the client tells it; else one of ours, another each time."""
        return _text(self.meta.get(TOOL_USE)) or f"gateway-{uuid4()}"


def read_message(raw: bytes, headers: Headers) -> Message:
    """Raises Refused for what is no single message, or would be read differently elsewhere."""
    try:
        body = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"The body is not read: {error}.", code=PARSE_ERROR) from error
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise Refused("Send one JSON-RPC 2.0 message; batches are not carried.")
    method, params = body.get("method", ""), body.get("params", {})
    if (
        not isinstance(method, str)
        or not isinstance(params, dict)
        or isinstance(body.get("id"), (dict, list, bool))
    ):
        raise Refused("The method is text, the parameters are an object, the id is text or a number.")
    is_modern = headers.get("mcp-protocol-version", "") >= MODERN
    conversation = _text(headers.get(CONVERSATION_HEADER))
    message = Message(raw, body, body.get("id"), method, params, is_modern, conversation)
    try:
        _check_letters(body, params)
        _check_headers(message, headers)
        _check_call(message)
    except GatewayError as error:
        error.message_id = message.id
        raise
    return message


def with_arguments(message: Message, arguments: dict[str, Any]) -> bytes:
    """The message with other arguments, as bytes."""
    return orjson.dumps(message.body | {"params": message.params | {"arguments": arguments}})


def error_body(message_id: Any, error: GatewayError) -> bytes:
    told = {"code": error.code, "message": error.message, "data": {"code": error.reason}}
    return orjson.dumps({"jsonrpc": "2.0", "id": message_id, "error": told})


def denial_body(
    message: Message, code: str, reason: str, told: Mapping[str, Any], steps: Sequence[str]
) -> bytes:
    """A refusal as the result of a tool, which agents read and go on from."""
    text = " ".join([f"Not done. Chancery refused this call ({code}): {reason}", *steps])
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": text}],
        "isError": True,
        "_meta": {DENIAL: {"code": code, "reason": reason, **told}},
    }
    if message.is_modern:
        result["resultType"] = "complete"
    return orjson.dumps({"jsonrpc": "2.0", "id": message.id, "result": result})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is said twice")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _check_letters(*objects: Mapping[str, Any]) -> None:
    """Some servers read keys whatever their letters."""
    for one in objects:
        if any(key not in ENVELOPE and key.casefold() in ENVELOPE for key in one):
            raise Refused("A key is written in other letters than the protocol has it.")


def _check_headers(message: Message, headers: Headers) -> None:
    """Where headers say what the body says, they say the same; since 2026-07-28 they have to."""
    wanted = {"mcp-method": message.method}
    if message.method in NAME_BEARING_METHODS:
        wanted["mcp-name"] = str(message.params.get(NAME_BEARING_METHODS[message.method], ""))
    for header, value in wanted.items():
        told = decode_header_value(headers.get(header))
        is_missing = header not in headers
        if (is_missing and message.is_modern and message.method) or (not is_missing and told != value):
            raise Refused(
                f"The header {header} and the body do not say the same.",
                code=HEADER_MISMATCH,
                reason="gateway.header_mismatch",
            )


def _check_call(message: Message) -> None:
    if message.method != CALL:
        return
    if not isinstance(message.params.get("name"), str) or not 0 < len(message.name) <= LONGEST_ID:
        raise Refused(f"A call names its tool, in at most {LONGEST_ID} characters.")
    if message.id is None:
        raise Refused("A call has an id: nobody would hear what came of it.")
    if not isinstance(message.params.get("arguments", {}), dict):
        raise Refused("The arguments of a call are an object.")


def _text(value: Any) -> str:
    return value[:LONGEST_ID] if isinstance(value, str) else ""

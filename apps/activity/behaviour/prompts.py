"""What the person asked for, out of the attributes of a span, whichever client wrote it. Pure.

Read are, in this order: a text that is a prompt by name, messages in one of the forms of GenAI, OpenInference and
traceloop, and the input of the outermost span. Only what a user said counts: neither system texts nor tool results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from apps.activity.ingest.dialects import EVENTS
from apps.activity.ingest.reading import parsed

TEXTS: Final = ("user_prompt", "prompt", "gen_ai.prompt", "gen_ai.task.input")
MESSAGES: Final = (
    "gen_ai.input.messages", "pydantic_ai.all_messages", "gcp.vertex.agent.llm_request", "traceloop.entity.input",
    "input.value", "gen_ai.input",
)  # fmt: skip
FLAT: Final = re.compile(r"^(?:llm\.input_messages\.(\d+)\.message|gen_ai\.prompt\.(\d+))\.(role|content)$")
PARTS: Final = re.compile(r"^llm\.input_messages\.(\d+)\.message\.contents\.\d+\.message_content\.text$")
USERS: Final = frozenset({"user", "human", "humanmessage"})
NOT_SAID: Final = frozenset({"tool_result", "tool_call_response", "function_response", "tool"})
EVENT: Final = "gen_ai.user.message"
LONGEST: Final = 4_000
LAST: Final = 3
DEEPEST: Final = 12
REDACTED: Final = frozenset({"<REDACTED>", "[REDACTED]", "REDACTED", "__REDACTED__"})


def request_in(attributes: Mapping[str, Any]) -> str:
    """The last three things a user said, one a line; '' when nothing tells."""
    for said in (_named(attributes), _flat(attributes), _of_events(attributes), _of_messages(attributes)):
        kept = [text for text in dict.fromkeys(said) if text.strip() and text.strip() not in REDACTED]
        if kept:
            return "\n".join(kept[-LAST:])[-LONGEST:]
    return ""


def _named(attributes: Mapping[str, Any]) -> list[str]:
    values = (parsed(attributes.get(name)) for name in TEXTS)
    return [value for value in values if isinstance(value, str)][:1]


def _flat(attributes: Mapping[str, Any]) -> list[str]:
    """`llm.input_messages.0.message.role` and its kin: one attribute for each part."""
    roles: dict[int, str] = {}
    words: dict[int, list[str]] = {}
    for name, value in attributes.items():
        found = FLAT.match(name)
        part = PARTS.match(name)
        if found and found[3] == "role":
            roles[int(found[1] or found[2])] = str(value).lower()
        elif found:
            words.setdefault(int(found[1] or found[2]), []).append(str(value))
        elif part:
            words.setdefault(int(part[1]), []).append(str(value))
    return [" ".join(words.get(at, [])) for at in sorted(roles) if roles[at] in USERS]


def _of_events(attributes: Mapping[str, Any]) -> list[str]:
    events = attributes.get(EVENTS)
    told = [
        one.get("attributes")
        for one in (events if isinstance(events, list) else ())
        if isinstance(one, Mapping) and one.get("name") == EVENT
    ]
    contents = [parsed(one.get("content")) for one in told if isinstance(one, Mapping)]
    return [text for content in contents for text in _texts(content, 0)]


def _of_messages(attributes: Mapping[str, Any]) -> list[str]:
    for name in MESSAGES:
        value = parsed(attributes.get(name))
        said = list(_said(value, 0)) if isinstance(value, (list, dict)) else []
        if said:
            return said
    plain = attributes.get("input.value")
    return [plain] if isinstance(plain, str) and plain[:1] not in "{[" else []


def _said(value: Any, depth: int) -> Iterator[str]:
    """Whatever a user said anywhere within nested messages, in their order."""
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and value[0].lower() in USERS:
            yield from _texts(value[1], depth + 1)
            return
        for inner in value:
            yield from _said(inner, depth + 1)
    elif isinstance(value, dict):
        if _role(value) in USERS:
            yield from _texts(_body(value), depth + 1)
            return
        for inner in value.values():
            yield from _said(parsed(inner), depth + 1)


def _role(message: Mapping[str, Any]) -> str:
    named = message.get("role") or message.get("type")
    path = message.get("id")
    if isinstance(path, list) and path and "kwargs" in message:  # langchain's own serialisation
        named = path[-1]
    return named.lower() if isinstance(named, str) else ""


def _body(message: Mapping[str, Any]) -> Any:
    inner = message.get("kwargs")
    held = inner if isinstance(inner, Mapping) else message
    return next((held[key] for key in ("parts", "content", "text") if held.get(key)), None)


def _texts(value: Any, depth: int) -> Iterator[str]:
    """The texts of one message: itself, or those of its parts that somebody said."""
    if depth > DEEPEST:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, depth + 1)
    elif isinstance(value, dict) and str(value.get("type", "")).lower() not in NOT_SAID:
        yield from _texts(value.get("content") or value.get("text"), depth + 1)

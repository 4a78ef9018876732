"""The same search on a call in memory: the live feed reads each call once, for all who watch.

PostgreSQL's parser keeps some compounds (an address, a path, a number with a sign) as one word; here they are their parts,
one after the other, which finds the same of what people type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from apps.activity.models import ToolCall
from apps.activity.words.indexing import LONGEST

WORD = re.compile(r"[^\W_]+")
TERM = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')
Phrase = tuple[str, ...]


def matcher(asked: str) -> Callable[[ToolCall], bool]:
    """Whether a call has these words: all of them, "quoted" ones as a phrase, -without, or."""
    choices = _choices(asked)

    def fits(call: ToolCall) -> bool:
        words = f" {' '.join(_words(_told(call)))} "
        return any(all((_has(words, phrase)) == wanted for wanted, phrase in choice) for choice in choices)

    return fits if any(choices) else lambda call: False


def _choices(asked: str) -> list[list[tuple[bool, Phrase]]]:
    """What `or` keeps apart, each as phrases that have to be there or not."""
    choices: list[list[tuple[bool, Phrase]]] = [[]]
    for minus, quoted, plain in TERM.findall(asked):
        if plain.lower() == "or" and not minus:
            choices.append([])
        elif phrase := tuple(_words(quoted or plain)):
            choices[-1].append((not minus, phrase))
    return [choice for choice in choices if choice]


def _has(words: str, phrase: Phrase) -> bool:
    return f" {' '.join(phrase)} " in words


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _told(call: ToolCall) -> str:
    """What is indexed of a call."""
    names = (
        call.tool_name, call.mcp_server, call.agent_name, call.service_name, call.call_id, call.conversation_id,
        call.error_type, call.error_message,
    )  # fmt: skip
    return " ".join([*names, *(_json(value) for value in (call.arguments, call.result))])[:LONGEST]


def _json(value: Any) -> str:
    return "" if value is None else orjson.dumps(value).decode()

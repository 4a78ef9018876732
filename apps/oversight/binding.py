"""What a decision is bound to: the sha256 of everything that it was made on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson
import rfc8785
from chancery_sdk.policy.question import Question

from apps.oversight.holding import Held


def digest_of(held: Held, question: Question) -> str:
    """Of agent, its version, tool, its definition, operation, arguments, and every policy that may speak of it: whatever
    of these is different later gives another digest."""
    tool = held.know(question.tool)
    agent = held.bundle.agent
    policies = held.engine.slice_of(tool).policies
    return _sha256(
        {
            "agent": agent.id,
            "agent_version": agent.version,
            "tool": tool.name,
            "definition": tool.definition,
            "operation": question.operation,
            "arguments": canonical(question.arguments),
            "on_behalf_of": question.on_behalf_of,
            "policies": [[one.id, one.version, one.mode] for one in policies],
        }
    )


def canonical(arguments: Mapping[str, Any]) -> str:
    """The same text for the same arguments: RFC 8785, or sorted JSON for numbers that it has no form for."""
    try:
        return rfc8785.dumps(dict(arguments)).decode()
    except (ValueError, TypeError):
        return orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS, default=str).decode()


def digest_of_shown(shown: Mapping[str, Any]) -> str:
    """Of what a person was shown."""
    return sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


def _sha256(told: Mapping[str, Any]) -> str:
    return sha256(rfc8785.dumps(told)).hexdigest()

"""Cedar policies over one call. Policies are sliced by tool; parsed sets and entities are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import cedarpy
import orjson

from chancery_sdk.policy.bundle import Bundle, Policy, ToolFacts
from chancery_sdk.policy.question import Finding, Past, Question
from chancery_sdk.policy.values import LARGEST, argument, entity, number

ACTION: Final = {"type": "Action", "id": "call"}
NAMED: Final = re.compile(r"policy(\d+)")
LONGEST_PURPOSE: Final = 500


@lru_cache(maxsize=4096)
def _parsed(text: str) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_str(text)


@dataclass(frozen=True)
class Slice:
    """The policies that may speak of one tool. `policies` stand in the order of their texts in `parsed`."""

    policies: Sequence[Policy]
    parsed: cedarpy.PolicySet

    @classmethod
    def of(cls, policies: Iterable[Policy]) -> Slice | None:
        chosen = tuple(policies)
        if not chosen:
            return None
        return cls(chosen, _parsed("\n".join(policy.text for policy in chosen)))


@dataclass(frozen=True)
class ToolSlice:
    """What one agent's call of one tool is judged by."""

    forbids: Slice | None
    permits: Slice | None
    entities: cedarpy.Entities | None
    policies: Sequence[Policy]
    words: str

    @classmethod
    def of(cls, bundle: Bundle, tool: ToolFacts) -> ToolSlice:
        mine = [
            one for one in bundle.policies if one.tool in ("", tool.name) and one.server in ("", tool.server)
        ]
        return cls(
            Slice.of(one for one in mine if one.effect == "forbid"),
            Slice.of(one for one in mine if one.effect == "permit"),
            cedarpy.Entities.from_json_str(orjson.dumps(entities_of(bundle, tool)).decode())
            if mine
            else None,
            mine,
            "\n".join(one.text for one in mine),
        )


def findings(
    rules: ToolSlice, bundle: Bundle, tool: ToolFacts, question: Question, past: Past, at: datetime
) -> list[Finding]:
    """What the policies say: each forbid that matches, and the permits' silence where some exist. A policy that cannot be
    evaluated counts as matched: an agent must not get past one by sending it what it cannot read."""
    if rules.entities is None:
        return []
    context = context_of(rules, bundle, tool, question, past, at)
    request = {
        "principal": {"type": "Agent", "id": bundle.agent.slug},
        "action": ACTION,
        "resource": {"type": "Tool", "id": tool.name},
        "context": orjson.dumps(context).decode(),
    }
    found: list[Finding] = []
    if rules.forbids is not None:
        found += _forbidden(
            rules.forbids, cedarpy.is_authorized(request, rules.forbids.parsed, rules.entities)
        )
    if rules.permits is not None:
        answer = cedarpy.is_authorized(request, rules.permits.parsed, rules.entities)
        found += _permitted(rules.permits, answer, bundle, tool)
    return found


def _forbidden(rules: Slice, answer: cedarpy.AuthzResult) -> list[Finding]:
    if answer.decision == cedarpy.Decision.NoDecision:
        words = "The call cannot be read by policies: " + "; ".join(map(str, answer.diagnostics.errors))
        return [Finding("deny", "policy.unreadable", words)]
    matched = [rules.policies[_place(name)] for name in answer.diagnostics.reasons]
    found = [
        Finding(one.outcome, "policy.matched", _words(one), one.mode, one.id, one.version, one.obligations)
        for one in matched
    ]
    for error in map(str, answer.diagnostics.errors):
        one = rules.policies[_place(error)]
        words = f"{one.name} could not be evaluated: {_what(error)}."
        found.append(Finding(_graver(one.outcome), "policy.error", words, one.mode, one.id, one.version))
    return found


def _permitted(rules: Slice, answer: cedarpy.AuthzResult, bundle: Bundle, tool: ToolFacts) -> list[Finding]:
    permitting = [rules.policies[_place(name)] for name in answer.diagnostics.reasons]
    found = [
        Finding("allow", "policy.permitted", _words(one), one.mode, one.id, one.version, one.obligations)
        for one in permitting
    ]
    for mode in ("enforce", "warn", "shadow"):
        silent = [one for one in rules.policies if one.mode == mode and one not in permitting]
        if silent and not any(one.mode == mode for one in permitting):
            names = ", ".join(one.name for one in silent[:3])
            words = f"No policy permits {bundle.agent.name} this call of {tool.name}; asked were {names}."
            one = silent[0]
            found.append(Finding("deny", "policy.not_permitted", words, mode, one.id, one.version))
    return found


def _words(policy: Policy) -> str:
    return policy.words or f"The policy {policy.name} applies."


def _graver(outcome: str) -> str:
    return "deny" if outcome == "notify" else outcome


def _place(text: str) -> int:
    found = NAMED.search(text)
    if found is None:
        raise ValueError(f"Cedar named no policy: {text}")
    return int(found.group(1))


def _what(error: str) -> str:
    return error.partition(": ")[2] or error


def entities_of(bundle: Bundle, tool: ToolFacts) -> list[dict[str, Any]]:
    """The agent in its teams, the tool on its server."""
    agent = bundle.agent
    teams = [agent.team, *agent.team_ancestors] if agent.team else []
    chain = [
        {
            "uid": {"type": "Team", "id": slug},
            "attrs": {},
            "parents": [{"type": "Team", "id": up}] if up else [],
        }
        for slug, up in zip(teams, [*teams[1:], ""], strict=False)
    ]
    attributes = {
        "name": agent.name, "tier": agent.tier, "state": agent.state, "environment": agent.environment,
        "framework": agent.framework, "blueprint": agent.blueprint, "tags": list(agent.tags), "version": agent.version,
    }  # fmt: skip
    server = {"type": "Server", "id": tool.server}
    return [
        {
            "uid": {"type": "Agent", "id": agent.slug},
            "attrs": attributes,
            "parents": [{"type": "Team", "id": agent.team}] if agent.team else [],
        },
        *chain,
        {
            "uid": {"type": "Tool", "id": tool.name},
            "attrs": tool_attributes(tool),
            "parents": [server] if tool.server else [],
        },
        *([{"uid": server, "attrs": {}, "parents": []}] if tool.server else []),
    ]


def tool_attributes(tool: ToolFacts) -> dict[str, Any]:
    return {
        "kind": tool.kind,
        "server": tool.server,
        "side_effect": tool.side_effect,
        "data_classes": [entity("DataClass", one) for one in tool.data_classes],
    }


def context_of(
    rules: ToolSlice, bundle: Bundle, tool: ToolFacts, question: Question, past: Past, at: datetime
) -> dict[str, Any]:
    """What conditions may speak of, beside agent and tool: of it what some policy names, for Cedar reads every value anew."""
    return {
        name: made(rules, bundle, tool, question, past, at)
        for name, made in CONTEXT.items()
        if name in rules.words
    }


def _classes(tool: ToolFacts, question: Question) -> list[Any]:
    found = {*tool.data_classes_of(question.operation), *question.data_classes}
    return [entity("DataClass", one) for one in sorted(found)]


def _time(bundle: Bundle, at: datetime) -> dict[str, int]:
    local = at.astimezone(_zone(bundle.time_zone))
    return {"hour": local.hour, "minute": local.minute, "weekday": local.isoweekday()}


def _totals(rules: ToolSlice, question: Question, past: Past) -> dict[str, Any]:
    totals = totals_with(rules.policies, question, past.counted)
    return {name: number(min(total, LARGEST)) for name, total in totals.items()}


Made = Callable[[ToolSlice, Bundle, ToolFacts, Question, Past, datetime], Any]
CONTEXT: Final[dict[str, Made]] = {
    "arguments": lambda rules, bundle, tool, question, past, at: argument(question.arguments),
    "operation": lambda rules, bundle, tool, question, past, at: question.operation,
    "side_effect": lambda rules, bundle, tool, question, past, at: tool.side_effect_of(question.operation),
    "data_classes": lambda rules, bundle, tool, question, past, at: _classes(tool, question),
    "purpose": lambda rules, bundle, tool, question, past, at: question.purpose[:LONGEST_PURPOSE],
    "on_behalf_of": lambda rules, bundle, tool, question, past, at: question.on_behalf_of,
    "time": lambda rules, bundle, tool, question, past, at: _time(bundle, at),
    "provenance": lambda rules, bundle, tool, question, past, at: dict(question.provenance),
    "session": lambda rules, bundle, tool, question, past, at: _session(past),
    "counters": lambda rules, bundle, tool, question, past, at: _totals(rules, question, past),
}


def totals_with(
    policies: Sequence[Policy], question: Question, before: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Each counter by its name with this call included. `before` is keyed as `counter_key` has it."""
    return {
        one.name: before.get(counter_key(policy, one.name), Decimal(0))
        + (one.adds(question.tool, question.arguments) or Decimal(0))
        for policy in policies
        for one in policy.counters
    }


def counter_key(policy: Policy, name: str) -> str:
    """What a counter is stored under: it goes on when its policy gets a new version."""
    return f"{policy.id}:{name}"


def _session(past: Past) -> dict[str, Any]:
    session = past.session
    return {
        "calls": session.calls,
        "called": [entity("Tool", one) for one in sorted(session.called)],
        "own": [entity("Tool", one) for one in sorted(session.own)],
        "succeeded": [entity("Tool", one) for one in sorted(session.succeeded)],
        "data_classes": [entity("DataClass", one) for one in sorted(session.data_classes)],
        "agents": [entity("Agent", one) for one in sorted(session.agents)],
    }


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)

"""One policy's text, taken apart: its scope, its annotations, what it speaks of.

Annotations beside Cedar's own meaning:
    @outcome("ask")            what a match of a forbid comes to: deny (as without it), ask or notify
    @words("...")              the reason an agent and a person read
    @counters("...")           counters, as chancery_sdk.policy.counters has them
    @redact("a.b, c")          an allowed call must be made without these arguments' values
    @cap("amount: 500")        an allowed call must be made with at most this
    @read_only("...")          an allowed call must use the tool's reading mode
    @four_eyes("...")          two people approve
    @on_expiry("600 deny")     seconds that a person has, and what silence means: deny or allow
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import cedarpy
from chancery_sdk.policy.counters import BadCounter, Counter, counters_in

ANNOTATIONS: Final = (
    "counters", "cap", "four_eyes", "id", "on_expiry", "outcome", "read_only", "redact", "words",
)  # fmt: skip
OUTCOMES: Final = ("ask", "deny", "notify")
COMPARES_DECIMALS: Final = ("greaterThan", "greaterThanOrEqual", "lessThan", "lessThanOrEqual")
COMPARES_SETS: Final = ("contains", "containsAll", "containsAny", "isEmpty")
LONGEST: Final = 20_000


class BadPolicy(ValueError):
    """A text that is no policy of ours; the message says what was expected."""


@dataclass(frozen=True)
class Reference:
    """An entity that the policy names."""

    kind: str
    name: str


@dataclass(frozen=True)
class Read:
    """What a policy's text says. `paths` are arguments it speaks of, with the type that its use of them asks for."""

    text: str
    effect: str
    outcome: str
    words: str = ""
    agent: str = ""
    team: str = ""
    tool: str = ""
    server: str = ""
    obligations: tuple[Mapping[str, Any], ...] = ()
    counters: tuple[Counter, ...] = ()
    counters_text: str = ""
    needs_session: bool = False
    references: frozenset[Reference] = frozenset()
    paths: Mapping[tuple[str, ...], str] = field(default_factory=dict)


def read_policy(text: str) -> Read:
    """The one policy of `text`, in its canonical layout. Raises BadPolicy."""
    if len(text) > LONGEST:
        raise BadPolicy(f"at most {LONGEST} characters")
    told = _parsed(text)
    notes = told.get("annotations", {})
    unknown = sorted(notes.keys() - set(ANNOTATIONS))
    if unknown:
        raise BadPolicy(
            f"@{unknown[0]} is not known here; known are {', '.join(f'@{one}' for one in ANNOTATIONS)}"
        )
    nodes = list(_nodes(told["conditions"]))
    return Read(
        text=cedarpy.format_policies(text),
        effect=told["effect"],
        outcome=_outcome(told["effect"], notes),
        words=notes.get("words", ""),
        obligations=tuple(_obligations(notes)),
        counters=_counters(notes, nodes),
        counters_text=notes.get("counters", ""),
        needs_session=any(_path(node)[:2] == ("context", "session") for node in nodes),
        references=frozenset(_references(told)),
        paths=_paths(told["conditions"]),
        **_scope(told),
    )


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        told = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise BadPolicy(f"this is not Cedar: {error}") from error
    policies = list(told["staticPolicies"].values())
    if len(policies) != 1 or told["templates"]:
        raise BadPolicy(
            f"write exactly one permit or forbid, without ?principal or ?resource; here are {len(policies)}"
        )
    found: Mapping[str, Any] = policies[0]
    return found


def _scope(told: Mapping[str, Any]) -> dict[str, str]:
    principal, resource, action = told["principal"], told["resource"], told["action"]
    named = [*_entities(action)]
    if any(one != ("Action", "call") for one in named):
        raise BadPolicy('the action is Action::"call"; name operations as context.operation == "..."')
    found = {"agent": "", "team": "", "tool": "", "server": ""}
    for part, side in (
        (principal, {"Agent": "agent", "Team": "team"}),
        (resource, {"Tool": "tool", "Server": "server"}),
    ):
        for kind, name in _entities(part):
            if kind not in side:
                raise BadPolicy(f"{kind} cannot stand there; write {' or '.join(side)}")
            if (part["op"] == "==") != (kind in ("Agent", "Tool")):
                raise BadPolicy(
                    f'write principal == Agent::"...", in Team::"...", resource == Tool::"...", in Server::"..."; not {part["op"]} {kind}'
                )
            found[side[kind]] = name
    return found


def _entities(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in [part.get("entity"), *part.get("entities", [])]:
        if one:
            yield one["type"], one["id"]
    if "in" in part and isinstance(part["in"], Mapping):
        yield from _entities(part["in"])


def _outcome(effect: str, notes: Mapping[str, str]) -> str:
    said = notes.get("outcome", "")
    if effect == "permit":
        if said:
            raise BadPolicy("@outcome belongs to a forbid; what a permit covers is allowed")
        return "allow"
    if said and said not in OUTCOMES:
        raise BadPolicy(f'@outcome is one of {", ".join(OUTCOMES)}, not "{said}"')
    return said or "deny"


def _obligations(notes: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for path in filter(None, (one.strip() for one in notes.get("redact", "").split(","))):
        yield {"kind": "redact", "path": path}
    if "cap" in notes:
        path, _, most = notes["cap"].partition(":")
        try:
            yield {"kind": "cap", "path": path.strip(), "limit": float(most)}
        except ValueError as error:
            raise BadPolicy('write @cap("amount: 500")') from error
    if "read_only" in notes:
        yield {"kind": "read_only"}
    if "four_eyes" in notes:
        yield {"kind": "four_eyes"}
    if "on_expiry" in notes:
        yield _on_expiry(notes["on_expiry"])


def _on_expiry(said: str) -> dict[str, Any]:
    seconds, _, default = said.strip().partition(" ")
    if not seconds.isdecimal() or not 30 <= int(seconds) <= 604_800 or default not in ("deny", "allow"):
        raise BadPolicy('write @on_expiry("600 deny"): 30 seconds to a week, then deny or allow')
    return {"kind": "on_expiry", "after_s": int(seconds), "default": default}


def _counters(notes: Mapping[str, str], nodes: list[Mapping[str, Any]]) -> tuple[Counter, ...]:
    try:
        found = tuple(counters_in(notes.get("counters", "")))
    except BadCounter as error:
        raise BadPolicy(str(error)) from error
    names = [one.name for one in found]
    if len(set(names)) != len(names):
        raise BadPolicy("each counter has a name of its own")
    used = {path[2] for node in nodes if len(path := _path(node)) > 2 and path[:2] == ("context", "counters")}
    if missing := sorted(used - set(names)):
        raise BadPolicy(
            f'context.counters.{missing[0]} is used; say what it counts: @counters("{missing[0]} = count per agent over 1h")'
        )
    return found


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every expression in the conditions."""
    if isinstance(tree, Mapping):
        yield tree
        for one in tree.values():
            yield from _nodes(one)
    elif isinstance(tree, list):
        for one in tree:
            yield from _nodes(one)


def _path(node: Any) -> tuple[str, ...]:
    """context.arguments.amount as its parts; empty for anything else."""
    if not isinstance(node, Mapping):
        return ()
    if "Var" in node:
        return (str(node["Var"]),)
    access = node.get(".")
    if not isinstance(access, Mapping):
        return ()
    before = _path(access.get("left"))
    return (*before, str(access["attr"])) if before else ()


def _references(told: Mapping[str, Any]) -> Iterator[Reference]:
    for part in ("principal", "resource"):
        for kind, name in _entities(told[part]):
            yield Reference(kind, name)
    for node in _nodes(told["conditions"]):
        one = node.get("__entity")
        if isinstance(one, Mapping):
            yield Reference(str(one["type"]), str(one["id"]))
        if "in" in node and isinstance(node["in"], Mapping) and "type" in node:
            continue


def _paths(conditions: Any) -> dict[tuple[str, ...], str]:
    """The arguments spoken of, by their path, with the type that their use asks for; 'record' for one that has parts."""
    found: dict[tuple[str, ...], str] = {}
    for node in _nodes(conditions):
        for kind, operand in _uses(node):
            path = _path(operand)
            if len(path) > 2 and path[:2] == ("context", "arguments"):
                _note(found, path[2:], kind)
    return found


def _note(found: dict[tuple[str, ...], str], path: tuple[str, ...], kind: str) -> None:
    for end in range(1, len(path)):
        found[path[:end]] = "record"
    if found.get(path, "") in ("", "any"):
        found[path] = kind


def _uses(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Operands of one expression, each with the type it is used as."""
    for name in COMPARES_DECIMALS:
        for operand in node.get(name, []) if isinstance(node.get(name), list) else []:
            yield "decimal", operand
    for name in COMPARES_SETS:
        if isinstance(node.get(name), Mapping):
            left, right = node[name].get("left"), node[name].get("right")
            yield "set", left
            yield _kind_of(left), right
    if isinstance(node.get("like"), Mapping):
        yield "text", node["like"]["left"]
    for name in ("==", "!="):
        if isinstance(node.get(name), Mapping):
            left, right = node[name]["left"], node[name]["right"]
            yield _kind_of(right), left
            yield _kind_of(left), right
    if isinstance(node.get("has"), Mapping):
        yield "any", {".": {"left": node["has"]["left"], "attr": node["has"]["attr"]}}
    if isinstance(node.get("."), Mapping):
        yield "any", node


def _kind_of(node: Any) -> str:
    """The type of a literal; 'any' where it says nothing."""
    if not isinstance(node, Mapping):
        return "any"
    if "decimal" in node:
        return "decimal"
    if node.get("Set"):
        return _kind_of(node["Set"][0])
    value = node.get("Value")
    if isinstance(value, bool):
        return "flag"
    return "text" if isinstance(value, str) else "any"

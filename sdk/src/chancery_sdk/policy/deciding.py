"""May the call be made? One straight line: kill switch, standing, definition, grant, policy, oversight level, budget.

The first that refuses ends it; what only asks, tells or watches is gathered on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from chancery_sdk.policy.bundle import Bundle, LevelRule, ToolFacts, names_tool
from chancery_sdk.policy.cedar import ToolSlice, counter_key, findings
from chancery_sdk.policy.question import SEVERITY, Finding, Past, Question, Verdict

MODES: Final = {"observe": "shadow", "warn": "warn", "enforce": "enforce"}
OF_LEVEL: Final = {"notified": "notify", "approves": "ask", "human_only": "deny"}
LEVEL_WORDS: Final = {
    "notified": "A person is told of every call of {tool}.",
    "approves": "A person approves every call of {tool}.",
    "human_only": "{tool} is for people only: prepare the call, a person carries it out.",
}
# The level where nobody chose one, by tier and by what a call leaves behind. Tier 0: not classified.
DEFAULT_LEVELS: Final = {
    4: {"read": "autonomous", "write": "notified", "external": "approves", "irreversible": "approves"},
    3: {"read": "autonomous", "write": "autonomous", "external": "notified", "irreversible": "approves"},
    2: {"irreversible": "notified"},
}


@dataclass
class Engine:
    """Decides on the calls of one agent. What it makes of the bundle's policies it keeps, by tool."""

    bundle: Bundle
    _slices: dict[str, ToolSlice] = field(default_factory=dict)

    def slice_of(self, tool: ToolFacts) -> ToolSlice:
        found = self._slices.get(tool.name)
        if found is None:
            if len(self._slices) > MOST_TOOLS:
                self._slices.clear()
            found = self._slices[tool.name] = ToolSlice.of(self.bundle, tool)
        return found

    def decide(self, question: Question, past: Past, at: datetime, *, approved: bool = False) -> Verdict:
        """`approved`: a person said yes to this very call, so that nothing more is asked."""
        tool = self.bundle.tool(question.tool)
        found: list[Finding] = []
        for step in STEPS:
            found += step(Asked(self, tool, question, past, at))
            if any(one.effective == "deny" for one in found):
                break
        if approved:
            found = [one for one in found if one.effective != "ask"]
        return _verdict(found, self._counted(tool, question), _nothing_against(self.bundle, tool))

    def _counted(self, tool: ToolFacts, question: Question) -> dict[str, Decimal]:
        policies = self.slice_of(tool).policies
        added = {
            counter_key(policy, one.name): one.adds(question.tool, question.arguments)
            for policy in policies
            for one in policy.counters
        }
        return {key: amount for key, amount in added.items() if amount is not None}


@dataclass(frozen=True)
class Asked:
    """One question with what it is judged by."""

    engine: Engine
    tool: ToolFacts
    question: Question
    past: Past
    at: datetime

    @property
    def bundle(self) -> Bundle:
        return self.engine.bundle


MOST_TOOLS: Final = 2000


def _kill_switch(asked: Asked) -> Iterator[Finding]:
    for switch in asked.bundle.kill_switches:
        if switch.scope != "tool" or names_tool(switch.target, asked.tool.name):
            yield Finding("deny", f"kill_switch.{switch.scope}", switch.reason)


def _standing(asked: Asked) -> Iterator[Finding]:
    now = [one for one in asked.bundle.standing if one.since <= asked.at]
    if now and now[-1].code:
        yield Finding("deny", now[-1].code, now[-1].reason)


def _definition(asked: Asked) -> Iterator[Finding]:
    if asked.tool.held:
        yield Finding("deny", "tool.definition_changed", asked.tool.held)


def _grant(asked: Asked) -> Iterator[Finding]:
    """A tool on the agent's list is covered by it; every other needs a grant, as far as the agent's mode goes."""
    bundle, name, operation = asked.bundle, asked.tool.name, asked.question.operation
    allowed = bundle.allowed_tools
    if allowed is not None:
        if name not in allowed:
            yield Finding("deny", "policy.tool_not_allowed", _not_allowed(bundle, name, allowed))
        return
    grant = bundle.grants.get(name)
    if grant is None or (grant.expires_at is not None and grant.expires_at <= asked.at):
        ended = "has run out" if grant else "does not exist"
        words = f"A grant of {name} to {bundle.agent.name} {ended}."
        yield Finding("deny", "grant.missing", words, MODES[bundle.mode])
    elif grant.operations and operation not in grant.operations:
        words = f"{bundle.agent.name} may use {name} for {', '.join(grant.operations)} only."
        yield Finding("deny", "grant.operation_missing", words, MODES[bundle.mode])


def _policies(asked: Asked) -> Iterator[Finding]:
    rules = asked.engine.slice_of(asked.tool)
    yield from findings(rules, asked.bundle, asked.tool, asked.question, asked.past, asked.at)


def _level(asked: Asked) -> Iterator[Finding]:
    rule = level_of(asked.bundle, asked.tool, asked.question.operation)
    outcome = OF_LEVEL.get(rule.level)
    if outcome is not None:
        words = rule.reason or LEVEL_WORDS[rule.level].format(tool=asked.tool.name)
        yield Finding(outcome, f"oversight.{rule.level}", words)


def level_of(bundle: Bundle, tool: ToolFacts, operation: str) -> LevelRule:
    """The most particular rule that somebody set, else what tier and side effect come to."""
    fitting = [
        one for one in bundle.levels if one.tool in ("", tool.name) and one.operation in ("", operation)
    ]
    if fitting:
        return max(fitting, key=lambda one: (bool(one.tool), bool(one.operation)))
    by_effect = DEFAULT_LEVELS.get(bundle.agent.tier, {})
    return LevelRule(by_effect.get(tool.side_effect_of(operation), "autonomous"))


def _budget(asked: Asked) -> Iterator[Finding]:
    for one in asked.bundle.budgets:
        used = asked.past.counted.get(f"budget:{one.kind}:{one.window_s}", one.used)
        if used + (1 if one.kind == "calls" else 0) > one.most:
            words = f"{asked.bundle.agent.name} has used up its budget of {one.most} {one.kind} in {one.window_s} s."
            yield Finding("deny", one.code, one.words or words)


def _not_allowed(bundle: Bundle, name: str, allowed: frozenset[str]) -> str:
    if len(allowed) == 1:
        return f"{name} is not {next(iter(allowed))}, the only tool that {bundle.agent.name} may call."
    return f"{name} is not among the {len(allowed)} tools that {bundle.agent.name} may call."


STEPS: Final[tuple[Callable[[Asked], Iterator[Finding]], ...]] = (
    _kill_switch, _standing, _definition, _grant, _policies, _level, _budget,
)  # fmt: skip


def _nothing_against(bundle: Bundle, tool: ToolFacts) -> Finding:
    if bundle.allowed_tools is not None:
        return Finding("allow", "policy.allowed", "The tool policy allows it.")
    if tool.name in bundle.grants:
        return Finding("allow", "grant.given", f"{bundle.agent.name} was granted {tool.name}.")
    return Finding("allow", "policy.none", "No tool policy limits this agent.")


def _verdict(found: list[Finding], counted: dict[str, Decimal], otherwise: Finding) -> Verdict:
    gravest = max(found, key=lambda one: SEVERITY[one.effective], default=None)
    outcome = gravest.effective if gravest else "allow"
    shadow = max(found, key=lambda one: SEVERITY[one.outcome], default=None)
    differs = shadow is not None and SEVERITY[shadow.outcome] > SEVERITY[outcome]
    permit = next((one for one in found if one.code == "policy.permitted"), None)
    telling = gravest if gravest and outcome != "allow" else permit or otherwise
    return Verdict(
        outcome,
        telling.code,
        telling.reason,
        tuple(found),
        tuple(one for finding in found if finding.mode == "enforce" for one in finding.obligations),
        shadow if differs else None,
        counted if outcome != "deny" else {},
    )

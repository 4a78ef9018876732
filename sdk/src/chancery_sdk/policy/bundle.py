"""Everything that a decision on one agent's call depends on, as plain values: what the server holds in memory, and what
it signs for those who decide while it is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from chancery_sdk.policy.counters import Counter, counters_in

OUTCOMES: Final = ("allow", "notify", "ask", "deny")  # from the mildest
LEVELS: Final = ("autonomous", "notified", "approves", "human_only")  # from the least oversight
DATA_CLASSES: Final = (  # from the least sensitive
    "public", "internal", "confidential", "personal", "financial", "health", "special", "credentials",
)  # fmt: skip


@dataclass(frozen=True)
class AgentFacts:
    """Who asks. `tier` 1 (low) to 4 (critical), 0 while unclassified."""

    id: str
    slug: str
    name: str
    tier: int = 0
    state: str = ""
    environment: str = ""
    framework: str = ""
    blueprint: str = ""
    team: str = ""
    team_ancestors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True)
class ToolFacts:
    """What is called, by its name as `server/tool`. `is_known` False: nobody put it on record.

    `held` says why its definition may not be used, '' while it may.
    """

    name: str
    server: str = ""
    kind: str = ""
    side_effect: str = ""
    data_classes: tuple[str, ...] = ()
    definition: str = ""
    held: str = ""
    is_known: bool = False
    operations: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def side_effect_of(self, operation: str) -> str:
        return self.operations.get(operation, ("", ()))[0] or self.side_effect

    def data_classes_of(self, operation: str) -> tuple[str, ...]:
        return self.operations.get(operation, ("", ()))[1] or self.data_classes


@dataclass(frozen=True)
class Grant:
    """Leave to use a tool: these operations (none: all), until then (None: without end)."""

    operations: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """From `since` on nothing may be called, for this reason; None: something may. In order of time."""

    since: datetime
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class KillSwitch:
    """A stop wider than this agent that reaches it. Scope tool stops the tools that `target` names, every other scope
    everything; `reason` is the whole sentence."""

    scope: str
    target: str
    reason: str


@dataclass(frozen=True)
class LevelRule:
    """How much a person is in the loop, for a tool and an operation; '' stands for every one."""

    level: str
    tool: str = ""
    operation: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Policy:
    """One version of one policy, in force for this agent. `effect` is Cedar's; `outcome` what a match of a forbid means."""

    id: str
    name: str
    version: int
    text: str
    mode: str = "enforce"
    effect: str = "forbid"
    outcome: str = "deny"
    words: str = ""
    tool: str = ""
    server: str = ""
    obligations: tuple[Mapping[str, Any], ...] = ()
    counters: tuple[Counter, ...] = ()
    needs_session: bool = False


@dataclass(frozen=True)
class Budget:
    """At most this much in a window; `kind` is calls or cost (in millionths of a US dollar). `code` and `words` say what it is,
    where it is not a budget that somebody set."""

    kind: str
    most: Decimal
    window_s: int
    used: Decimal = Decimal(0)
    code: str = "budget.exhausted"
    words: str = ""


@dataclass(frozen=True)
class Bundle:
    """`mode` is what becomes of a call that nothing on record covers: observe, warn or enforce. `degraded` is open or closed:
    what becomes of a call when nobody can decide. `version` names the state of the record it was made from.

    `allowed_tools` None: no list limits it.
    """

    agent: AgentFacts
    version: str
    issued_at: datetime
    expires_at: datetime | None = None
    mode: str = "observe"
    degraded: str = "open"
    time_zone: str = "UTC"
    standing: tuple[Standing, ...] = ()
    kill_switches: tuple[KillSwitch, ...] = ()
    allowed_tools: frozenset[str] | None = None
    tool_policy_version: int | None = None
    grants: Mapping[str, Grant] = field(default_factory=dict)
    tools: Mapping[str, ToolFacts] = field(default_factory=dict)
    levels: tuple[LevelRule, ...] = ()
    policies: tuple[Policy, ...] = ()
    budgets: tuple[Budget, ...] = ()

    def tool(self, name: str) -> ToolFacts:
        found = self.tools.get(name)
        if found is not None:
            return found
        server = name.partition("/")[0].replace("%2F", "/") if "/" in name else ""
        return ToolFacts(name, server)


def names_tool(target: str, name: str) -> bool:
    """`server/tool` names one, `server/*` all of a server, a plain name that tool wherever it is."""
    return fnmatchcase(name if "/" in target else name.rpartition("/")[2], target)


def as_json(bundle: Bundle) -> dict[str, Any]:
    """What is signed and sent; `from_json` reads it."""
    told = asdict(bundle)
    told["allowed_tools"] = None if bundle.allowed_tools is None else sorted(bundle.allowed_tools)
    for policy, one in zip(told["policies"], bundle.policies, strict=True):
        policy["counters"] = [counter.text for counter in one.counters]
    return told


def from_json(told: Mapping[str, Any]) -> Bundle:
    """Raises KeyError, TypeError or ValueError for what is none."""
    allowed = told["allowed_tools"]
    return Bundle(
        agent=_agent(told["agent"]),
        version=told["version"],
        issued_at=datetime.fromisoformat(told["issued_at"]),
        expires_at=_moment(told["expires_at"]),
        mode=told["mode"],
        degraded=told["degraded"],
        time_zone=told["time_zone"],
        standing=tuple(
            Standing(datetime.fromisoformat(one["since"]), one["code"], one["reason"])
            for one in told["standing"]
        ),
        kill_switches=tuple(KillSwitch(**one) for one in told["kill_switches"]),
        allowed_tools=None if allowed is None else frozenset(allowed),
        tool_policy_version=told["tool_policy_version"],
        grants={
            name: Grant(tuple(one["operations"]), _moment(one["expires_at"]))
            for name, one in told["grants"].items()
        },
        tools={name: _tool(one) for name, one in told["tools"].items()},
        levels=tuple(LevelRule(**one) for one in told["levels"]),
        policies=tuple(_policy(one) for one in told["policies"]),
        budgets=tuple(
            Budget(**{**one, "most": Decimal(one["most"]), "used": Decimal(one["used"])})
            for one in told["budgets"]
        ),
    )


def _agent(told: Mapping[str, Any]) -> AgentFacts:
    facts: dict[str, Any] = dict(told)
    return AgentFacts(
        **{**facts, "team_ancestors": tuple(facts["team_ancestors"]), "tags": tuple(facts["tags"])}
    )


def _tool(told: Mapping[str, Any]) -> ToolFacts:
    operations = {name: (effect, tuple(classes)) for name, (effect, classes) in told["operations"].items()}
    return ToolFacts(**{**told, "data_classes": tuple(told["data_classes"]), "operations": operations})


def _policy(told: Mapping[str, Any]) -> Policy:
    counters = tuple(one for text in told["counters"] for one in counters_in(text))
    return Policy(**{**told, "obligations": tuple(told["obligations"]), "counters": counters})


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

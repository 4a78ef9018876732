"""Making a bundle out of rows: all that decisions on one agent's calls depend on, with the number that says whether any of
it changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from uuid import UUID

from chancery_sdk.policy.bundle import (
    AgentFacts,
    Budget,
    Bundle,
    Grant,
    KillSwitch,
    LevelRule,
    Standing,
    ToolFacts,
)
from chancery_sdk.policy.bundle import Policy as PolicyInForce
from chancery_sdk.policy.counters import counters_in
from django.conf import settings
from django.utils import timezone

from apps.agents.models import Agent, BreakerState, Tool, ToolGrant
from apps.agents.toolnames import ToolName, tool_named
from apps.identity.models import Team
from apps.oversight.kill_switches import Switch
from apps.oversight.limits import trial_of
from apps.oversight.models import (
    AgentControl,
    GovernanceStamp,
    LevelSetting,
    Mode,
    Policy,
    PolicyVersion,
    ToolDefinition,
    ToolPolicy,
)
from apps.oversight.rules import standing_objection
from apps.oversight.situations import latest_models, standing_of
from apps.oversight.standing import read_switches

POLICIES = "policies"
CLOSED_FROM_TIER = 3
MODELS_HOLD = timedelta(
    seconds=5
)  # which model answers an agent is seen in its traffic, and raises no number
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def agent_key(agent_id: UUID) -> str:
    return f"agent:{agent_id}"


def tool_key(name: str) -> str:
    return f"tool:{name}"


def stamps_of(keys: Iterable[str]) -> dict[str, int]:
    """The numbers as they stand; 0 where nothing was changed yet. One query."""
    wanted = list(keys)
    known = dict(GovernanceStamp.objects.filter(key__in=wanted).values_list("key", "value"))
    return {key: known.get(key, 0) for key in wanted}


@dataclass(frozen=True)
class Shared:
    """What is the same for many agents: policies in force, levels without an agent, the tree of teams, kill switches."""

    stamp: int
    policies: Sequence[Policy]
    levels: Sequence[LevelSetting]
    teams: Mapping[UUID, Team]
    switches: Sequence[Switch]

    @classmethod
    def load(cls, stamp: int) -> Shared:
        """Four queries, one more where a team is stopped."""
        return cls(
            stamp,
            list(Policy.objects.in_force().select_related("active", "candidate").order_by("pk")),
            list(LevelSetting.objects.filter(agent=None)),
            {team.pk: team for team in Team.objects.all()},
            [one for one in read_switches() if one.until is None],
        )

    def chain(self, team_id: UUID | None) -> list[Team]:
        """The team and those above it."""
        found: list[Team] = []
        while team_id is not None and team_id in self.teams and self.teams[team_id] not in found:
            found.append(self.teams[team_id])
            team_id = found[-1].parent_id
        return found


def agent_row(agent_id: UUID) -> Agent:
    """The agent that answers for `agent_id`, with all of it that a bundle needs. One query, two where it was merged."""
    rows = Agent.objects.select_related("tool_policy", "control", "blueprint", "team")
    agent = rows.get(pk=agent_id)
    return rows.get(pk=agent.merged_into_id) if agent.merged_into_id else agent


def bundle_of(agent: Agent, shared: Shared, stamp: int, tools: Mapping[str, ToolFacts]) -> Bundle:
    """Four queries. `tools` are looked up at each question: whoever holds them may add some later."""
    chain = shared.chain(agent.team_id)
    control: AgentControl | None = getattr(agent, "control", None)
    policy: ToolPolicy | None = getattr(agent, "tool_policy", None)
    limited = policy is not None and policy.allowed_tools is not None
    return Bundle(
        agent=_facts(agent, chain),
        version=f"{shared.stamp:x}.{stamp:x}.{int(agent.updated_at.timestamp() * 1_000_000):x}",
        issued_at=timezone.now(),
        expires_at=timezone.now() + MODELS_HOLD
        if any(one.scope == "model" for one in shared.switches)
        else None,
        mode=control.mode if control else Mode.OBSERVE,
        degraded="closed" if (agent.tier or 0) >= CLOSED_FROM_TIER else "open",
        time_zone=settings.TIME_ZONE,
        standing=_standing(agent),
        kill_switches=tuple(_switches(agent, shared.switches)),
        allowed_tools=frozenset(policy.allowed_tools or ()) if policy and limited else None,
        tool_policy_version=policy.version if policy and limited else None,
        grants=_grants(agent),
        tools=tools,
        levels=_levels(agent, chain, shared.levels),
        policies=tuple(_in_force(agent, chain, shared.policies)),
        budgets=tuple(_budgets(agent)),
    )


def tool_facts(name: str) -> ToolFacts:
    """What is on record of a tool, and whether a server's definition of it is held back. Three queries."""
    named = tool_named(name)
    tool = Tool.objects.prefetch_related("operations").filter(name=named.tool, server=named.server).first()
    if tool is None:
        return ToolFacts(str(named), named.server)
    definitions = list(ToolDefinition.objects.filter(tool=tool).order_by("-changed_at"))
    in_force = [one.digest for one in definitions if one.state in ToolDefinition.IN_FORCE]
    in_the_way = [one for one in definitions if one.state in ToolDefinition.IN_THE_WAY]
    held = f"The definition of {named} is not the one that was reviewed; a person has to look at it."
    return ToolFacts(
        name=str(named),
        server=named.server,
        kind=tool.kind,
        side_effect=tool.side_effect,
        data_classes=tuple(tool.data_classes),
        definition="+".join([tool.schema_hash, *sorted(in_force)]),
        held=held if in_the_way else "",
        is_known=True,
        operations={one.name: (one.side_effect, tuple(one.data_classes)) for one in tool.operations.all()},
    )


def _facts(agent: Agent, chain: Sequence[Team]) -> AgentFacts:
    version = agent.versions.order_by("-number").values_list("number", flat=True).first()
    names = [team.name for team in chain]
    return AgentFacts(
        id=str(agent.pk),
        slug=agent.slug,
        name=agent.name,
        tier=agent.tier or 0,
        state=agent.state,
        environment=agent.environment,
        framework=agent.framework,
        blueprint=agent.blueprint.name if agent.blueprint else "",
        team=names[0] if names else "",
        team_ancestors=tuple(names[1:]),
        tags=tuple(agent.tags),
        version=str(version or ""),
    )


def _budgets(agent: Agent) -> Iterable[Budget]:
    """Those that somebody set; and while the agent is on trial after a stop, so many calls a minute."""
    if agent.breaker_state == BreakerState.ON_TRIAL:
        most = trial_of(agent.tier).most_per_minute
        words = f"{agent.name} is on trial after a stop: at most {most} calls a minute."
        yield Budget("calls", Decimal(most), 60, code="breaker.trial_limit", words=words)
    for one in agent.budgets.order_by("kind", "window_s"):
        yield Budget(one.kind, Decimal(one.most), one.window_s)


def _switches(agent: Agent, switches: Sequence[Switch]) -> Iterable[KillSwitch]:
    """Those that reach this agent; of a tool, whichever agent calls it."""
    models = latest_models(agent) if any(one.scope == "model" for one in switches) else frozenset()
    for one in switches:
        if one.scope == "tool" or one.stops(agent.team_id, None, models):
            yield KillSwitch(one.scope, one.target, one.sentence)


def _standing(agent: Agent) -> tuple[Standing, ...]:
    """What forbids everything now, beside kill switches, and what will from the end of the certification on."""
    situation, now = standing_of(agent, ()), timezone.now()
    moments = [
        BEGINNING,
        *([agent.certified_until] if agent.certified_until and agent.certified_until > now else []),
    ]
    found = []
    for since in moments:
        objection = standing_objection(situation, max(now, since))
        found.append(Standing(since, objection.code, objection.reason) if objection else Standing(since))
    return tuple(found)


def _grants(agent: Agent) -> dict[str, Grant]:
    rows = ToolGrant.objects.active().filter(agent=agent).select_related("tool")
    return {
        str(ToolName(one.tool.server, one.tool.name)): Grant(tuple(one.operations), one.expires_at)
        for one in rows
    }


def _levels(agent: Agent, chain: Sequence[Team], shared: Sequence[LevelSetting]) -> tuple[LevelRule, ...]:
    """The nearest that somebody set for a tool and operation: the agent's, its team's, a team's above, everybody's."""
    of_agent = list(LevelSetting.objects.filter(agent=agent))
    nearness: dict[UUID | None, int] = {team.pk: place for place, team in enumerate(chain, 1)} | {None: 100}
    candidates = [(0, one) for one in of_agent]
    candidates += [(nearness[one.team_id], one) for one in shared if one.team_id in nearness]
    nearest: dict[tuple[str, str], LevelSetting] = {}
    for _, one in sorted(candidates, key=lambda pair: -pair[0]):
        nearest[one.tool, one.operation] = one
    found = [LevelRule(one.level, one.tool, one.operation, one.reason) for one in nearest.values()]
    if agent.oversight_level and ("", "") not in nearest:
        found.append(LevelRule(agent.oversight_level))
    return tuple(found)


def _in_force(agent: Agent, chain: Sequence[Team], policies: Sequence[Policy]) -> Iterable[PolicyInForce]:
    ids, names = {team.pk for team in chain}, {team.name for team in chain}
    for policy in policies:
        version = version_for(policy, agent.pk)
        if version is None or (policy.team_id is not None and policy.team_id not in ids):
            continue
        if version.agent in ("", agent.slug) and (version.team_name == "" or version.team_name in names):
            yield as_in_force(policy, version)


def version_for(policy: Policy, agent_id: UUID) -> PolicyVersion | None:
    """The candidate for its share of the agents, always the same ones; the active version for the others."""
    share = int.from_bytes(blake2b(policy.pk.bytes + agent_id.bytes, digest_size=4).digest()) % 100
    if policy.candidate is not None and share < policy.candidate_percent:
        return policy.candidate
    return policy.active


def as_in_force(policy: Policy, version: PolicyVersion) -> PolicyInForce:
    return PolicyInForce(
        id=policy.slug,
        name=policy.name,
        version=version.number,
        text=version.text,
        mode=policy.mode,
        effect=version.effect,
        outcome=version.outcome,
        words=version.words,
        tool=version.tool,
        server=version.server,
        obligations=tuple(version.obligations),
        counters=tuple(counters_in(version.counters)),
        needs_session=version.needs_session,
    )

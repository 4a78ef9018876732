"""Which policy stands, what the record shows, and the tier that follows: steps of every act that changes risk.

A policy is applied under an exclusive lock, and whatever writes a tier holds it shared, so that no tier is written by
a policy that was replaced meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from apps.agents.models import Agent, RiskFacts, RiskPolicy, facts_of
from apps.agents.queries.risk_signs import signs_of
from apps.agents.risk import FIELDS, Rules, Sign, fact_levels
from apps.agents.services.auditing import write_agents
from apps.agents.signals import agents_changed
from apps.identity.models import Principal
from apps.identity.services.ledger import Act, record_acts, system_principal

TOLD_BY_RECORD = frozenset({"ai_act_class", "oversight_level", "countries", "users_served"})
STEP = 250
LOCK = 7_140_001  # the key of the advisory lock, one number of this database
FACT_COLUMNS = [*FIELDS, "signs", "held", "changed_at"]


def standing_policy() -> RiskPolicy:
    """The applied policy, for reading; one query."""
    return RiskPolicy.objects.get(state=RiskPolicy.State.APPLIED)


def hold_policy(*, to_replace: bool = False) -> RiskPolicy:
    """The applied policy, which stays so until the caller's transaction ends."""
    function = "pg_advisory_xact_lock" if to_replace else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [LOCK])
    return standing_policy()


def under_standing_policy(agents: Iterable[Agent]) -> RiskPolicy:
    """Move these locked instances under the applied policy, so that their assessment is by it. Nothing is written."""
    policy = hold_policy()
    for agent in agents:
        agent.risk_policy_id = policy.pk
    return policy


def read_facts(agents: Sequence[Agent], rules: Rules, *, let_fall: bool = False) -> None:
    """Read the signs of these locked agents again and write down what changed. The held levels follow upward only;
    with `let_fall` they become what the facts say now. A bounded number of queries, however many agents."""
    signs = signs_of(agents)
    known = RiskFacts.objects.in_bulk([agent.pk for agent in agents])
    changed = []
    for agent in agents:
        before = known.get(agent.pk)
        facts = _facts(agent, signs[agent.pk], before, rules, let_fall=let_fall)
        agent.risk_facts = facts
        if before is None or _differs(before, facts):
            changed.append(facts)
    RiskFacts.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["agent"], update_fields=FACT_COLUMNS
    )


def refresh_risk(agents: Sequence[Agent], *, actor: Principal) -> None:
    """After something changed that facts are read from: read them again, and raise the tier where the policy lets
    facts do so. The rows are locked by the caller."""
    policy = under_standing_policy(agents)
    rules = policy.parsed
    read_facts(agents, rules)
    if rules.facts_raise:
        raised = [agent for agent in agents if _would_rise(agent)]
        write_tiers(raised, policy, actor=actor, reason="Facts on record raise it.")


def move_under(agents: Sequence[Agent], policy: RiskPolicy, *, actor: Principal) -> list[Agent]:
    """Judge these locked agents by a policy that they do not stand under yet: by the facts as they are now, however they
    were judged before. Returns those whose tier moved."""
    read_facts(agents, policy.parsed, let_fall=True)
    reason = f"Risk policy version {policy.number}: {policy.reason}"
    return write_tiers(agents, policy, actor=actor, reason=reason)


def write_tiers(agents: Sequence[Agent], policy: RiskPolicy, *, actor: Principal, reason: str) -> list[Agent]:
    """Write the tier that the policy gives to each of these locked agents; returns those that moved.

    Each that moves gets its next version and its line in the ledger; of the others only the policy is noted.
    """
    moved: list[Agent] = []
    before: dict[UUID, int | None] = {}
    for agent in agents:
        agent.risk_policy_id = policy.pk
        assessment = agent.assessment
        tier = assessment.tier if assessment else None
        if tier != agent.tier:
            before[agent.pk], agent.tier = agent.tier, tier
            moved.append(agent)
    plain: QuerySet[Agent] = QuerySet(
        Agent
    )  # not Agent.objects, which refuses the tier: this app's own to write
    plain.filter(pk__in=[agent.pk for agent in agents]).update(risk_policy=policy)
    if moved:
        _write_moved(moved, before, policy, actor, reason)
    return moved


def _write_moved(
    moved: list[Agent], before: dict[UUID, int | None], policy: RiskPolicy, actor: Principal, reason: str
) -> None:
    for agent in moved:
        agent.version += 1
    changes = [(agent, {"tier": [before[agent.pk], agent.tier]}) for agent in moved]
    write_agents(changes, ["tier", "risk_policy"], actor=actor)
    record_acts([_act(agent, before[agent.pk], policy, actor, reason) for agent in moved])
    agents_changed.send(sender=Agent, changes={agent: {"tier"} for agent in moved}, actor=actor)


def _act(agent: Agent, before: int | None, policy: RiskPolicy, actor: Principal, reason: str) -> Act:
    assessment = agent.assessment
    detail = {
        "tier": [before, agent.tier],
        "before": before or "none",
        "after": agent.tier or "none",
        "policy": policy.number,
        "why": assessment.sentence if assessment else "",
    }
    return Act("agents.agent.retiered", actor, ("agent", agent.pk), reason, detail)


def _facts(
    agent: Agent, signs: list[Sign], before: RiskFacts | None, rules: Rules, *, let_fall: bool
) -> RiskFacts:
    levels = fact_levels(facts_of(agent, signs, rules))
    held = {} if let_fall or before is None else before.held
    return RiskFacts(
        agent=agent,
        signs=[sign.as_json() for sign in signs],
        held={name: max(levels.get(name, 0), held.get(name, 0)) for name in {*levels, *held}},
        **{name: levels.get(name) for name in FIELDS},
    )


def _differs(before: RiskFacts, after: RiskFacts) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in (*FIELDS, "signs", "held"))


def _would_rise(agent: Agent) -> bool:
    assessment = agent.assessment
    return assessment is not None and (agent.tier or 0) < assessment.tier


def read_fleet(*, step: int = STEP) -> int:
    """Read the facts of every agent on record again; returns how many. An agent somebody is writing to waits for the next time."""
    actor, done = system_principal(), 0
    last: UUID | None = None
    while batch := _next_batch(last, step, actor):
        last, done = batch[-1], done + len(batch)
    return done


@transaction.atomic
def _next_batch(last: UUID | None, step: int, actor: Principal) -> list[UUID]:
    """One batch after the agent `last` by id, in a transaction of its own; the ids it covered."""
    rows = Agent.objects.on_record().order_by("pk")
    after = rows if last is None else rows.filter(pk__gt=last)
    ids = list(after.values_list("pk", flat=True)[:step])
    agents = list(rows.select_for_update(no_key=True, skip_locked=True).filter(pk__in=ids))
    if agents:
        refresh_risk(agents, actor=actor)
    return ids

"""Answering what the facts say: taking their level as one's own, and letting go of what no longer holds."""

from __future__ import annotations

from django.db import transaction

from apps.agents import risk
from apps.agents.access import require_change, require_for, standing_of
from apps.agents.models import Agent
from apps.agents.queries.risk import risk_record
from apps.agents.services.registry import edit_agent, lock_agent
from apps.agents.services.risk import read_facts, under_standing_policy, write_tiers
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, require_reason


@transaction.atomic
def take_fact_level(agent: Agent, dimension: str, *, actor: Principal, reason: str = "") -> Agent:
    """Answer a dimension as its facts do, where they say more than the answer. Read anew, not as last written down."""
    if dimension not in risk.FIELDS:
        raise InvalidInput(
            "Nothing was taken.", fields={"dimension": f"Choose one of {', '.join(risk.FIELDS)}"}
        )
    agent = lock_agent(agent)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    under_standing_policy([agent])
    lines = risk_record(agent, actor=actor).lines
    line = next(one for one in lines if one.dimension.field == dimension)
    if (line.by_facts or 0) <= (line.answer or 0):
        raise Conflict("The facts say no more than the answer.", code="agents.risk.facts_say_no_more")
    why = reason.strip() or f"Taken from the record: {line.facts[0].words}."
    return edit_agent(agent, {dimension: line.by_facts}, actor=actor, reason=why)


@transaction.atomic
def reassess_agent(agent: Agent, *, actor: Principal, reason: str) -> Agent:
    """Judge by the facts as they are now, where former ones still hold a level up. Lowering asks for what lowering an
    answer asks for."""
    agent = lock_agent(agent)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    require_reason(reason, "Say why the former facts hold no longer")
    policy = under_standing_policy([agent])
    before = standing_of(agent)
    read_facts([agent], policy.parsed, let_fall=True)
    require_change(agent, before, actor=actor)
    record_act("agents.risk.reassessed", actor=actor, target=("agent", agent.pk), reason=reason.strip())
    write_tiers([agent], policy, actor=actor, reason=reason.strip())
    return agent

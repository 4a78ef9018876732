"""Having instances follow their blueprint's definition, and letting them go: a few queries whatever their number.

The definition is one more source of each instance's record, stronger than any file, scan or traffic and weaker
than a person's word on the one instance (`apps.agents.reconciliation`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.agents.fields import restored
from apps.agents.models import Agent, Blueprint, Claim, Origin
from apps.agents.reconciliation import rank
from apps.agents.services.bulk import Outcome, change_record, tell_changes, write_records
from apps.agents.services.registry import lock_agents
from apps.agents.services.risk import under_standing_policy
from apps.identity.models import Principal
from apps.identity.services.ledger import Act, record_acts

FOLLOWED, JOINED = "agents.agent.reconciled", "agents.blueprint.attached"
DETACHED = "agents.blueprint.detached"


def lock_blueprint(blueprint: Blueprint) -> Blueprint:
    """The row, locked: one act on a blueprint and its instances at a time."""
    return (
        Blueprint.objects.select_for_update(of=("self",), no_key=True)
        .select_related("team")
        .get(pk=blueprint.pk)
    )


def lock_instances(agents: Collection[UUID]) -> list[Agent]:
    """These agents, locked as every other locker does it."""
    return lock_agents(agents)


@transaction.atomic
def follow_definition(
    agents: Sequence[Agent],
    blueprint: Blueprint,
    values: Mapping[str, Any],
    *,
    actor: Principal,
    reason: str = "",
    over_people: bool = False,
) -> list[Outcome]:
    """Have locked agents show what the definition says on these fields (stored values), where nothing stronger is said.

    An agent of no blueprint becomes an instance. `over_people` takes a person's word on these fields back. An
    outcome with an error left its agent as it was.
    """
    wanted = {name: restored(name, value) for name, value in values.items()}
    under_standing_policy(agents)
    stronger = set() if over_people else _stronger(agents, wanted)
    outcomes = [
        _follow(agent, blueprint, {n: v for n, v in wanted.items() if (agent.pk, n) not in stronger}, actor)
        for agent in agents
    ]
    followers = [one.agent for one in outcomes if one.error is None and one.agent is not None]
    if over_people:
        Claim.objects.filter(agent__in=followers, field__in=wanted, origin=Origin.PERSON).delete()
    done = [outcome for outcome in outcomes if outcome.differences]
    write_records(done, actor=actor)
    remember_definition(followers, values, actor=actor)
    record_acts([_act(outcome, blueprint, actor, reason) for outcome in done])
    tell_changes(done, actor=actor)
    return outcomes


@transaction.atomic
def keep_as_own_word(agents: Iterable[Agent], fields: Collection[str], *, actor: Principal) -> None:
    """Where the definition no longer speaks the record keeps its value, from now on as the actor's own word."""
    spoken = Claim.objects.filter(agent__in=list(agents), field__in=fields, origin=Origin.BLUEPRINT)
    own = Claim.objects.filter(agent=OuterRef("agent"), field=OuterRef("field"), origin=Origin.PERSON)
    spoken.filter(Exists(own)).delete()
    spoken.update(origin=Origin.PERSON, stated_by=actor, claimed_at=timezone.now())


def release_instances(
    blueprint: Blueprint, agents: Sequence[Agent], *, actor: Principal, reason: str
) -> list[Outcome]:
    """Let locked instances be instances no longer, with every value as it is. A step: who may was checked, and the caller
    tells what changed."""
    outcomes = [Outcome(agent, {"blueprint": [blueprint.name, ""]}) for agent in agents]
    for agent in agents:
        agent.blueprint = None
        agent.version += 1
    keep_as_own_word(agents, blueprint.defaults.keys(), actor=actor)
    write_records(outcomes, actor=actor)
    detail = {
        "source": blueprint.name,
        "blueprint": blueprint.pk,
        "changes": {"blueprint": [blueprint.name, ""]},
    }
    record_acts([Act(DETACHED, actor, ("agent", agent.pk), reason, detail) for agent in agents])
    return outcomes


def remember_definition(agents: Iterable[Agent], values: Mapping[str, Any], *, actor: Principal) -> None:
    """Keep the definition's word (stored values) on each of these agents. One query."""
    now = timezone.now()
    Claim.objects.bulk_create(
        [
            Claim(agent=agent, field=name, origin=Origin.BLUEPRINT, source="", value=value, stated_by=actor, claimed_at=now)
            for agent in agents
            for name, value in values.items()
        ],
        update_conflicts=True,
        unique_fields=["agent", "field", "origin", "source"],
        update_fields=["value", "claimed_at", "stated_by"],
    )  # fmt: skip


def _stronger(agents: Sequence[Agent], fields: Collection[str]) -> set[tuple[UUID, str]]:
    """Fields on which somebody weightier than a definition has spoken."""
    claims = Claim.objects.filter(agent__in=agents, field__in=fields)
    return {
        (agent_id, name)
        for agent_id, name, origin in claims.values_list("agent_id", "field", "origin")
        if rank(name, origin) < rank(name, Origin.BLUEPRINT)
    }


def _follow(agent: Agent, blueprint: Blueprint, values: Mapping[str, Any], actor: Principal) -> Outcome:
    outcome = change_record(agent, values, actor=actor)
    if outcome.error is None and agent.blueprint_id != blueprint.pk:
        if not outcome.differences:
            agent.version += 1
        outcome.differences["blueprint"] = ["", blueprint.name]
        agent.blueprint = blueprint
    return outcome


def _act(outcome: Outcome, blueprint: Blueprint, actor: Principal, reason: str) -> Act:
    assert outcome.agent is not None
    detail = {
        "changes": outcome.differences, "origin": Origin.BLUEPRINT.value, "source": blueprint.name, "blueprint": blueprint.pk,
    } | outcome.tier  # fmt: skip
    action = JOINED if "blueprint" in outcome.differences else FOLLOWED
    return Act(action, actor, ("agent", outcome.agent.pk), reason, detail)

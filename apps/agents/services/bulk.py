"""Editing many agents at once: as `edit_agent` does it, in a handful of queries whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.agents.access import require_for
from apps.agents.fields import FIELDS, stored
from apps.agents.models import Agent
from apps.agents.services.auditing import write_agents
from apps.agents.services.indexing import index_words
from apps.agents.services.registry import (
    apply_changes,
    lock_agents,
    remember_many,
    require_on_record,
    tier_change,
)
from apps.agents.services.risk import TOLD_BY_RECORD, refresh_risk, under_standing_policy
from apps.agents.signals import agents_changed
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_acts
from apps.kit.errors import DomainError, NotFound, StaleWrite

TOLD = {"name", "purpose"}  # the fields that search reads


@dataclass(frozen=True)
class Edit:
    """What is to become of one agent. `version` refuses a stale write, None takes the record as it is.

    `only_where` names the values the fields must still have: {field: stored value}.
    """

    agent_id: UUID
    changes: Mapping[str, Any]
    version: int | None = None
    only_where: Mapping[str, Any] | None = None


@dataclass
class Outcome:
    """What became of it: `differences` is {field: [before, after]} in words, `before` the stored values that went.

    `error` says why nothing was done; neither an error nor differences: it was so already.
    """

    agent: Agent | None = None
    differences: dict[str, list[str]] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    error: DomainError | None = None
    tier: dict[str, Any] = field(default_factory=dict)


@transaction.atomic
def edit_agents(edits: Sequence[Edit], *, actor: Principal, reason: str = "") -> list[Outcome]:
    """Make each edit that can be made and say of the others why not; outcomes in the order of `edits`.

    Rows are locked in the order of their keys, so that two of these never wait for each other in a ring.
    An agent named twice is edited twice, in order.
    """
    locked = {agent.pk: agent for agent in lock_agents({edit.agent_id for edit in edits})}
    under_standing_policy(locked.values())
    outcomes = [_attempt(edit, locked, actor) for edit in edits]
    done = [outcome for outcome in outcomes if outcome.differences]
    write_records(done, actor=actor)
    agents = {outcome.agent for outcome in done if outcome.agent is not None}
    remember_many({agent: _set_values(agent, done) for agent in agents}, actor=actor)
    record_acts([_act(outcome, actor, reason) for outcome in done])
    tell_changes(done, actor=actor)
    return outcomes


def change_record(agent: Agent, changes: Mapping[str, Any], *, actor: Principal) -> Outcome:
    """Set fields of a locked instance that the actor may curate; refused, the instance is as it was. A step: the caller
    writes what came of it by `write_records`."""
    before = {name: getattr(agent, name) for name in changes if name in FIELDS}
    try:
        require_for(actor, Permission.AGENTS_CURATE, agent)
        require_on_record(agent)
        differences = apply_changes(agent, changes, actor=actor)
    except DomainError as error:
        for name, value in before.items():  # it may be edited again further down the list
            setattr(agent, name, value)
        return Outcome(agent, error=error)
    tier = agent.tier
    if differences:
        assessment = agent.assessment
        agent.tier = assessment.tier if assessment else None
        agent.version += 1
    was = {name: stored(name, before[name]) for name in differences}
    return Outcome(agent, differences, was, tier=tier_change(tier, agent))


def write_records(done: Sequence[Outcome], *, actor: Principal) -> None:
    """Write changed, locked rows with their words for search and their entries of django-auditlog: five queries."""
    agents = {outcome.agent for outcome in done if outcome.agent is not None}
    columns = {name for outcome in done for name in outcome.differences}
    changes = [(one.agent, one.differences) for one in done if one.agent is not None]
    write_agents(changes, columns | {"tier", "risk_policy"}, actor=actor)
    if columns & TOLD:
        index_words(agents)


def tell_changes(done: Sequence[Outcome], *, actor: Principal) -> None:
    """Tell whoever stands above what was curated, of all together; read the facts again that follow."""
    changes: dict[Agent, set[str]] = {}
    for one in done:  # an agent may be edited twice in one act
        if one.agent is not None:
            changes.setdefault(one.agent, set()).update(one.differences)
    agents_changed.send(sender=Agent, changes=changes, actor=actor)
    told = {one.agent for one in done if one.agent is not None and TOLD_BY_RECORD & one.differences.keys()}
    if told:
        refresh_risk(sorted(told, key=lambda agent: agent.pk), actor=actor)


def _attempt(edit: Edit, locked: dict[UUID, Agent], actor: Principal) -> Outcome:
    agent = locked.get(edit.agent_id)
    if agent is None:
        return Outcome(error=NotFound("There is no such agent."))
    try:
        _require_as_expected(edit, agent)
    except DomainError as error:
        return Outcome(agent, error=error)
    return change_record(agent, edit.changes, actor=actor)


def _require_as_expected(edit: Edit, agent: Agent) -> None:
    if edit.version is not None and agent.version != edit.version:
        raise StaleWrite(f"{agent.name} was changed meanwhile; it is at version {agent.version} now.")
    changed = [
        name for name, value in (edit.only_where or {}).items() if stored(name, getattr(agent, name)) != value
    ]
    if changed:
        raise StaleWrite(
            f"{agent.name} was changed again since: {', '.join(sorted(changed))}.",
            fields=dict.fromkeys(changed, "It no longer has the value that was set"),
        )


def _set_values(agent: Agent, done: list[Outcome]) -> dict[str, Any]:
    names = {name for outcome in done if outcome.agent is agent for name in outcome.differences}
    return {name: getattr(agent, name) for name in names}


def _act(outcome: Outcome, actor: Principal, reason: str) -> Act:
    assert outcome.agent is not None
    detail = {"changes": outcome.differences} | outcome.tier
    return Act("agents.agent.edited", actor, ("agent", outcome.agent.pk), reason, detail)

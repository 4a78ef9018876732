"""What sources other than people say of agents, and settling where they contradict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.agents.access import may, require_for
from apps.agents.fields import EDITABLE, is_empty, restored, stored
from apps.agents.models import Agent, Claim, Origin
from apps.agents.reconciliation import Statement, believed, contradicting
from apps.agents.services.registry import (
    apply_changes,
    edit_agent,
    follow_record,
    lock_agent,
    remember_statements,
    save_agent,
    tier_change,
)
from apps.agents.services.risk import under_standing_policy
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, NotFound


@dataclass(frozen=True)
class Source:
    """Who says it: the origin, and which source of that origin (a repository, an import's name)."""

    origin: str
    name: str


@dataclass(frozen=True)
class Contradiction:
    """A field on which a source says otherwise than the record shows."""

    claim: Claim
    field: str
    shown: Any
    said: Any


@transaction.atomic
def state_claims(agent: Agent, source: Source, values: Mapping[str, Any], *, actor: Principal) -> Agent:
    """Take a source's word on some fields. The record changes where no stronger source says otherwise.

    An empty value takes the source's word back. The order in which sources speak does not matter.
    """
    agent = lock_agent(agent)
    if source.origin != Origin.DECLARED or not may(actor, Permission.AGENTS_DECLARE, agent):
        require_for(actor, Permission.AGENTS_CURATE, agent)
    if source.origin == Origin.PERSON:
        return edit_agent(agent, values, actor=actor)
    unknown = sorted(values.keys() - set(EDITABLE))
    if unknown:
        raise InvalidInput("Nothing was taken over.", fields=dict.fromkeys(unknown, "There is no such field"))
    _keep(agent, source, values, actor)
    return _show_believed(agent, values, source, actor=actor)


def contradictions_of(agents: Iterable[Agent], *, actor: Principal) -> list[Contradiction]:
    """Unsettled claims that differ from what the record shows, of agents the actor sees. Two queries."""
    rows = Claim.objects.visible_to(actor).filter(agent__in=list(agents)).select_related("agent", "stated_by")
    grouped: dict[tuple[object, str], list[Claim]] = {}
    for claim in rows:
        grouped.setdefault((claim.agent_id, claim.field), []).append(claim)
    return [
        one
        for (_, field), claims in sorted(grouped.items(), key=str)
        for one in _contradictions(field, claims)
    ]


@transaction.atomic
def settle(claim: Claim, *, take: bool, actor: Principal, reason: str = "") -> Agent:
    """End a contradiction: take the claim's value as a person's word, or keep what is shown."""
    agent = lock_agent(claim.agent)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    claim = Claim.objects.select_for_update().filter(pk=claim.pk).first() or _gone()
    rivals = Claim.objects.filter(agent=agent, field=claim.field).exclude(origin=Origin.PERSON)
    value = restored(claim.field, claim.value) if take else getattr(agent, claim.field)
    edit_agent(agent, {claim.field: value}, actor=actor, reason=reason or "Settled between sources.")
    remember_statements(agent, {claim.field: value}, actor=actor)  # also where the record showed it already
    rivals.update(settled_at=timezone.now())
    record_act(
        "agents.claim.settled",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason,
        detail={"field": claim.field, "source": claim.source, "taken": take},
    )
    agent.refresh_from_db()
    return agent


def _keep(agent: Agent, source: Source, values: Mapping[str, Any], actor: Principal) -> None:
    own = Claim.objects.filter(agent=agent, origin=source.origin, source=source.name)
    own.filter(field__in=[name for name, value in values.items() if is_empty(value)]).delete()
    known = {claim.field: claim.value for claim in own}
    said = {name: stored(name, value) for name, value in values.items() if not is_empty(value)}
    now = timezone.now()
    Claim.objects.bulk_create(
        [
            Claim(
                agent=agent, field=name, origin=source.origin, source=source.name, value=value, stated_by=actor,
                claimed_at=now,
            )
            for name, value in said.items()
            if name not in known or known[name] != value
        ],
        update_conflicts=True,
        unique_fields=["agent", "field", "origin", "source"],
        update_fields=["value", "stated_by", "claimed_at", "settled_at"],
    )  # fmt: skip


def _show_believed(agent: Agent, fields: Iterable[str], source: Source, *, actor: Principal) -> Agent:
    changes, claims = {}, list(Claim.objects.filter(agent=agent))
    for name in fields:
        winner = believed(name, [_statement(claim) for claim in claims if claim.field == name])
        if winner is not None:
            changes[name] = restored(name, winner.value)
    under_standing_policy([agent])
    before = agent.tier
    differences = apply_changes(agent, changes, actor=actor)
    if differences:
        save_agent(agent)
        record_act(
            "agents.agent.reconciled",
            actor=actor,
            target=("agent", agent.pk),
            detail={"changes": differences, "origin": source.origin, "source": source.name}
            | tier_change(before, agent),
        )
        follow_record(agent, set(differences), actor=actor)
    return agent


def _contradictions(field: str, claims: list[Claim]) -> list[Contradiction]:
    statements = {_key(claim): claim for claim in claims}
    shown = believed(field, [_statement(claim) for claim in claims])
    differing = contradicting(field, [_statement(claim) for claim in claims])
    found = [statements[(one.origin, one.source)] for one in differing]
    return [
        Contradiction(claim, field, shown.value if shown else None, claim.value)
        for claim in found
        if claim.settled_at is None
        and claim.origin != Origin.BLUEPRINT  # a person's own value differs on purpose
    ]


def _statement(claim: Claim) -> Statement:
    return Statement(claim.origin, claim.source, claim.value, claim.claimed_at)


def _key(claim: Claim) -> tuple[str, str]:
    return claim.origin, claim.source


def _gone() -> Claim:
    raise NotFound("This claim was taken back meanwhile.")

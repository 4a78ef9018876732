"""Putting many agents on record at once by their natural key: made where missing, changed where different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction

from apps.agents.models import Agent, State
from apps.agents.services.bulk import Edit, Outcome, edit_agents
from apps.agents.services.drafting import put_on_record
from apps.agents.services.registry import remember_many, set_fields
from apps.identity.access import require, require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_acts
from apps.kit.errors import Conflict, DomainError, InvalidInput
from apps.kit.ids import new_id

AT_MOST = 1000


@dataclass(frozen=True)
class Wanted:
    """One agent as it should stand; `slug` is its natural key."""

    slug: str
    values: Mapping[str, Any]


@dataclass
class Result:
    """`status`: created, updated, unchanged or failed (then with `message` and `fields`)."""

    slug: str
    status: str
    agent: Agent | None = None
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def upsert_agents(wanted: Sequence[Wanted], *, actor: Principal, reason: str = "") -> list[Result]:
    """Results in the order of `wanted`; an item that fails leaves the others as they are. Sending the same again changes
    nothing. New agents begin as drafts. An agent the actor may not see counts as another's: its slug is taken."""
    require_somewhere(actor, Permission.AGENTS_CURATE)
    if not 0 < len(wanted) <= AT_MOST:
        raise InvalidInput("Nothing was written.", fields={"items": f"Send 1 to {AT_MOST:,} items"})
    slugs = {one.slug for one in wanted}
    known = {
        agent.slug: agent for agent in Agent.objects.visible_to(actor).on_record().filter(slug__in=slugs)
    }
    taken = set(Agent.objects.filter(slug__in=slugs).values_list("slug", flat=True))
    results: dict[int, Result] = {}
    edits: dict[int, Edit] = {}
    made: dict[Agent, Mapping[str, Any]] = {}
    seen: set[str] = set()
    for at, one in enumerate(wanted):
        if one.slug in seen:
            results[at] = Result(
                one.slug, "failed", message="An earlier item has this slug", fields={"slug": "Send it once"}
            )
        elif one.slug in known:
            edits[at] = Edit(known[one.slug].pk, one.values)
        else:
            results[at] = _drafted(one, taken, made, actor)
        seen.add(one.slug)
    _put_on_record(made, actor, reason)
    outcomes = edit_agents(list(edits.values()), actor=actor, reason=reason) if edits else []
    for (at, _), outcome in zip(edits.items(), outcomes, strict=True):
        results[at] = _edited(wanted[at].slug, outcome)
    return [results[at] for at in range(len(wanted))]


def _drafted(one: Wanted, taken: set[str], made: dict[Agent, Mapping[str, Any]], actor: Principal) -> Result:
    """A new agent with its values, checked and put into `made`, or why it cannot be. Nothing is written yet."""
    agent = Agent(id=new_id(), name="", slug=one.slug, state=State.DRAFT)
    values = {**one.values, "name": str(one.values.get("name") or one.slug)}
    try:
        if one.slug in taken:
            raise InvalidInput("This slug is taken.", fields={"slug": "Choose another"})
        differences = set_fields(agent, values, actor=actor)
        require(actor, Permission.AGENTS_CURATE, agent.team_id)
    except DomainError as error:
        return _failed(one.slug, error)
    made[agent] = differences
    return Result(one.slug, "created", agent)


def _put_on_record(made: Mapping[Agent, Mapping[str, Any]], actor: Principal, reason: str) -> None:
    """Write them all, a few queries whatever their number; whoever made one of them meanwhile keeps it."""
    try:
        with transaction.atomic():
            put_on_record(list(made), actor=actor)
    except IntegrityError as error:
        raise Conflict("Some of these were put on record meanwhile; send the same again.") from error
    remember_many(
        {agent: {name: getattr(agent, name) for name in said} for agent, said in made.items()}, actor=actor
    )
    acts = [
        Act("agents.agent.drafted", actor, ("agent", agent.pk), reason, {"name": agent.name, "changes": dict(said)})
        for agent, said in made.items()
    ]  # fmt: skip
    record_acts(acts)


def _edited(slug: str, outcome: Outcome) -> Result:
    if outcome.error:
        return _failed(slug, outcome.error)
    return Result(slug, "updated" if outcome.differences else "unchanged", outcome.agent)


def _failed(slug: str, error: DomainError) -> Result:
    return Result(slug, "failed", message=error.message, fields=error.fields)

"""Putting many agents on record at once by their natural key: made where missing, changed where different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.agents.models import Agent
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.registry import create_draft
from apps.identity.access import require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput

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
    known = {
        agent.slug: agent
        for agent in Agent.objects.visible_to(actor).on_record().filter(slug__in={one.slug for one in wanted})
    }
    results: dict[int, Result] = {}
    edits: dict[int, Edit] = {}
    seen: set[str] = set()
    for at, one in enumerate(wanted):
        if one.slug in seen:
            results[at] = Result(
                one.slug, "failed", message="An earlier item has this slug", fields={"slug": "Send it once"}
            )
        elif one.slug in known:
            edits[at] = Edit(known[one.slug].pk, one.values)
        else:
            results[at] = _made(one, actor)
        seen.add(one.slug)
    outcomes = edit_agents(list(edits.values()), actor=actor, reason=reason) if edits else []
    for (at, _), outcome in zip(edits.items(), outcomes, strict=True):
        status = "updated" if outcome.differences else "unchanged"
        results[at] = (
            _failed(wanted[at].slug, outcome.error)
            if outcome.error
            else Result(wanted[at].slug, status, outcome.agent)
        )
    return [results[at] for at in range(len(wanted))]


def _made(one: Wanted, actor: Principal) -> Result:
    values = dict(one.values)
    try:
        with transaction.atomic():
            if Agent.objects.filter(slug=one.slug).exists():
                raise InvalidInput("This slug is taken.", fields={"slug": "Choose another"})
            name = str(values.pop("name", "") or one.slug)
            agent = create_draft(name, team=values.pop("team", None), slug=one.slug, actor=actor)
            (outcome,) = edit_agents([Edit(agent.pk, values)], actor=actor)
            if outcome.error:
                raise outcome.error
    except DomainError as error:
        return _failed(one.slug, error)
    return Result(one.slug, "created", outcome.agent)


def _failed(slug: str, error: DomainError) -> Result:
    return Result(slug, "failed", message=error.message, fields=error.fields)

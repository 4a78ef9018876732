"""Putting many new agents on record at once: a few queries whatever their number."""

from __future__ import annotations

from collections.abc import Sequence

from auditlog.models import LogEntry
from django.db.models import prefetch_related_objects
from django.utils.text import slugify

from apps.agents.models import Agent
from apps.agents.services.auditing import log_changes
from apps.agents.services.indexing import index_words
from apps.agents.services.risk import refresh_risk, under_standing_policy
from apps.identity.models import Principal


def put_on_record(agents: Sequence[Agent], *, actor: Principal) -> None:
    """Write new agents, each with its principal and a slug: its own, or one made of its name. The caller checked and
    records the acts."""
    if not agents:
        return
    under_standing_policy(agents)
    prefetch_related_objects(agents, "risk_facts")  # there are none yet, which is asked once and not of each
    for agent in agents:
        agent.principal = Principal(kind=Principal.Kind.AGENT, name=agent.name, team=agent.team)
        assessment = agent.assessment
        agent.tier = assessment.tier if assessment else None
    _give_slugs(agents)
    Principal.objects.bulk_create([agent.principal for agent in agents])
    Agent.objects.bulk_create(agents)
    index_words(agents)
    log_changes(
        [(agent, {"name": ("", agent.name)}) for agent in agents], actor=actor, action=LogEntry.Action.CREATE
    )
    refresh_risk(agents, actor=actor)


def _give_slugs(agents: Sequence[Agent]) -> None:
    wanted = {agent: slugify(agent.name)[:70] or "agent" for agent in agents if not agent.slug}
    taken = set(Agent.objects.filter(slug__in=wanted.values()).values_list("slug", flat=True))
    for agent, slug in wanted.items():
        agent.slug = f"{slug}-{agent.pk.hex[-6:]}" if slug in taken else slug
        taken.add(slug)

"""Reading agents as other registers are told of them. A fixed number of queries, whatever the number of agents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse

from apps.agents.backstage import Shown
from apps.agents.models import ASSETS, Agent, Connector, Dependency, NodeKind, State
from apps.agents.queries.lists import edges_visible_to
from apps.agents.servicenow import Told
from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.roles import Permission

NOT_SHOWN = (State.DISCOVERED, State.RETIRED)
NOT_TOLD = (State.DISCOVERED, State.DRAFT)


def connectors_visible_to(
    actor: Principal, permission: str = Permission.OUTGOING_VIEW
) -> QuerySet[Connector]:
    """All connectors, or those of the teams in which the actor may see what goes out."""
    access, connectors = access_of(actor), Connector.objects.select_related("team", "created_by")
    return (
        connectors if access.allows(permission) else connectors.filter(team__in=access.teams_with(permission))
    )


def shown_agents(actor: Principal) -> list[Shown]:
    """The agents a Backstage catalogue shows: what the actor sees, without what is only noticed or retired."""
    agents = Agent.objects.visible_to(actor).on_record().exclude(state__in=NOT_SHOWN)
    rows = list(agents.select_related("team").order_by("slug"))
    edges = edges_visible_to(actor).filter(source_id__in=[agent.pk for agent in rows])
    needs = _needs(edges)
    return [
        Shown(
            str(agent.pk), agent.ref, agent.slug, agent.name, agent.purpose, agent.state, agent.tier,
            agent.team.name if agent.team else "", agent.business_service, agent.repository, _url(agent), agent.tags,
            needs.get(agent.pk, []),
        )
        for agent in rows
    ]  # fmt: skip


def told_agents(connector: Connector, ids: Iterable[UUID] | None = None) -> list[Told]:
    """The agents a connector tells of, all or these. One that was told before and merged or withdrawn since is told as retired."""
    on_record = Agent.objects.on_record().exclude(state__in=NOT_TOLD)
    agents = Agent.objects.filter(Q(pk__in=on_record) | Q(pk__in=connector.items.values("agent_id")))
    if connector.team_id:
        agents = agents.filter(team=connector.team_id)
    if ids is not None:
        agents = agents.filter(pk__in=list(ids))
    rows = list(agents.select_related("team", "owner").order_by("pk"))
    wanted = {
        "source_id__in": [agent.pk for agent in rows],
        "source_kind": NodeKind.AGENT,
        "target_kind": NodeKind.AGENT,
    }
    needs: dict[UUID, set[str]] = defaultdict(set)
    for source, target in Dependency.objects.filter(**wanted).values_list("source_id", "target_id"):
        needs[source].add(str(target))
    return [_told(agent, sorted(needs[agent.pk])) for agent in rows]


def _told(agent: Agent, needs: Sequence[str]) -> Told:
    facts = {
        "tier": str(agent.tier or ""), "team": agent.team.name if agent.team else "",
        "owner": agent.owner.name if agent.owner else "", "business_service": agent.business_service,
        "certified_until": agent.certified_until.date().isoformat() if agent.certified_until else "",
        "repository": agent.repository, "url": _url(agent),
    }  # fmt: skip
    state = agent.state if agent.is_on_record else State.RETIRED.value
    return Told(str(agent.pk), agent.ref, agent.name, agent.purpose, state, agent.environment, facts, needs)


def _needs(edges: QuerySet[Dependency]) -> dict[UUID, list[tuple[str, str, str]]]:
    pairs = set(edges.values_list("source_id", "target_kind", "target_id"))
    names = _names(pairs)
    found: dict[UUID, list[tuple[str, str, str]]] = defaultdict(list)
    for source, kind, target in pairs:
        if (kind, target) in names:
            found[source].append((kind, names[kind, target], str(target)))
    return found


def _names(pairs: Iterable[tuple[UUID, str, UUID]]) -> dict[tuple[str, UUID], str]:
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for _, kind, target in pairs:
        wanted[kind].add(target)
    models: dict[str, Any] = {"agent": Agent, **ASSETS}
    return {
        (kind, row.pk): str(row)
        for kind, ids in wanted.items()
        for row in models[kind]._default_manager.filter(pk__in=ids)
    }


def _url(agent: Agent) -> str:
    return str(settings.PUBLIC_URL).rstrip("/") + reverse("agents:detail", args=[agent.pk])

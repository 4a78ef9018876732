"""Reading the registry for pages: facets beside the list, chips above it, the fleet at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from apps.agents.filters import CERTIFICATION, TIERS, AgentFilter
from apps.agents.models import Agent, BreakerState, Dependency, NodeKind, State
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ui import marks
from apps.kit.ui.charts import Cell, HeatMatrix
from apps.kit.ui.parts import Option

SHOWN_STATES = (
    State.DISCOVERED, State.REGISTERED, State.CERTIFIED, State.STAGING, State.PRODUCTION, State.SUSPENDED,
)  # fmt: skip
LABELS = {
    "state": "State",
    "tier": "Tier",
    "breaker": "Breaker",
    "certification": "Certification",
    "team": "Team",
}


@dataclass(frozen=True)
class Chip:
    """One active filter: its name in the address, its label, the value as people read it."""

    name: str
    label: str
    value: str
    raw: str


def facets(agents: QuerySet[Agent]) -> dict[str, list[Option]]:
    """Values of each filter with how many of all visible agents have it; four queries."""
    states = _counts(agents, "state")
    tiers = _counts(agents, "tier")
    breakers = _counts(agents, "breaker_state")
    teams = _counts(agents, "team_id")
    return {
        "state": [Option(v, label, states[v]) for v, label in State.choices if v in states],
        "tier": [Option(str(v), label, tiers.get(v, 0)) for v, label in TIERS],
        "breaker": [Option(v, label, breakers.get(v, 0)) for v, label in BreakerState.choices],
        "certification": [Option(v, label) for v, label in CERTIFICATION],
        "team": [
            Option(str(t.pk), t.name, teams[t.pk])
            for t in Team.objects.filter(pk__in=[str(pk) for pk in teams])
        ],
    }


def chips(narrowed: AgentFilter) -> list[Chip]:
    """The active filters, each removable by itself."""
    words = {
        "state": dict(State.choices),
        "tier": {str(value): label for value, label in TIERS},
        "breaker": dict(BreakerState.choices),
        "certification": dict(CERTIFICATION),
    }
    found = []
    for name in ("state", "tier", "breaker", "certification", "team"):
        values = narrowed.data.getlist(name) if hasattr(narrowed.data, "getlist") else []
        known = words.get(name) or _team_names(values)
        found += [Chip(name, LABELS[name], str(known[raw]), raw) for raw in values if raw in known]
    return found


def fleet_matrix(agents: QuerySet[Agent], list_url: str) -> HeatMatrix:
    """Agents by tier and state; one query."""
    counted = agents.order_by().values_list("tier", "state").annotate(count=Count("pk"))
    counts = {(tier, state): count for tier, state, count in counted}
    rows = [
        (
            marks.tier(tier),
            [
                Cell(counts.get((tier, state), 0), f"{list_url}?state={state.value}{_tier_query(tier)}")
                for state in SHOWN_STATES
            ],
        )
        for tier in (4, 3, 2, 1, None)
    ]
    columns = [marks.state(state) for state in SHOWN_STATES]
    return HeatMatrix("Agents by tier and state", "Tier", columns, rows)


def edges_visible_to(actor: Principal) -> QuerySet[Dependency]:
    """Dependencies the actor may know of: neither end is an agent it may not see."""
    if actor.kind == Principal.Kind.AGENT or not access_of(actor).allows_somewhere(Permission.AGENTS_VIEW):
        return Dependency.objects.none()
    if access_of(actor).allows(Permission.AGENTS_VIEW):
        return Dependency.objects.all()
    seen = Agent.objects.visible_to(actor).values("pk")
    source = ~Q(source_kind=NodeKind.AGENT) | Q(source_id__in=seen)
    target = ~Q(target_kind=NodeKind.AGENT) | Q(target_id__in=seen)
    return Dependency.objects.filter(source, target)


def _tier_query(tier: int | None) -> str:
    return f"&tier={tier}" if tier else ""


def _counts(agents: QuerySet[Agent], column: str) -> dict[object, int]:
    rows = agents.order_by().values_list(column).annotate(count=Count("pk"))
    return {value: count for value, count in rows if value is not None}


def _team_names(ids: list[str]) -> dict[str, str]:
    return {str(team.pk): team.name for team in Team.objects.all() if str(team.pk) in ids}

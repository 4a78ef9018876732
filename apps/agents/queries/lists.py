"""Reading the registry for pages: facets beside the list, chips above it, the fleet at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet
from django.http import QueryDict

from apps.agents.filters import CERTIFICATION, CUSTOM, KEPT, OWNED, TIERS
from apps.agents.models import (
    Agent,
    AiActClass,
    Blueprint,
    BreakerState,
    CustomField,
    Dependency,
    Environment,
    NodeKind,
    SavedView,
    State,
)
from apps.agents.quality import QUEUES
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import id_or_none
from apps.kit.ui import marks
from apps.kit.ui.charts import Cell, HeatMatrix

SHOWN_STATES = (
    State.DISCOVERED, State.REGISTERED, State.CERTIFIED, State.STAGING, State.PRODUCTION, State.SUSPENDED,
)  # fmt: skip
FACETS = {
    "state": ("State", "state", list(State.choices)),
    "tier": ("Tier", "tier", [*((str(number), label) for number, label in TIERS), ("none", "Not assessed")]),
    "breaker": ("Breaker", "breaker_state", list(BreakerState.choices)),
    "environment": ("Environment", "environment", list(Environment.choices)),
}
CHOSEN = FACETS | {
    "certification": ("Certification", "", CERTIFICATION),
    "ai_act_class": ("EU AI Act", "ai_act_class", list(AiActClass.choices)),
    "queue": ("Queue", "", [(queue.key, queue.name) for queue in QUEUES.values()]),
    "kept": ("Only", "", KEPT),
    "owned": ("Owner", "", OWNED),
}
YES_NO = [("true", "Yes"), ("false", "No")]
TYPED = {"tag": "Tag", "framework": "Framework"}


@dataclass(frozen=True)
class Chip:
    """One active filter: its name in the address, its label, the value as people read it."""

    name: str
    label: str
    value: str
    raw: str

    @property
    def is_custom(self) -> bool:
        return self.name.startswith(CUSTOM)


def chips(asked: QueryDict) -> list[Chip]:
    """The active filters, each removable by itself. One query for each of teams, owners, blueprints and custom fields that
    are among them."""
    found = []
    for name, (label, _, choices) in CHOSEN.items():
        known = dict(choices)
        found += [Chip(name, label, str(known[raw]), raw) for raw in asked.getlist(name) if raw in known]
    found += [
        Chip(name, label, raw, raw) for name, label in TYPED.items() for raw in asked.getlist(name) if raw
    ]
    for name, label, model in (
        ("team", "Team", Team),
        ("owner", "Owner", Principal),
        ("blueprint", "Blueprint", Blueprint),
    ):
        ids = [raw for raw in asked.getlist(name) if id_or_none(raw)]
        rows = model._default_manager.filter(pk__in=ids) if ids else ()
        found += [Chip(name, label, str(row), str(row.pk)) for row in rows]
    return found + _custom_chips(asked)


def _custom_chips(asked: QueryDict) -> list[Chip]:
    keys = [name.removeprefix(CUSTOM) for name in asked if name.startswith(CUSTOM) and "\0" not in name]
    return [
        Chip(f"{CUSTOM}{one.key}", one.label, dict(YES_NO).get(raw, raw), raw)
        for one in (CustomField.objects.filter(key__in=keys) if keys else ())
        for raw in asked.getlist(f"{CUSTOM}{one.key}")
        if raw
    ]


def fleet_matrix(agents: QuerySet[Agent], list_url: str) -> HeatMatrix:
    """Agents by tier and state, with every state that holds one; one query."""
    counted = agents.order_by().values_list("tier", "state").annotate(count=Count("*"))
    counts = {(tier, state): count for tier, state, count in counted}
    held = {state for _, state in counts}
    shown = [state for state in State if state in SHOWN_STATES or state in held]
    rows = [
        (
            marks.tier(tier),
            [
                Cell(counts.get((tier, state), 0), f"{list_url}?state={state.value}{_tier_query(tier)}")
                for state in shown
            ],
        )
        for tier in (4, 3, 2, 1, None)
    ]
    columns = [marks.state(state) for state in shown]
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
    return f"&tier={tier or 'none'}"


@dataclass(frozen=True)
class ViewLink:
    """A tab of the list: a fixed view or somebody's saved one (`view_id`, when it is the actor's own)."""

    name: str
    href: str
    current: bool
    view_id: str = ""


FIXED_VIEWS = (
    ("Mine", "kept=mine"),
    ("Bookmarked", "kept=bookmarked"),
    ("Stopped", "breaker=tripped"),
    ("Certification due", "certification=due"),
)


def view_links(actor: Principal, asked: QueryDict, list_url: str) -> list[ViewLink]:
    """The fixed views and those saved by or shown to the actor; one query."""
    here = _settled(asked)
    fixed = [
        ViewLink(name, f"{list_url}?{query}", here == _settled(QueryDict(query)))
        for name, query in FIXED_VIEWS
    ]
    saved = SavedView.objects.visible_to(actor).select_related("owner")[:30]
    return fixed + [
        ViewLink(
            view.name if view.owner_id == actor.pk else f"{view.name} ({view.owner.name})",
            f"{list_url}?{view.query}",
            here == _settled(QueryDict(view.query)),
            str(view.pk) if view.owner_id == actor.pk else "",
        )
        for view in saved
    ]


def _settled(asked: QueryDict) -> list[tuple[str, tuple[str, ...]]]:
    """A query as what it asks for: order of keys, empty values and the page left out."""
    kept = {
        key: tuple(sorted(filter(None, asked.getlist(key))))
        for key in asked
        if key not in ("cursor", "column")
    }
    return sorted((key, values) for key, values in kept.items() if values)

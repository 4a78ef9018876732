"""Reading the registry for pages: facets beside the list, chips above it, the fleet at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KT
from django.http import QueryDict

from apps.agents.filters import CERTIFICATION, CUSTOM, KEPT, OWNED, TIERS, AgentFilter
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
from apps.kit.ui import marks
from apps.kit.ui.charts import Cell, HeatMatrix
from apps.kit.ui.parts import Option

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
MOST_CUSTOM = 12
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


@dataclass(frozen=True)
class Facet:
    """One group of filter values; each value with how many agents it would leave. `typed`: one that is typed in, with
    what stands there now."""

    name: str
    label: str
    options: list[Option]
    typed: str | None = None


def facets(visible: QuerySet[Agent], asked: QueryDict, *, actor: Principal) -> list[Facet]:
    """The groups beside the list, each counted among what the other filters leave. One query a group."""
    found = [
        Facet(name, label, _options(name, column, choices, visible, asked, actor))
        for name, (label, column, choices) in FACETS.items()
    ]
    teams = _counts(_left_by_others("team", visible, asked, actor), "team_id")
    shown = Team.objects.filter(pk__in={*filter(None, teams), *filter(_is_uuid, asked.getlist("team"))})
    found.append(Facet("team", "Team", [Option(str(t.pk), t.name, teams.get(t.pk, 0)) for t in shown]))
    found.append(
        Facet("certification", "Certification", [Option(value, label) for value, label in CERTIFICATION])
    )
    return [*found, *_custom_facets(visible, asked, actor)]


def _custom_facets(visible: QuerySet[Agent], asked: QueryDict, actor: Principal) -> list[Facet]:
    """Custom fields: those of few values to tick with their counts (a query each), the others to type in."""
    found = []
    for one in CustomField.objects.all()[:MOST_CUSTOM]:
        name = f"{CUSTOM}{one.key}"
        choices = (
            YES_NO if one.kind == CustomField.Kind.BOOLEAN else [(value, value) for value in one.choices]
        )
        if one.kind not in (CustomField.Kind.BOOLEAN, CustomField.Kind.CHOICE):
            found.append(Facet(name, one.label, [], asked.get(name, "")))
            continue
        rows = _left_by_others(name, visible, asked, actor).annotate(said=KT(f"custom__{one.key}"))
        counts = dict(rows.order_by().values_list("said").annotate(count=Count("*")))
        found.append(
            Facet(name, one.label, [Option(value, label, counts.get(value, 0)) for value, label in choices])
        )
    return found


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
        ids = [raw for raw in asked.getlist(name) if _is_uuid(raw)]
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


def _options(
    name: str,
    column: str,
    choices: list[tuple[str, str]],
    visible: QuerySet[Agent],
    asked: QueryDict,
    actor: Principal,
) -> list[Option]:
    counts = {
        _key(value): n for value, n in _counts(_left_by_others(name, visible, asked, actor), column).items()
    }
    ticked = set(asked.getlist(name))
    return [
        Option(value, label, counts.get(value, 0))
        for value, label in choices
        if counts.get(value) or value in ticked or name == "tier"
    ]


def _left_by_others(
    name: str, visible: QuerySet[Agent], asked: QueryDict, actor: Principal
) -> QuerySet[Agent]:
    others = asked.copy()
    others.pop(name, None)
    return AgentFilter(others, visible, actor=actor).qs


def _key(value: object) -> str:
    return "none" if value is None else str(value)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def fleet_matrix(agents: QuerySet[Agent], list_url: str) -> HeatMatrix:
    """Agents by tier and state; one query."""
    counted = agents.order_by().values_list("tier", "state").annotate(count=Count("*"))
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
    return dict(agents.order_by().values_list(column).annotate(count=Count("*")))


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

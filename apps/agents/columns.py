"""The columns of the list of agents: what pages, exports and REST may show and sort by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce

from apps.agents.fields import FIELDS, words_of
from apps.agents.models import NEVER, Agent, BreakerState, CustomField, State
from apps.agents.quality import completeness_expression

Reader = Callable[[Agent], Any]


@dataclass(frozen=True)
class Column:
    """One column. `sort` names an entry of SORTS, '' where it cannot be sorted; `read` gives what exports hold
    (text, number, moment, list or None); `drops` is the width class at which the page hides it."""

    key: str
    label: str
    read: Reader
    sort: str = ""
    drops: str = "p4"
    is_numeric: bool = False


def _field(name: str, *, sort: str = "", drops: str = "p4") -> Column:
    spec = FIELDS[name]
    kind = spec.kind

    def read(agent: Agent) -> Any:
        value = getattr(agent, name)
        return value if kind in ("list", "number", "level") else words_of(name, value)

    return Column(name, spec.label, read, sort, drops, kind in ("number", "level"))


COLUMNS: dict[str, Column] = {
    column.key: column
    for column in (
        Column("name", "Agent", lambda agent: agent.name, "name", ""),
        Column("ref", "Number", lambda agent: agent.ref, "ref"),
        _field("owner", drops="p3"),
        _field("deputy"),
        _field("team"),
        Column("tier", "Tier", lambda agent: agent.tier, "tier", "p2", is_numeric=True),
        Column("state", "State", lambda agent: State(agent.state).label, drops="p2"),
        Column("certified_until", "Certification", lambda agent: agent.certified_until, "certified", ""),
        Column("breaker", "Breaker", lambda agent: BreakerState(agent.breaker_state).label),
        Column("completeness", "Complete", lambda agent: getattr(agent, "completeness", None), "complete", "p3"),
        _field("purpose", drops="p5"),
        _field("business_service"),
        _field("environment"),
        _field("framework"),
        _field("oversight_level"),
        _field("ai_act_class"),
        _field("data_sensitivity"),
        _field("decision_authority"),
        _field("blast_radius"),
        _field("regulatory_exposure"),
        _field("countries"),
        _field("languages"),
        _field("users_served"),
        _field("retention_days"),
        _field("sub_processors"),
        _field("repository"),
        _field("endpoints"),
        _field("blueprint"),
        _field("tags"),
        Column("slug", "Slug", lambda agent: agent.slug),
        Column("first_seen", "First seen", lambda agent: agent.first_seen),
        Column("last_seen", "Last seen", lambda agent: agent.last_seen, "seen", "p3"),
        Column("confirmed_at", "Confirmed", lambda agent: agent.confirmed_at, "confirmed"),
        Column("created_at", "On record since", lambda agent: agent.created_at, "created"),
    )
}  # fmt: skip
DEFAULT = ("name", "owner", "tier", "state", "certified_until", "breaker", "team", "last_seen")
FOUND = ("name", "owner", "tier", "state")  # beside why each fits
# Each begins with an expression that is never null and ends in the key, as cursors need; each has its index.
SORTS: dict[str, tuple[str, ...]] = {
    "tier": ("tier_rank", "name", "id"),
    "name": ("name", "id"),
    "ref": ("number",),
    "seen": ("seen", "id"),
    "created": ("created_at", "id"),
    "certified": ("certified_rank", "id"),
    "confirmed": ("confirmed_rank", "id"),
    "complete": ("completeness", "id"),
}
ANNOTATIONS: dict[str, Any] = {
    "tier_rank": Coalesce("tier", Value(0)),
    "seen": Coalesce("last_seen", F("created_at")),
    "certified_rank": Coalesce("certified_until", NEVER),
    "confirmed_rank": Coalesce("confirmed_at", NEVER),
    "completeness": completeness_expression(),
}


def known_columns() -> dict[str, Column]:
    """Every column there is, those of custom fields last; one query."""
    return COLUMNS | {column.key: column for column in custom_columns()}


def chosen(keys: Iterable[str], known: Mapping[str, Column] = COLUMNS) -> list[Column]:
    """The columns asked for, in their order; the name always comes first. Unknown keys are left out."""
    wanted = [key for key in dict.fromkeys(keys) if key in known]
    return [known[key] for key in dict.fromkeys(["name", *(wanted or DEFAULT)])]


def ordering_of(sort: str) -> tuple[str, ...]:
    """The ordering that `sort` (a key of SORTS, with `-` for descending) names; riskiest first otherwise."""
    columns = SORTS.get(sort.removeprefix("-"))
    if columns is None:
        return ("-tier_rank", "name", "id")
    return (f"-{columns[0]}", *columns[1:]) if sort.startswith("-") else columns


def sortable(agents: QuerySet[Agent], sort: str, columns: Iterable[Column] = ()) -> QuerySet[Agent]:
    """The agents with what this order and these columns read beside the row."""
    needed = {name.removeprefix("-") for name in ordering_of(sort)} | {column.key for column in columns}
    return agents.order_by().annotate(**{k: v for k, v in ANNOTATIONS.items() if k in needed})


def custom_columns() -> list[Column]:
    """A column for each custom field, by `custom.<key>`; one query."""
    return [
        Column(
            f"custom.{one.key}",
            one.label,
            _custom(one.key),
            drops="p2",
            is_numeric=one.kind == CustomField.Kind.NUMBER,
        )
        for one in CustomField.objects.all()
    ]


def _custom(key: str) -> Reader:
    def read(agent: Agent) -> Any:
        value = agent.custom.get(key)
        return {True: "Yes", False: "No"}[value] if isinstance(value, bool) else value

    return read

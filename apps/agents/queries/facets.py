"""The groups of filters beside the list, each value with how many agents it would leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, QuerySet
from django.db.models.fields.json import KT
from django.http import QueryDict

from apps.agents.filters import CERTIFICATION, CUSTOM, AgentFilter
from apps.agents.models import Agent, CustomField
from apps.agents.queries.lists import FACETS, YES_NO
from apps.identity.models import Principal, Team
from apps.kit.ids import id_or_none
from apps.kit.ui.parts import Option

COLUMNS = {name: column for name, (_, column, _) in FACETS.items()} | {"team": "team_id"}
MOST_CUSTOM = 12
Counts = Mapping[object, int]
COUNTED = """
SELECT {columns}, grouping({columns}), count(*) FROM ({among}) AS one ({columns}) GROUP BY GROUPING SETS ({sets}, ())
"""


@dataclass(frozen=True)
class Facet:
    """One group of filter values. `typed`: one that is typed in, with what stands there now."""

    name: str
    label: str
    options: list[Option]
    typed: str | None = None


def facets(visible: QuerySet[Agent], asked: QueryDict, *, actor: Principal) -> tuple[list[Facet], int]:
    """The groups, each counted among what the other filters leave, and how many agents all filters leave.

    One query for the groups without a choice, one for each with one, one for the teams, one for each
    custom field of few values.
    """
    chosen = [name for name in COLUMNS if asked.getlist(name)]
    free = [name for name in COLUMNS if name not in chosen]
    counts, total = _counted(AgentFilter(asked, visible, actor=actor).qs, free)
    for name in chosen:
        counts |= _counted(_left_by_others(name, visible, asked, actor), [name])[0]
    found = [
        Facet(name, label, _options(name, choices, counts[name], asked.getlist(name)))
        for name, (label, _, choices) in FACETS.items()
    ]
    found += [_teams(counts["team"], asked.getlist("team")), _certification()]
    return [*found, *_custom_facets(visible, asked, actor)], total


def _options(
    name: str, choices: Sequence[tuple[str, str]], counts: Counts, ticked: Sequence[str]
) -> list[Option]:
    by_key = {"none" if value is None else str(value): count for value, count in counts.items()}
    return [
        Option(value, label, by_key.get(value, 0))
        for value, label in choices
        if by_key.get(value) or value in ticked or name == "tier"
    ]


def _teams(counts: Counts, ticked: Sequence[str]) -> Facet:
    shown = Team.objects.filter(pk__in={*filter(None, counts), *filter(id_or_none, ticked)})
    return Facet("team", "Team", [Option(str(team.pk), team.name, counts.get(team.pk, 0)) for team in shown])


def _certification() -> Facet:
    return Facet("certification", "Certification", [Option(value, label) for value, label in CERTIFICATION])


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


def _left_by_others(
    name: str, visible: QuerySet[Agent], asked: QueryDict, actor: Principal
) -> QuerySet[Agent]:
    others = asked.copy()
    others.pop(name, None)
    return AgentFilter(others, visible, actor=actor).qs


def _counted(agents: QuerySet[Agent], names: Sequence[str]) -> tuple[dict[str, Counts], int]:
    """How many of `agents` have each value of each of these columns, and how many there are; in one pass over them."""
    if not names:
        return {}, agents.order_by().count()
    columns = [COLUMNS[name] for name in names]
    chosen, values = agents.order_by().values_list(*columns).query.sql_with_params()
    listed = ", ".join(columns)
    sets = ", ".join(f"({column})" for column in columns)
    one_pass = COUNTED.format(columns=listed, among=chosen, sets=sets)
    with connection.cursor() as cursor:
        cursor.execute(one_pass, values)
        rows = cursor.fetchall()
    everything = (
        1 << len(columns)
    ) - 1  # grouping() has a 0 where the row is of that column, the first one leftmost
    of = {everything ^ (1 << (len(columns) - 1 - at)): at for at in range(len(columns))}
    counts: dict[str, dict[object, int]] = {name: {} for name in names}
    total = 0
    for *told, which, count in rows:
        if which == everything:
            total = count
        else:
            counts[names[of[which]]][told[of[which]]] = count
    return dict(counts), total

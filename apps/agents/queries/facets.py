"""The groups of filters beside the list, each value with how many agents it would leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet
from django.http import QueryDict

from apps.agents.filters import CERTIFICATION, AgentFilter
from apps.agents.models import Agent
from apps.agents.queries.lists import FACETS
from apps.identity.models import Principal, Team
from apps.kit.ids import id_or_none
from apps.kit.ui.parts import Option

COLUMNS = {name: column for name, (_, column, _) in FACETS.items()} | {"team": "team_id"}
Counts = Mapping[object, int]
COUNTED = """
SELECT {columns}, grouping({columns}), count(*) FROM ({among}) AS one ({columns}) GROUP BY GROUPING SETS ({sets}, ())
"""


@dataclass(frozen=True)
class Facet:
    """One group of filter values."""

    name: str
    label: str
    options: list[Option]


def facets(visible: QuerySet[Agent], asked: QueryDict, *, actor: Principal) -> tuple[list[Facet], int]:
    """The groups, each counted among what the other filters leave, and how many agents all filters leave.

    One query for the groups without a choice, one for each with one, one for the teams.
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
    return [*found, _teams(counts["team"], asked.getlist("team")), _certification()], total


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

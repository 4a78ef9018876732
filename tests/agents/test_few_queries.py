"""Acts on many agents take as many queries as acts on few, whatever field they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.agents.models import Agent
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.instances import NewInstance, make_instances
from apps.compliance.models import Finding
from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories
from tests.agents.test_blueprints import define, redefine
from tests.agents.test_risk import applied

pytestmark = pytest.mark.django_db


def queries_of(act: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as asked:
        act()
    return len(asked)


def edited(agents: list[Agent], field: str, value: Any, actor: Principal) -> int:
    return queries_of(lambda: edit_agents([Edit(one.pk, {field: value}) for one in agents], actor=actor))


@pytest.mark.parametrize(
    ("field", "values"),
    [("purpose", ("x", "y")), ("countries", (["DE"], ["SE"])), ("data_sensitivity", (3, 4))],
)
def test_a_certified_or_risky_field_of_many_agents(curator: Principal, field: str, values: Any) -> None:
    agents = [factories.make_agent("registered", tier=2) for _ in range(15)]
    for agent in agents:
        factories.certify(agent)
    edited(agents[:1], field, values[0], curator)
    few, many = (edited(agents[:3], field, values[1], curator), edited(agents[3:], field, values[1], curator))
    assert few == many
    outgrown = 15 if field == "data_sensitivity" else 0
    assert Finding.objects.filter(kind="certification.outgrown").count() == outgrown
    assert Agent.objects.filter(certified_until=None).count() == outgrown


def test_the_definition_of_many_instances(curator: Principal) -> None:
    blueprint = define(curator)
    found = []
    for count, purpose, level in ((2, "a", 1), (3, "b", 4), (12, "c", 2)):
        names = [NewInstance(f"{count} {number}") for number in range(count)]
        make_instances(blueprint, names, actor=curator)
        found.append(
            (
                queries_of(lambda said=purpose: redefine(blueprint, curator, purpose=said)),  # type: ignore[misc]
                queries_of(lambda said=level: redefine(blueprint, curator, blast_radius=said)),  # type: ignore[misc]
            )
        )
    assert found[1] == found[2]


def test_new_instances_where_facts_raise_the_tier(curator: Principal) -> None:
    blueprint = define(curator)
    applied({"facts_raise": True}, factories.make_person(Role.COMPLIANCE))
    found = []
    for count in (1, 3, 12):
        names = [NewInstance(f"{count} {number}") for number in range(count)]
        found.append(queries_of(lambda named=names: make_instances(blueprint, named, actor=curator)))  # type: ignore[misc]
    assert found[1] == found[2]

"""Custom fields have their sources one by one: a person's word on one leaves the others to files and imports."""

from __future__ import annotations

import pytest

from apps.agents.models import Agent, Claim, Origin
from apps.agents.quality import in_queue
from apps.agents.queries.declared import declared_of
from apps.agents.queries.record import record_parts
from apps.agents.services.claims import settle
from apps.agents.services.custom_fields import CustomDefinition, define_custom_field
from apps.agents.services.jobs import run_job, start_job
from apps.agents.services.registry import edit_agent
from apps.agents.services.rows import ImportRequest, plan_import
from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories
from tests.agents.test_declarations import apply, item, line

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator() -> Principal:
    actor = factories.make_person(Role.CURATOR)
    for key in ("cost", "site"):
        define_custom_field(key, CustomDefinition(key.title(), "text"), actor=actor)
    return actor


def words(agent: Agent) -> set[tuple[str, str, object]]:
    claims = Claim.objects.filter(agent=agent, field__startswith="custom")
    return set(claims.values_list("field", "origin", "value"))


def test_a_person_speaks_for_the_one_field_they_change(curator: Principal) -> None:
    pipeline = factories.client_of(factories.make_source(factories.make_team()), "declare")
    apply(pipeline, item(custom={"cost": "1"}))
    agent = edit_agent(Agent.objects.get(), {"custom": {"cost": "1", "site": "HEL"}}, actor=curator)
    answer = apply(pipeline, item(custom={"cost": "2", "site": "OUL"}))
    assert line(answer, "custom/cost")["status"] == "set"
    assert line(answer, "custom/site")["status"] == "kept_back"
    agent.refresh_from_db()
    assert agent.custom == {"cost": "2", "site": "HEL"}
    assert list(in_queue(Agent.objects.all(), "declared-otherwise")) == [agent]
    declared = declared_of(agent)
    assert declared is not None
    assert [one.title for one in declared.differences] == ["Site"]
    shown = {
        one.spec.label: (one.origin, one.is_contradicted)
        for one in dict(record_parts(agent))["Custom fields"]
    }
    assert shown == {"Cost": ("Declared in a repository", False), "Site": ("A person", True)}
    claim = Claim.objects.get(field="custom.site", origin=Origin.DECLARED)
    assert settle(claim, take=True, actor=curator).custom == {"cost": "2", "site": "OUL"}
    assert not in_queue(Agent.objects.all(), "declared-otherwise").exists()


def test_an_import_fills_what_nobody_said_and_keeps_back_the_rest(curator: Principal) -> None:
    agent = factories.make_agent("registered", name="desk")
    edit_agent(agent, {"custom": {"site": "HEL"}}, actor=curator)
    rows = [{"name": "desk", "custom.cost": "1", "custom.site": "OUL"}]
    job = plan_import(rows, ImportRequest("cmdb"), actor=curator)
    assert set(job.items.get().problems) == {"custom.site"}
    start_job(job, actor=curator)
    run_job(job.pk)
    agent.refresh_from_db()
    assert agent.custom == {"cost": "1", "site": "HEL"}
    assert words(agent) == {("custom.cost", "imported", "1"), ("custom.site", "person", "HEL")}
    edit_agent(agent, {"custom": {"site": "HEL"}}, actor=curator)
    assert ("custom.cost", "person", None) in words(agent), "a person took it out"

"""What ends with a blueprint: grants taken back from its instances, instances detached, the definition removed."""

from __future__ import annotations

import time
from threading import Thread

import pytest
from django.db import connection, transaction

from apps.agents.models import Agent, Blueprint, Claim, RiskFacts, Tool, ToolGrant
from apps.agents.services.blueprint_grants import grant_to_blueprint, revoke_from_blueprint
from apps.agents.services.blueprints import remove_blueprint
from apps.agents.services.grants import GrantRequest, revoke_grant
from apps.agents.services.instances import detach_agents
from apps.agents.services.merging import merge_agents
from apps.agents.services.withdrawing import withdraw_draft
from apps.identity.models import Principal
from apps.kit.errors import Conflict
from tests.agents.test_blueprints import define, make

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def granted(curator: Principal, *names: str) -> tuple[Blueprint, list[Agent]]:
    blueprint = define(curator)
    agents = make(blueprint, curator, *names)
    wire = Tool.objects.create(name="wire", side_effect="irreversible")
    grant_to_blueprint(blueprint, GrantRequest(wire, "Pays"), actor=curator)
    assert RiskFacts.objects.exclude(signs=[]).count() == len(names)
    return blueprint, agents


@pytest.mark.django_db
def test_what_an_agent_may_do_no_longer_shows_no_longer_as_its_risk(curator: Principal) -> None:
    blueprint, (first, second) = granted(curator, "A", "B")
    detach_agents(blueprint, [first.pk], actor=curator, reason="A pilot")
    assert RiskFacts.objects.get(agent=first).signs == []
    assert RiskFacts.objects.get(agent=second).signs != []
    revoke_from_blueprint(blueprint.grants.get(), actor=curator, reason="Over")
    assert RiskFacts.objects.get(agent=second).signs == []


@pytest.mark.django_db(transaction=True)
def test_a_grant_that_somebody_takes_back_meanwhile_keeps_their_reason(curator: Principal) -> None:
    blueprint, _ = granted(curator, "A", "B")
    first = ToolGrant.objects.get(agent__name="A")
    given = blueprint.grants.get()

    def take_back() -> None:
        try:
            revoke_from_blueprint(given, actor=curator, reason="Second")
        finally:
            connection.close()

    other = Thread(target=take_back)
    with transaction.atomic():
        revoke_grant(first, actor=curator, reason="First")
        other.start()
        wait_until_somebody_waits()
    other.join()
    ended = ToolGrant.objects.order_by("agent__name").values_list("revoke_reason", flat=True)
    assert list(ended) == ["First", "Second"]


def wait_until_somebody_waits() -> None:
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(WAITING)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("the other act did not wait")


@pytest.mark.django_db
def test_instances_that_are_history_keep_no_definition_on_record(curator: Principal) -> None:
    blueprint = define(curator)
    kept, merged, withdrawn = make(blueprint, curator, "A", "B", "C")
    merge_agents(kept, merged, actor=curator, reason="The same")
    withdraw_draft(withdrawn, actor=curator, reason="Never built")
    with pytest.raises(Conflict) as refused:
        remove_blueprint(blueprint, actor=curator, reason="Unused")
    assert "1 instance." in refused.value.message
    detach_agents(blueprint, [kept.pk], actor=curator, reason="A pilot")
    remove_blueprint(blueprint, actor=curator, reason="Unused")
    assert not Blueprint.objects.exists()
    assert set(Agent.objects.values_list("blueprint", "framework")) == {(None, "crewai")}
    assert set(Claim.objects.filter(field="framework").values_list("origin", flat=True)) == {"person"}

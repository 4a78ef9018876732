"""Kill switches stop the fleet, a team, a tool or a model: in decisions at once, and in what is judged afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.activity.models import ToolCall
from apps.activity.signals import calls_recorded
from apps.agents.models import Agent, ObservedModel
from apps.identity.models import LedgerEntry, Principal, Team
from apps.identity.roles import Role
from apps.kit.errors import Conflict, NotPermitted
from apps.oversight.models import BreakerTrip, ContainmentOrder, KillSwitch
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.kill_switches import SwitchRequest, pull_kill_switch, release_kill_switch
from apps.oversight.standing import STANDING, Standing
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Principal:
    return factories.make_person(Role.OPERATOR)


@pytest.fixture
def team() -> Team:
    return factories.make_team()


@pytest.fixture
def agent(team: Team) -> Agent:
    agent = factories.make_agent("production", tier=1, team=Team.objects.create(name="Below", parent=team))
    now = timezone.now()
    ObservedModel.objects.create(
        agent=agent, provider="openai", model="gpt-4o-2024-08-06", calls=1, first_seen=now, last_seen=now
    )
    return agent


def code(agent: Agent, actor: Principal, *question: str) -> str:
    return decide(agent, Question(*question), actor=actor).code


def judged(agent: Agent, **fields: Any) -> tuple[str, str]:
    values = {"tool_name": "wire_money", "status": "ok", "started_at": timezone.now()} | fields
    call = ToolCall.objects.create(
        position=1, agent=agent, source_id=agent.principal_id, trace_id=b"t" * 16, span_id=b"s" * 8, **values
    )
    calls_recorded.send(sender=ToolCall, calls=[call])
    call.refresh_from_db()
    return call.outcome, call.outcome_code


REQUESTS = {
    "fleet": {},
    "team": {},
    "tool": {"target": "bank/*"},
    "model": {"target": "gpt-4o*"},
}


@pytest.mark.parametrize("scope", REQUESTS)
def test_what_is_stopped_is_denied_and_a_violation_until_it_is_released(
    scope: str, team: Team, agent: Agent, operator: Principal
) -> None:
    administrator = factories.make_person(Role.ADMINISTRATOR)
    elsewhere = factories.make_agent("production", tier=1, team=factories.make_team())
    before = timezone.now()
    request = SwitchRequest(scope, team=team if scope == "team" else None, **REQUESTS[scope])
    switch = pull_kill_switch(request, actor=operator, reason="Odd transfers.")
    asked = ("mcp__bank__wire_money",)
    assert code(agent, operator, *asked) == f"kill_switch.{scope}"
    called = {"mcp_server": "bank", "response_model": "gpt-4o"}
    assert judged(agent, **called) == ("violation", f"kill_switch.{scope}")
    assert judged(agent, started_at=before, **called)[0] == "allowed", "what was in order when it was done"
    assert code(elsewhere, operator, "read_mail") == (
        "kill_switch.fleet" if scope == "fleet" else "policy.none"
    )
    release_kill_switch(
        switch, actor=administrator, reason="Found it.", corrective_action="Blocked the account"
    )
    assert code(agent, operator, *asked) == "policy.none"
    told = [(one.kind, one.scope) for one in ContainmentOrder.objects.order_by("at")]
    assert told == [("stop", scope), ("resume", scope)]
    actions = LedgerEntry.objects.filter(target_type="kill_switch").values_list("action", flat=True)
    assert set(actions) == {"oversight.switch.pulled", "oversight.switch.released"}


def test_calls_under_a_kill_switch_do_not_trip_every_breaker(agent: Agent, operator: Principal) -> None:
    pull_kill_switch(SwitchRequest("fleet"), actor=operator, reason="Odd.")
    for _ in range(6):
        assert judged(agent)[1] == "kill_switch.fleet"
    assert not BreakerTrip.objects.exists()


def test_who_pulls_and_who_releases(team: Team, operator: Principal) -> None:
    of_team = factories.make_person(Role.OPERATOR, team)
    with pytest.raises(NotPermitted):
        pull_kill_switch(SwitchRequest("fleet"), actor=of_team, reason="Odd.")
    switch = pull_kill_switch(SwitchRequest("team", team=team), actor=of_team, reason="Odd.")
    with pytest.raises(Conflict) as again:
        pull_kill_switch(SwitchRequest("team", team=team), actor=operator, reason="Odd.")
    assert again.value.code == "oversight.switch.pulled_already"
    with pytest.raises(NotPermitted):
        release_kill_switch(switch, actor=operator, reason="Fine.", corrective_action="None")
    client = factories.client_of(factories.make_person(Role.ADMINISTRATOR))
    url = f"/api/v1/kill-switches/{switch.pk}/release"
    assert set(client.post(url, {"reason": "Fine."}).json()["fields"]) == {"corrective_action"}
    assert client.post(url, {"reason": "Fine.", "corrective_action": "A fix"}).status_code == 200
    stranger = factories.client_of(factories.make_person(Role.VIEWER, factories.make_team()))
    assert stranger.get("/api/v1/kill-switches").json()["results"] == []
    one = client.post("/api/v1/kill-switches", {"scope": "agent", "reason": "Odd."})
    assert (one.status_code, set(one.json()["fields"])) == (400, {"scope"})


def test_a_database_that_is_away_releases_nothing(
    operator: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull_kill_switch(SwitchRequest("fleet"), actor=operator, reason="Odd.")
    assert [one.scope for one in STANDING.switches()] == ["fleet"]

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(KillSwitch.objects, "filter", away)
    STANDING.forget()
    assert [one.scope for one in STANDING.switches()] == ["fleet"]
    with pytest.raises(OperationalError):
        Standing().switches()

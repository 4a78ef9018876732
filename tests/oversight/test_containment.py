"""Orders reach who they concern and nobody else, are confirmed by each, survive what fails, and are tried in drills."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.agents.models import Agent
from apps.compliance.models import Finding
from apps.compliance.services.drills import check_drills
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict
from apps.oversight.containment import containment_of
from apps.oversight.models import Acknowledgement, ContainmentOrder, Drill, EnforcementPoint
from apps.oversight.orders.own import OwnPoints
from apps.oversight.orders.tail import TAIL
from apps.oversight.services.breaker import trip_breaker
from apps.oversight.services.containment import number_orders
from apps.oversight.services.drills import finish_drills, start_drill
from apps.oversight.services.kill_switches import SwitchRequest, pull_kill_switch
from config.asgi import application
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS, HEARTBEATS = "/api/v1/enforcement/orders", "/api/v1/enforcement/heartbeats"
ACKNOWLEDGEMENTS = "/api/v1/enforcement/acknowledgements"


@pytest.fixture(autouse=True)
def _own_channel_layer(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    TAIL.__init__()  # type: ignore[misc]  # the database is empty again
    return


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


def door(token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)


async def test_who_waits_is_told_at_once_and_another_team_is_told_nothing() -> None:
    def build() -> tuple[Agent, str, str, str, Principal]:
        ours, theirs = factories.make_team(), factories.make_team()
        agent = factories.make_agent("production", tier=1, team=ours)
        tokens = [
            factories.make_key(one, ["decide"]).token
            for one in (agent.principal, factories.make_source(ours), factories.make_source(theirs))
        ]
        return agent, *tokens, factories.make_person(Role.ADMINISTRATOR)  # type: ignore[return-value]

    agent, own, hook, stranger, administrator = await sync_to_async(build)()
    async with door(own) as first, door(hook) as second, door(stranger) as third:
        asked = [
            asyncio.create_task(one.get(ORDERS, params={"after": 0, "wait": wait}))
            for one, wait in ((first, 20), (second, 20), (third, 3))
        ]
        await asyncio.sleep(0.5)
        began = asyncio.get_running_loop().time()
        await sync_to_async(trip_breaker)(agent, actor=administrator, reason="Odd.")
        told = [(await one).json() for one in asked[:2]]
        assert asyncio.get_running_loop().time() - began < 2
        assert [one["orders"][0]["target"] for one in told] == [str(agent.pk)] * 2
        assert (told[0]["orders"][0]["kind"], told[0]["next"]) == ("stop", 1)
        assert (await asked[2]).json() == {"orders": [], "next": 0}
        assert (await third.get(ORDERS, params={"after": "x"})).status_code == 400


async def test_without_valkey_an_order_is_later_and_not_lost(settings: Any) -> None:
    dead = {"hosts": [{"address": "redis://127.0.0.1:1/0"}]}
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": dead}
    }
    agent = await sync_to_async(lambda: factories.make_agent("production", tier=1))()
    token = await sync_to_async(lambda: factories.make_key(agent.principal, ["decide"]).token)()
    administrator = await sync_to_async(lambda: factories.make_person(Role.ADMINISTRATOR))()
    async with door(token) as http:
        asked = asyncio.create_task(http.get(ORDERS, params={"wait": 20}))
        await asyncio.sleep(0.5)
        await sync_to_async(trip_breaker)(agent, actor=administrator, reason="Odd.")
        assert [one["kind"] for one in (await asked).json()["orders"]] == ["stop"]


@pytest.mark.parametrize("token", ["", "chy_nobody_nothing"])
async def test_without_a_key_that_asks_nobody_waits(token: str) -> None:
    async with door(token) as http:
        assert (await http.get(ORDERS, params={"wait": 5})).status_code == 401


async def test_a_key_that_may_not_ask_is_refused() -> None:
    token = await sync_to_async(lambda: factories.make_key(factories.make_source(), ["ingest"]).token)()
    async with door(token) as http:
        assert (await http.get(ORDERS, params={"wait": 5})).status_code == 403


def heard(agent: Agent, *points: str) -> Any:
    client = factories.client_of(agent.principal, "decide")
    for point in points:
        assert client.post(HEARTBEATS, {"point": point, "kind": "sdk"}).status_code == 200
    return client


def test_a_stop_is_contained_when_all_who_live_have_answered(administrator: Principal) -> None:
    agent, own = factories.make_agent("production", tier=1), OwnPoints()
    client = heard(agent, "one", "two")
    own.look()
    trip = trip_breaker(agent, actor=administrator, reason="Odd.")
    own.look()
    order = ContainmentOrder.objects.get()
    answered = factories.client_of(administrator)
    told = answered.get(f"/api/v1/breaker-trips/{trip.pk}").json()["containment"]
    assert (told["is_contained"], sorted(told["silent"])) == (False, ["one", "two"])
    assert client.post(ACKNOWLEDGEMENTS, {"point": "one", "seqs": [order.seq]}).json() == {"acknowledged": 1}
    assert client.post(ACKNOWLEDGEMENTS, {"point": "one", "seqs": [order.seq]}).json() == {"acknowledged": 0}
    assert containment_of(order).silent == ["two"]
    long_ago = timezone.now() - timedelta(seconds=31)
    EnforcementPoint.objects.filter(name="two").update(last_seen_at=long_ago)
    ContainmentOrder.objects.update(at=long_ago - timedelta(seconds=1))
    order.refresh_from_db()
    found = containment_of(order)
    assert (found.is_contained, [one.point for one in found.gone]) == (True, ["two"])
    stranger = factories.make_agent("production", tier=1)
    answer = heard(stranger, "theirs").post(ACKNOWLEDGEMENTS, {"point": "theirs", "seqs": [order.seq]})
    assert answer.json() == {"acknowledged": 0}
    assert Acknowledgement.objects.filter(order=order).count() == 3


def test_chancerys_own_points_answer_only_what_they_have_loaded(administrator: Principal) -> None:
    agent, own = factories.make_agent("production", tier=1), OwnPoints()
    own.look()
    trip_breaker(agent, actor=administrator, reason="Odd.")
    Principal.objects.filter(pk=agent.principal_id).update(suspended_at=None)  # as if that were lost
    own.look()
    kinds = Acknowledgement.objects.values_list("point__kind", flat=True)
    assert list(kinds) == ["decision_api"]
    Principal.objects.filter(pk=agent.principal_id).update(suspended_at=timezone.now())
    own.look()
    assert set(kinds.all()) == {"decision_api", "credentials"}
    pull_kill_switch(SwitchRequest("fleet"), actor=administrator, reason="Odd.")
    own.look()
    assert Acknowledgement.objects.filter(order__scope="fleet").count() == 1


def test_an_order_of_a_process_that_died_is_numbered_by_whoever_looks() -> None:
    agent = factories.make_agent("production", tier=1)
    for kind in ("stop", "resume"):
        ContainmentOrder.objects.create(
            kind=kind, scope="agent", agent=agent, reason="Odd.", at=timezone.now()
        )
    assert number_orders() == 2
    assert list(ContainmentOrder.objects.order_by("seq").values_list("kind", "seq")) == [
        ("stop", 1),
        ("resume", 2),
    ]
    beginning = heard(agent).post(HEARTBEATS, {"point": "late", "kind": "hook"}).json()
    assert (beginning["next"], beginning["lease_s"]) == (2, 120)


def test_a_point_that_starts_is_told_what_stands(administrator: Principal) -> None:
    agent = factories.make_agent("production", tier=1)
    trip_breaker(agent, actor=administrator, reason="Odd.")
    pull_kill_switch(SwitchRequest("tool", "wire"), actor=administrator, reason="Odd.")
    told = heard(agent).post(HEARTBEATS, {"point": "new", "kind": "sdk"}).json()["standing"]
    assert [(one["scope"], one["target"]) for one in told] == [("agent", str(agent.pk)), ("tool", "wire")]


def test_a_drill_stops_nothing_and_is_evidence(administrator: Principal) -> None:
    agent, own = factories.make_agent("production", tier=4), OwnPoints()
    Agent.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert check_drills() == 1
    own.look()
    client = heard(agent, "sdk")
    start_drill(agent, actor=administrator, reason="Monthly")
    with pytest.raises(Conflict) as again:
        start_drill(agent, actor=administrator)
    assert again.value.code == "oversight.drill.going_on"
    own.look()
    assert (finish_drills(), Finding.objects.get().status) == (0, "open")
    seq = ContainmentOrder.objects.get().seq
    client.post(ACKNOWLEDGEMENTS, {"point": "sdk", "seqs": [seq]})
    assert finish_drills() == 1
    drill = Drill.objects.get()
    assert (drill.passed, len(drill.results)) == (True, 3)
    assert (Agent.objects.get().breaker_state, Finding.objects.get().status) == ("armed", "resolved")
    assert check_drills() == 0


def test_a_drill_that_a_point_did_not_answer_has_failed(administrator: Principal) -> None:
    agent, own = factories.make_agent("staging", tier=1), OwnPoints()
    own.look()
    heard(agent, "deaf")
    start_drill(agent, actor=administrator)
    own.look()
    Drill.objects.update(started_at=timezone.now() - timedelta(seconds=21))
    assert finish_drills() == 1
    drill = Drill.objects.get()
    assert drill.passed is False
    assert {one["point"]: one["in_time"] for one in drill.results}["deaf"] is False

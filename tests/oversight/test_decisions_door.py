"""The door at which agents ask: the same answers as everywhere, quickly, and never on what is past."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from apps.agents.models import Agent, Tool
from apps.identity.models import LedgerEntry, Principal, RoleAssignment
from apps.identity.roles import Role
from apps.identity.services.keys import revoke_key
from apps.oversight.door import door as decisions
from apps.oversight.models import Decision
from apps.oversight.services.breaker import trip_breaker
from apps.oversight.services.control import LevelChoice, set_level
from config.asgi import application
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/decisions"


class World:
    """An agent with a key, an administrator, a stranger's agent."""

    def __init__(self) -> None:
        self.team = factories.make_team()
        self.agent: Agent = factories.make_agent("production", tier=1, team=self.team)
        self.admin: Principal = factories.make_person(Role.ADMINISTRATOR)
        self.minted = factories.make_key(self.agent.principal, ["decide", "read"])
        self.stranger: Agent = factories.make_agent("production", tier=1, team=factories.make_team())
        Tool.objects.create(name="refund", server="pay", side_effect="external")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    await decisions.startup()
    yield await sync_to_async(World)()
    await decisions.shutdown()


def asking(token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application),
        base_url="http://testserver",
        headers={"authorization": f"Bearer {token}"},
    )


async def do(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return await sync_to_async(work)(*arguments, **named)


async def test_it_tells_what_rest_tells_and_sees_each_change_at_once(world: World) -> None:
    async with asking(world.minted.token) as client:
        answers = [
            (await client.post(URL, json={"tool": "pay/refund", "arguments": {"n": 1}})).json()
            for _ in range(3)
        ]
        assert [one["outcome"] for one in answers] == ["allow"] * 3
        assert await do(Decision.objects.count) == 3
        read = (await client.get(f"{URL}/{answers[2]['id']}")).json()
        assert answers[2] == read
        await do(trip_breaker, world.agent, actor=world.admin, reason="Strange.")
        stopped = (await client.post(URL, json={"tool": "pay/refund"})).json()
        assert (stopped["code"], stopped["next"][0]["do"]) == ("breaker.tripped", "stop")
        assert await do(LedgerEntry.objects.filter(action="oversight.decision.denied").count) == 1
        denied_again = (await client.post(URL, json={"tool": "pay/refund"})).json()
        assert denied_again["id"] != stopped["id"]
        assert await do(LedgerEntry.objects.filter(action="oversight.decision.denied").count) == 2


async def test_a_key_that_was_revoked_and_a_right_that_was_taken_open_nothing(world: World) -> None:
    operator = await do(factories.make_person, Role.OPERATOR)
    key = await do(factories.make_key, operator, ["decide", "read"])
    body = {"tool": "x", "agent": world.agent.slug}
    async with asking(key.token) as client:
        assert [(await client.post(URL, json=body)).status_code for _ in range(2)] == [200, 200]
        await do(RoleAssignment.objects.filter(principal=operator).delete)
        assert (await client.post(URL, json=body)).status_code == 403
    async with asking(world.minted.token) as client:
        assert [(await client.post(URL, json={"tool": "x"})).status_code for _ in range(2)] == [200, 200]
        await do(revoke_key, world.minted.key, actor=world.admin, reason="Lost.")
        refused = await client.post(URL, json={"tool": "x"})
        assert (refused.status_code, refused.json()["code"]) == (401, "auth.key_refused")
    assert await do(Decision.objects.count) == 4


async def test_a_stranger_is_not_there_and_a_moved_agent_is_asked_about_no_more(world: World) -> None:
    source = await do(factories.make_source, world.team)
    key = await do(factories.make_key, source, ["decide"])
    async with asking(key.token) as client:
        assert (
            await client.post(URL, json={"tool": "x", "agent": str(world.stranger.pk)})
        ).status_code == 404
        mine = {"tool": "x", "agent": world.agent.ref}
        assert [(await client.post(URL, json=mine)).status_code for _ in range(2)] == [200, 200]

        def move() -> None:
            agent = Agent.objects.get(pk=world.agent.pk)
            agent.team = world.stranger.team
            agent.save()

        await do(move)
        assert (await client.post(URL, json=mine)).status_code == 404


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"{", None),
        (b"[]", {"body"}),
        (b"{}", {"tool"}),
        (b'{"tool": 5}', {"tool"}),
        (b'{"tool": "x", "argumnets": {}}', {"argumnets"}),
        (b'{"tool": "x", "arguments": [1], "data_classes": ["helth"]}', {"arguments", "data_classes"}),
        (b'{"tool": "x\\u0000"}', {"tool"}),
    ],
)
async def test_bad_input_names_the_field(body: bytes, fields: set[str] | None, world: World) -> None:
    async with asking(world.minted.token) as client:
        answer = await client.post(URL, content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json().get("fields", {})) == (fields or set())


async def test_a_batch_keeps_the_good_ones(world: World) -> None:
    await do(
        set_level, LevelChoice("approves", "Money.", agent=world.agent, tool="pay/refund"), actor=world.admin
    )
    questions = [{"tool": "x"}, {"tool": 1}, {"tool": "pay/refund", "arguments": {"amount": 1.5}}]
    async with asking(world.minted.token) as client:
        answers = (await client.post(f"{URL}/batch", json={"questions": questions})).json()["answers"]
        trick = await client.post(URL, json={"tool": "pay/refund", "arguments": {"to": ["a\0b"]}})
    assert (trick.status_code, set(trick.json()["fields"])) == (400, {"arguments"})
    assert answers[0]["decision"]["outcome"] == "allow"
    assert answers[1]["problem"]["fields"] == {"tool": "Send text, in quotation marks"}
    assert answers[2]["decision"]["outcome"] == "ask"
    assert answers[2]["decision"]["approval"]["id"] == answers[2]["decision"]["approval_id"]


async def test_authzen_asks_the_same(world: World) -> None:
    await do(trip_breaker, world.stranger, actor=world.admin, reason="Strange.")
    subject, tool = {"type": "agent", "id": world.agent.slug}, {"type": "tool", "id": "pay/refund"}
    one = {
        "subject": subject,
        "resource": tool,
        "action": {"name": "call"},
        "context": {"arguments": {"amount": 1}},
    }
    async with asking(world.minted.token) as client:
        said = (await client.post("/access/v1/evaluation", json=one)).json()
        assert (said["decision"], said["context"]["code"]) == (True, "policy.none")
        several = {
            **one,
            "evaluations": [
                {},
                {"resource": {"type": "file", "id": "x"}},
                {"subject": {"type": "agent", "id": world.stranger.slug}},
            ],
        }
        told = (await client.post("/access/v1/evaluations", json=several)).json()["evaluations"]
        assert [row["decision"] for row in told] == [True, False, False]
        assert [row["context"].get("error", {}).get("status") for row in told] == [None, 400, 404]
        stops = {**several, "options": {"evaluations_semantic": "deny_on_first_deny"}}
        assert len((await client.post("/access/v1/evaluations", json=stops)).json()["evaluations"]) == 2
        about = (await client.get("/.well-known/authzen-configuration")).json()
        assert about["access_evaluation_endpoint"].endswith("/access/v1/evaluation")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application), base_url="http://testserver"
    ) as nobody:
        assert (await nobody.post("/access/v1/evaluation", json=one)).status_code == 401

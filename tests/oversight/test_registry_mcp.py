"""The registry as an MCP server, with the protocol's own client in both of its eras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from asgiref.sync import sync_to_async
from django.test import override_settings
from django.utils import timezone
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from apps.agents.models import Agent, ObservedTool
from apps.agents.services.indexing import count_terms, index_words
from apps.identity.models import Principal
from apps.identity.roles import Role, Scope
from apps.oversight.models import Decision
from apps.oversight.registry_mcp import RegistryDoor
from apps.oversight.services.breaker import trip_breaker
from apps.oversight.services.policies import set_tool_policy
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "http://testserver/mcp"
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@asynccontextmanager
async def door(token: str, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    """HTTP to a registry of its own, with this key."""
    sent = headers | ({"authorization": f"Bearer {token}"} if token else {})
    application = RegistryDoor()
    async with (
        application.opened(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(application), headers=sent) as http,
    ):
        yield http


async def call(token: str, tool: str, mode: str = "auto", **arguments: Any) -> Any:
    """What a tool answers: its structured content, or the words of its error."""
    async with (
        door(token) as http,
        Client(streamable_http_client(ADDRESS, http_client=http), mode=mode) as client,  # type: ignore[arg-type]
    ):
        answer = await client.call_tool(tool, arguments)
    return answer.content[0].text if answer.is_error else answer.structured_content  # type: ignore[union-attr]


def made(build: Callable[[], Any]) -> Any:
    return sync_to_async(build)()


def refunds(**fields: Any) -> Agent:
    purpose = "Refunds customers whose order went wrong."
    agent = factories.make_agent("production", tier=3, name="Refund desk", purpose=purpose, **fields)
    factories.certify(agent)
    index_words([agent])
    count_terms()
    return agent


def token_of(principal: Principal, *scopes: str) -> str:
    return factories.make_key(principal, list(scopes or (Scope.READ, Scope.DECIDE))).token


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_an_agent_for_a_task_is_found_in_both_eras(mode: str) -> None:
    agent = await made(refunds)
    token = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    found = await call(token, "find_agent", mode, task="refunding an order that went wrong")
    assert [one["ref"] for one in found["agents"]] == [agent.ref]
    assert found["agents"][0]["why"]


async def test_what_is_stopped_is_not_found_for_a_task_unless_asked_for() -> None:
    agent = await made(refunds)
    token = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    await made(lambda: trip_breaker(agent, actor=factories.make_person(Role.ADMINISTRATOR), reason="Odd."))
    assert (await call(token, "find_agent", task="refund"))["agents"] == []
    assert len((await call(token, "find_agent", task="refund", only_fit_to_call=False))["agents"]) == 1


async def test_who_answers_for_an_agent_is_told_by_its_number() -> None:
    agent = await made(refunds)
    token = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    told = await call(token, "who_owns", agent=agent.ref)
    assert (told["agent"], told["owner"]) == ("Refund desk", agent.owner.name)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("directory", "finds"), [("off", []), ("team", ["own"]), ("everywhere", ["other", "own"])]
)
async def test_an_agent_finds_others_only_where_they_are_listed_to_it(
    directory: str, finds: list[str]
) -> None:
    def build() -> tuple[str, dict[str, str]]:
        team = factories.make_team()
        asking = factories.make_agent("production", tier=1, team=team)
        names = {"own": refunds(team=team).ref, "other": refunds(team=factories.make_team()).ref}
        return token_of(asking.principal), names

    token, names = await made(build)
    with override_settings(AGENT_DIRECTORY=directory):
        found = await call(token, "find_agent", task="refund customers")
        told = await call(token, "who_owns", agent=names["other"])
    assert sorted(one["ref"] for one in found["agents"] if one["ref"] in names.values()) == sorted(
        names[name] for name in finds
    )
    assert ("owner" in told) is (directory == "everywhere")


async def test_an_agent_does_not_learn_what_others_use() -> None:
    def build() -> str:
        asking, other = factories.make_agent("production", tier=1), refunds()
        ObservedTool.objects.create(
            agent=other, tool_name="wire_money_offshore", first_seen=timezone.now(), last_seen=timezone.now()
        )
        index_words([other])
        count_terms()
        return token_of(asking.principal)

    token = await made(build)
    person = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    with override_settings(AGENT_DIRECTORY="everywhere"):
        assert (await call(token, "find_agent", task="offshore"))["agents"] == []
        (shown,) = (await call(token, "find_agent", task="refund"))["agents"]
    assert "offshore" not in str(shown)
    assert len((await call(person, "find_agent", task="offshore"))["agents"]) == 1


@pytest.mark.parametrize(
    ("hinder", "code"),
    [
        (lambda caller, callee, by: None, "policy.none"),
        (lambda caller, callee, by: trip_breaker(callee, actor=by, reason="Odd."), "breaker.tripped"),
        (lambda caller, callee, by: trip_breaker(caller, actor=by, reason="Odd."), "breaker.tripped"),
        (lambda caller, callee, by: set_tool_policy(caller, ["other"], actor=by), "policy.tool_not_allowed"),
        (
            lambda caller, callee, by: set_tool_policy(caller, [f"agent/{callee.slug}"], actor=by),
            "policy.allowed",
        ),
    ],
)
async def test_whether_it_may_be_called_is_decided_and_kept(hinder: Callable[..., Any], code: str) -> None:
    def build() -> tuple[str, str]:
        caller, callee = factories.make_agent("production", tier=1), refunds()
        hinder(caller, callee, factories.make_person(Role.ADMINISTRATOR))
        return token_of(caller.principal), callee.slug

    token, slug = await made(build)
    with override_settings(AGENT_DIRECTORY="everywhere"):
        told = await call(token, "may_i_call", agent=slug)
    kept = await made(lambda: list(Decision.objects.values_list("tool_name", "operation", "code")))
    if isinstance(told, str):  # a stopped callee is not listed at all
        assert "agents.not_listed" in told
        assert kept == []
    else:
        assert (told["code"], told["allowed"]) == (code, code in ("policy.none", "policy.allowed"))
        assert kept == [(f"agent/{slug}", "call_agent", code)]


async def test_a_name_that_can_be_none_is_said_to_be_none() -> None:
    token = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    assert "agents.not_listed" in await call(token, "who_owns", agent="x\0y")


async def test_only_an_agents_own_key_may_ask_whether_it_may() -> None:
    agent = await made(refunds)
    token = await made(lambda: token_of(factories.make_person(Role.ADMINISTRATOR)))
    assert "auth.not_permitted" in await call(token, "may_i_call", agent=agent.slug)


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("", {}, 401),
        ("chy_nobody_nothing", {}, 401),
        ("good", {"host": "evil.example"}, 403),
        ("good", {"origin": "http://testserver"}, 403),
    ],
)
async def test_strangers_other_hosts_and_pages_are_refused(
    token: str, headers: dict[str, str], status: int
) -> None:
    if token == "good":
        token = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    async with door(token, **headers) as http:
        answer = await http.post(ADDRESS, json=INITIALIZE)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_there_is_no_session_to_listen_to_or_to_end(method: str) -> None:
    token = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    async with door(token) as http:
        answer = await http.request(method, ADDRESS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", bytes(range(128, 192)), b'{"jsonrpc": "2.0", "id": 1, "method": 7}']
)
async def test_garbage_is_the_senders_mistake(body: bytes) -> None:
    token = await made(lambda: token_of(factories.make_person(Role.VIEWER)))
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    async with door(token) as http:
        answer = await http.post(ADDRESS, content=body, headers=headers)
    assert 400 <= answer.status_code < 500

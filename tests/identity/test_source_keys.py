"""Keys of sources: what they may, for whose agents, and what is refused by name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apps.identity.models import ApiKey
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/api-keys"


@pytest.fixture
def administrator() -> APIClient:
    return factories.client_of(factories.make_person(Role.ADMINISTRATOR))


def bearer(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_a_gateways_key_asks_for_every_agent_of_its_team_and_for_no_other(administrator: APIClient) -> None:
    team = factories.make_team()
    ours = [factories.make_agent("production", tier=1, team=team) for _ in range(2)]
    others = [factories.make_agent("production", tier=1, team=factories.make_team()), factories.make_agent()]
    minted = administrator.post(URL, {"name": "Gateway", "team": str(team.pk), "scopes": ["decide"]})
    assert minted.status_code == 201, minted.content
    gateway = bearer(minted.json()["token"])
    for agent in ours:
        asked = gateway.post("/api/v1/decisions", {"agent": str(agent.pk), "tool": "x"})
        assert (asked.status_code, asked.json()["outcome"]) == (200, "allow")
    for name in (ours[0].ref, ours[0].slug):
        asked = gateway.post("/api/v1/decisions", {"agent": name, "tool": "x"})
        assert (asked.status_code, asked.json()["agent"]["id"]) == (200, str(ours[0].pk))
    for name in (others[0].ref, others[0].slug, "AGT-9999999", "nobody"):
        assert gateway.post("/api/v1/decisions", {"agent": name, "tool": "x"}).status_code == 404
    for agent in others:
        assert gateway.post("/api/v1/decisions", {"agent": str(agent.pk), "tool": "x"}).status_code == 404
    assert gateway.get("/api/v1/agents").status_code == 403


def test_an_ingest_key_of_a_team_asks_for_nobody(administrator: APIClient) -> None:
    team = factories.make_team()
    agent = factories.make_agent("production", tier=1, team=team)
    minted = administrator.post(URL, {"name": "Source", "team": str(team.pk)}).json()
    assert minted["scopes"] == ["ingest"]
    answer = bearer(minted["token"]).post("/api/v1/decisions", {"agent": str(agent.pk), "tool": "x"})
    assert answer.status_code == 403


def test_what_is_asked_of_a_new_source_is_honoured_or_refused_by_name(administrator: APIClient) -> None:
    until = timezone.now() + timedelta(days=7)
    minted = administrator.post(URL, {"name": "Short", "expires_at": until.isoformat()})
    assert ApiKey.objects.get(pk=minted.json()["id"]).expires_at == until
    assert set(administrator.post(URL, {"name": "x", "scopes": ["write"]}).json()["fields"]) == {"scopes"}
    assert set(administrator.post(URL, {"name": "x", "scopes": ["decide"]}).json()["fields"]) == {"team"}
    late = (timezone.now() + timedelta(days=999)).isoformat()
    assert set(administrator.post(URL, {"name": "x", "expires_at": late}).json()["fields"]) == {"expires_at"}
    source = factories.make_source()
    body = {"name": "x", "principal": str(source.pk), "scopes": ["decide"]}
    assert set(administrator.post(URL, body).json()["fields"]) == {"team"}


def test_the_page_mints_a_key_that_asks() -> None:
    team = factories.make_team()
    client = Client()
    person = factories.make_person(Role.ADMINISTRATOR).person
    client.force_login(person, backend="apps.identity.auth.PersonBackend")
    refused = client.post("/keys/mint/", {"name": "Gateway", "scopes": ["decide"]})
    assert (refused.status_code, ApiKey.objects.count()) == (422, 0)
    made = client.post("/keys/mint/", {"name": "Gateway", "scopes": ["decide", "ingest"], "team": team.pk})
    assert made.status_code == 200
    assert ApiKey.objects.get().scopes == ["decide", "ingest"]


def test_a_key_is_not_revoked_without_a_reason() -> None:
    key = factories.make_key(factories.make_source(), ["ingest"]).key
    client = Client()
    person = factories.make_person(Role.ADMINISTRATOR).person
    client.force_login(person, backend="apps.identity.auth.PersonBackend")
    assert client.post(f"/keys/{key.pk}/revoke/", {"reason": " "}).status_code == 400
    key.refresh_from_db()
    assert key.revoked_at is None

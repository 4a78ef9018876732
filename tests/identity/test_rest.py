"""What every REST endpoint shares: errors in one form, retries that are safe, writes that lose nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from apps.agents.models import Agent
from apps.identity.models import ApiKey, Principal
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator() -> APIClient:
    return factories.client_of(factories.make_person(Role.CURATOR))


def test_a_refusal_is_a_problem_detail_with_the_fields_to_mend(curator: APIClient) -> None:
    answer = curator.post("/api/v1/agents", {"name": "", "colour": "red"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    body = answer.json()
    assert body["fields"] == {"colour": "There is no such field"}
    assert body["code"] == "input.invalid"
    assert body["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("key", ["", "chy_x_y", "nonsense"])
def test_without_a_live_key_nothing_is_said_of_what_exists(key: str) -> None:
    agent = factories.make_agent()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    answer = client.get(f"/api/v1/agents/{agent.pk}")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="chancery"')


def test_a_retry_with_an_idempotency_key_happens_once(curator: APIClient) -> None:
    first = curator.post("/api/v1/agents", {"name": "planned"}, headers={"Idempotency-Key": "k-1"})
    again = curator.post("/api/v1/agents", {"name": "planned"}, headers={"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replay"] == "true"
    assert Agent.objects.filter(name="planned").count() == 1


def test_an_idempotency_key_is_for_one_request_only(curator: APIClient) -> None:
    curator.post("/api/v1/agents", {"name": "planned"}, headers={"Idempotency-Key": "k-1"})
    other = curator.post("/api/v1/agents", {"name": "another"}, headers={"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused")


def test_a_refused_request_can_be_mended_under_the_same_key(curator: APIClient) -> None:
    headers = {"Idempotency-Key": "k-1"}
    assert curator.post("/api/v1/agents", {"name": ""}, headers=headers).status_code == 400
    assert curator.post("/api/v1/agents", {"name": "planned"}, headers=headers).status_code == 201


def test_a_write_needs_the_version_that_was_read(curator: APIClient) -> None:
    agent = factories.make_agent("registered", tier=2)
    url = f"/api/v1/agents/{agent.pk}"
    tag = curator.get(url).headers["etag"]
    assert curator.patch(url, {"purpose": "A"}).status_code == 428
    assert curator.patch(url, {"purpose": "A"}, headers={"If-Match": tag}).headers["etag"] != tag
    stale = curator.patch(url, {"purpose": "B"}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "write.stale")
    assert Agent.objects.get().purpose == "A"


@pytest.mark.parametrize(
    "query",
    [
        {"q": "a\0b"},
        {"seen_since": "0264-10-09T11:32:03-22:25"},
        {"tier": "x"},
        {"owner": "not-a-uuid"},
        {"cursor": "x"},
    ],
)
def test_a_query_that_cannot_be_asked_is_the_callers_mistake(
    query: dict[str, str], curator: APIClient
) -> None:
    assert curator.get("/api/v1/agents", query).status_code in (400, 404)


def test_a_page_asked_for_the_impossible_says_so() -> None:
    client = Client()
    client.force_login(factories.make_person(Role.CURATOR).person, backend="apps.identity.auth.PersonBackend")
    assert client.get("/palette/", {"q": "a\0b"}).status_code == 200  # the filter is passed over
    assert client.get("/agents/", {"q": "a\0b"}).status_code == 400


def test_a_key_is_stored_hashed_and_shown_once() -> None:
    administrator = factories.client_of(factories.make_person(Role.ADMINISTRATOR))
    minted = administrator.post("/api/v1/api-keys", {"name": "Order desk"}).json()
    secret = minted["token"].split("_", 2)[2]
    stored = ApiKey.objects.get(pk=minted["id"])
    assert secret.encode() not in bytes(stored.secret_hash)
    assert secret not in administrator.get("/api/v1/api-keys").content.decode()


def test_a_revoked_key_opens_nothing() -> None:
    administrator = factories.client_of(factories.make_person(Role.ADMINISTRATOR))
    minted = factories.make_key(factories.make_person(Role.VIEWER), ["read"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {minted.token}")
    assert client.get("/api/v1/me").status_code == 200
    assert (
        administrator.post(f"/api/v1/api-keys/{minted.key.pk}/revoke", {"reason": "Lost."}).status_code == 200
    )
    assert client.get("/api/v1/me").status_code == 401


def sign_in(client: Client, email: str, password: str, address: str = "10.0.0.1") -> Any:
    return client.post("/login/", {"username": email, "password": password}, REMOTE_ADDR=address)


@pytest.fixture
def person() -> Principal:
    return factories.make_person(Role.VIEWER, password=factories.PASSWORD)


def test_too_many_wrong_passwords_pause_that_address_and_nobody_else(person: Principal) -> None:
    email = person.person.email
    attacker, owner = Client(), Client()
    for _ in range(4):
        assert sign_in(attacker, email, "wrong", "10.9.9.9").status_code == 200
    refused = sign_in(attacker, email, "wrong", "10.9.9.9")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "300")
    assert sign_in(attacker, email, factories.PASSWORD, "10.9.9.9").status_code == 429
    assert sign_in(owner, email, factories.PASSWORD, "10.0.0.1").status_code == 302


def test_an_inactive_principal_is_out_at_the_next_request(person: Principal) -> None:
    client = Client()
    sign_in(client, person.person.email, factories.PASSWORD)
    assert client.get("/").status_code == 200
    Principal.objects.filter(pk=person.pk).update(is_active=False)
    assert client.get("/").status_code == 302


def test_pages_carry_the_security_headers(person: Principal) -> None:
    answer = Client().get("/login/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_cache_may_be_empty(person: Principal) -> None:
    cache.clear()
    client = Client()
    client.force_login(person.person, backend="apps.identity.auth.PersonBackend")
    assert client.get("/agents/").status_code == 200

"""Guessing passwords is slow from everywhere, and keeps nobody out who signed in from their browser before."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory

from apps.identity import throttle
from apps.identity.addresses import address_of
from apps.identity.models import Principal
from apps.identity.roles import Role
from config.processes import application
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Principal:
    return factories.make_person(Role.VIEWER, password=factories.PASSWORD)


def attempt(client: Client, email: str, password: str, address: str, **headers: str) -> Any:
    return client.post(
        "/login/", {"username": email, "password": password}, REMOTE_ADDR=address, headers=headers
    )


def test_an_account_guessed_from_many_addresses_is_looked_at_ever_less_often(person: Principal) -> None:
    email, owner = person.person.email, Client()
    assert attempt(owner, email, factories.PASSWORD, "10.0.0.1").status_code == 302
    owner.post("/logout/")
    answers = [attempt(Client(), email, "wrong", f"10.1.{n}.1").status_code for n in range(30)]
    assert answers[:10] == [200] * 10
    assert answers.count(429) >= 15
    refused = attempt(Client(), email, factories.PASSWORD, "10.2.0.1")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= throttle.LONGEST_GAP_S
    assert attempt(owner, email, factories.PASSWORD, "10.3.0.1").status_code == 302, "a known browser goes in"


def test_an_address_that_guesses_over_many_accounts_waits(person: Principal) -> None:
    for number in range(throttle.ADDRESS_LIMIT):
        assert attempt(Client(), f"p{number}@example.org", "wrong", "10.9.9.9").status_code == 200
    assert attempt(Client(), person.person.email, factories.PASSWORD, "10.9.9.9").status_code == 429
    assert attempt(Client(), person.person.email, factories.PASSWORD, "10.0.0.1").status_code == 302


def test_an_address_told_by_the_caller_changes_nothing_without_a_proxy(person: Principal) -> None:
    answers = [
        attempt(
            Client(), person.person.email, "wrong", "127.0.0.1", x_forwarded_for=f"10.0.0.{n}"
        ).status_code
        for n in range(6)
    ]
    assert answers[-1] == 429


@pytest.mark.parametrize(
    ("count", "address"), [(0, "127.0.0.1"), (1, "3.3.3.3"), (2, "2.2.2.2"), (4, "127.0.0.1")]
)
def test_only_what_our_own_proxies_added_is_believed(count: int, address: str, settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = count
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 3.3.3.3"})
    assert address_of(request) == address


def test_the_web_server_itself_believes_no_proxy_header() -> None:
    web = application(8000, {"CHANCERY_STATE_DIR": "."}, "postgresql://x")[0]
    assert "--no-proxy-headers" in web.command

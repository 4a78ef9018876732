"""Who curates, with a browser of their own."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories


@pytest.fixture
def curator() -> Principal:
    return factories.make_person(Role.CURATOR)


@pytest.fixture
def page(curator: Principal) -> Client:
    client = Client()
    client.force_login(curator.person, backend="apps.identity.auth.PersonBackend")
    return client


@pytest.fixture
def officer() -> Principal:
    return factories.make_person(Role.COMPLIANCE)

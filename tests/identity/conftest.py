"""An administrator, and a server that gets what is sent out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories
from tests.receiver import Receiver, serving


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8", "::1"]
    receiver = Receiver()
    with serving(receiver.server):
        yield receiver


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)

"""An administrator, and a server that gets what is sent out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories
from tests.receiver import Receiver


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8", "::1"]
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)

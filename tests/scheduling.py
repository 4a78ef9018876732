"""How two test processes share the work: test by test, but all browser tests to one, which starts one Chancery."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.scheduler.protocol import Scheduling


class OneStack(LoadScopeScheduling):
    """Whoever takes a browser test takes them all; the largest piece goes first."""

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if nodeid.startswith("tests/browser/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return OneStack(config, log)

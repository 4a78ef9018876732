"""Fixtures of every test: real servers, the application's own role, people and agents to act with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as settings_of_django
from django.core.cache import cache
from django.test import Client, TransactionTestCase
from django.test.client import ClientHandler
from hypothesis import HealthCheck, settings
from psycopg.types.json import Jsonb
from rest_framework.test import APIClient

from apps.agents.risk import STANDARD
from apps.kit.ids import new_id
from apps.oversight.standing import STANDING

# A machine that is busy with something else makes no test fail.
settings.register_profile("chancery", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chancery")

SEEDED = {
    "django_migrations", "django_content_type", "auth_permission", "compliance_framework", "compliance_control",
}  # fmt: skip
GUARDED = ("identity_ledgerentry", "identity_ledgerleaf", "identity_ledgercheckpoint")
RESEED = """
INSERT INTO identity_principal (id, kind, name, is_active, created_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'service', 'Chancery', true, now());
INSERT INTO activity_feedposition (last) VALUES (0);
INSERT INTO activity_wordscursor (position) VALUES (0);
"""
RESEED_POLICY = """
INSERT INTO agents_riskpolicy (id, version, number, name, note, rules, state, created_at, updated_at, applied_at, reason,
  request_id, moves, total, done, moved, progressed_at, finished_at)
VALUES (%s, 1, 1, 'The highest answer', '', %s, 'applied', now(), now(), now(), '', '', '{}', 0, 0, 0, now(), now())
"""


def empty_tables(*_: Any) -> None:
    """Empty what a committed test left, as the owner: the application may not, and the ledger's own guard
    must be lifted for it."""
    with psycopg.connect(os.environ["CHANCERY_TEST_OWNER_URL"]) as connection:
        rows = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        )
        tables = [name for (name,) in rows if name not in SEEDED]
        for table in GUARDED:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ledger_keeps_table")
        connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        for table in GUARDED:
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER ledger_keeps_table")
        connection.execute(RESEED)
        rules = Jsonb(STANDARD.as_json())
        connection.execute(RESEED_POLICY, [new_id(), rules])


TransactionTestCase._fixture_teardown = empty_tables  # type: ignore[method-assign]
ORDINARY = settings_of_django._wrapped
LOAD_MIDDLEWARE = ClientHandler.load_middleware
loaded: list[Any] = []


def load_middleware_once(handler: ClientHandler, is_async: bool = False) -> None:
    """Every test client asks the same middleware: reading the static files anew for each is most of what a request
    costs here. Settings that a test changes get a chain of their own."""
    if settings_of_django._wrapped is not ORDINARY or is_async:
        LOAD_MIDDLEWARE(handler, is_async)
        return
    if not loaded:
        LOAD_MIDDLEWARE(handler)
        loaded.append(handler._middleware_chain)  # type: ignore[attr-defined]
    handler._middleware_chain = loaded[0]  # type: ignore[attr-defined]


ClientHandler.load_middleware = load_middleware_once  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> None:
    """The database is migrated already, by its owner."""
    return


@pytest.fixture
def ids_from_one() -> None:
    """Counted ids begin at 1: tests that were undone have used some up."""
    empty_tables()


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()
    STANDING.clear()
    return


@pytest.fixture
def api() -> APIClient:
    """REST without a credential."""
    return APIClient()


@pytest.fixture
def browser_client() -> Client:
    return Client()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of recorded data; skips where there is none."""
    folder = Path(
        os.environ.get("CHANCERY_DATA", Path(__file__).resolve().parent.parent.parent / "shared" / "data")
    )
    if not folder.exists():
        pytest.skip(f"no recorded data at {folder}; set CHANCERY_DATA")
    return folder

"""The first administrator is made at the console, and that stands in the ledger."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.identity.models import LedgerEntry, Person

pytestmark = pytest.mark.django_db
GIVEN = {"email": "first@example.org", "name": "First Person", "password_stdin": True}


def make(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    call_command("create_administrator", **GIVEN)


def test_an_administrator_made_at_the_console_can_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    make("a-long-enough-password", monkeypatch)
    answer = Client().post("/login/", {"username": "first@example.org", "password": "a-long-enough-password"})
    assert (answer.status_code, answer.url) == (302, "/")
    assert LedgerEntry.objects.get(action="identity.person.created").target_type == "principal"


def test_a_weak_password_and_a_second_account_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError):
        make("short", monkeypatch)
    make("a-long-enough-password", monkeypatch)
    with pytest.raises(CommandError, match="already"):
        make("a-long-enough-password", monkeypatch)
    assert Person.objects.count() == 1


def test_without_a_terminal_it_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(CommandError, match="--password-stdin"):
        call_command("create_administrator")

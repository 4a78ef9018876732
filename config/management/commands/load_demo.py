"""`manage.py load_demo`: an administrator, a sample organisation and the keys of the simulated agents."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from apps.identity.models import Person, Principal, Team
from apps.identity.roles import Role, Scope
from apps.identity.services.keys import KeyRequest, mint_key, mint_source_key
from apps.identity.services.people import (
    assign_role,
    bootstrap_administrator,
    create_person,
    create_team,
)

ADMINISTRATOR = ("admin@halden.example", "Ingrid Okafor", "Head of agent governance")
TEAMS = ("Customer operations", "Treasury", "Technology", "People", "Risk and compliance")
PEOPLE: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "marta.lindqvist@halden.example",
        "Marta Lindqvist",
        "Operations lead",
        Role.OWNER,
        "Customer operations",
    ),
    ("samir.haddad@halden.example", "Samir Haddad", "Service manager", Role.OWNER, "Technology"),
    ("jan.eriksen@halden.example", "Jan Eriksen", "Treasurer", Role.OWNER, "Treasury"),
    ("aiko.tanaka@halden.example", "Aiko Tanaka", "Platform engineer", Role.OWNER, "Technology"),
    ("leo.brandt@halden.example", "Leo Brandt", "Registry curator", Role.CURATOR, ""),
    ("nadia.rossi@halden.example", "Nadia Rossi", "Security operator", Role.OPERATOR, ""),
    ("sofia.grand@halden.example", "Sofia Grand", "Compliance officer", Role.COMPLIANCE, ""),
    ("peter.lang@halden.example", "Peter Lang", "Internal auditor", Role.AUDITOR, ""),
)
DESKS = {"curator": "Leo Brandt", "compliance": "Sofia Grand", "operator": "Nadia Rossi"}


class Command(BaseCommand):
    help = "Load the sample organisation; safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keys", type=Path, default=settings.STATE_DIR / "demo.json", help="where keys are kept"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            administrator, password = self._administrator()
            self._organisation(administrator)
            if not options["keys"].exists():
                _write_secretly(options["keys"], self._keys(administrator))
        if password:
            self.stdout.write(f"Sign in as  {ADMINISTRATOR[0]}")
            self.stdout.write(f"Password    {password}   (shown once; change it after signing in)")
        else:
            self.stdout.write(f"Sign in as  {ADMINISTRATOR[0]} with the password printed at the first start.")
            self.stdout.write("Forgotten?  make manage ARGS='changepassword admin@halden.example'")

    def _administrator(self) -> tuple[Principal, str]:
        email, name, title = ADMINISTRATOR
        known = Person.objects.select_related("principal").filter(email__iexact=email).first()
        if known:
            return known.principal, ""
        password = secrets.token_urlsafe(12)
        person = bootstrap_administrator(email, name, password)
        Person.objects.filter(pk=person.pk).update(job_title=title)
        return person.principal, password

    def _organisation(self, administrator: Principal) -> None:
        for name in TEAMS:
            if not Team.objects.filter(name=name).exists():
                create_team(name, actor=administrator)
        for email, name, title, role, team in PEOPLE:
            if Person.objects.filter(email__iexact=email).exists():
                continue
            person = create_person(email, name, job_title=title, actor=administrator)
            home = Team.objects.get(name=team) if team else None
            assign_role(person.principal, role, team=home, actor=administrator)

    def _keys(self, administrator: Principal) -> dict[str, str]:
        keys = {
            "ingest": mint_source_key(
                KeyRequest("Demo fleet", [Scope.INGEST]), team=None, actor=administrator
            ).token
        }
        for desk, name in DESKS.items():
            person = Principal.objects.get(kind=Principal.Kind.HUMAN, name=name)
            request = KeyRequest(f"Demo {desk}", [Scope.READ, Scope.WRITE, Scope.DECIDE])
            keys[desk] = mint_key(person, request, actor=administrator).token
        return keys


def _write_secretly(path: Path, keys: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(keys, file)

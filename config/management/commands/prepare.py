"""`manage.py prepare`: tables, static files and the gateway's key as this version needs them, before its processes start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from apps.identity.services.gateway_keys import keep_gateway_key
from apps.identity.services.ledger import system_principal


class Command(BaseCommand):
    help = "Migrate the database, collect the static files, make the gateway's key; connect as the owner of the tables."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, skip_checks=True)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0, skip_checks=True)
        keep_gateway_key(settings.STATE_DIR / "gateway.key", actor=system_principal())

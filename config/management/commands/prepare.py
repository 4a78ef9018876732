"""`manage.py prepare`: tables and static files as this version needs them, before its processes start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Migrate the database and collect the static files; connect as the owner of the tables."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, skip_checks=True)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0, skip_checks=True)

"""`manage.py rebuild_rollups`: make the sums by the hour anew from the calls that are in the store."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.activity.rollups.rolling import rebuild


class Command(BaseCommand):
    help = "Make the sums by the hour anew; hours whose calls were deleted by retention keep their sums."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{rebuild()} hours were summed anew.")

"""`manage.py retry_outbox`: let the pipeline try again what it set aside."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.activity.pipeline.store import take_up_again


class Command(BaseCommand):
    help = "Let the pipeline take set-aside outbox rows up again, after what was wrong with them was mended."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "rows", nargs="*", type=int, metavar="ROW", help="ids in activity_outbox; default: all"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        count = take_up_again(options["rows"] or None)
        self.stdout.write(f"{count} outbox rows will be tried again.")

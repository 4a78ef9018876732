"""`manage.py archive`: keep to retention now, or list and check what is archived."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.activity.models import ArchiveFile
from apps.activity.retention.archive import path_of
from apps.activity.retention.job import keep_retention
from apps.activity.retention.parquet import digest_of
from apps.identity.audit import acting_by_itself


class Command(BaseCommand):
    help = "Move what is older than its retention to Parquet where that is chosen, and delete it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only hold the files against the manifest")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._check()
            return
        with acting_by_itself():
            done = keep_retention()
        self.stdout.write(
            f"{done.deleted_days} days with {done.deleted_rows} rows were deleted, {done.files} files written, "
            f"{done.emptied_calls} calls emptied."
        )

    def _check(self) -> None:
        wrong = 0
        for file in ArchiveFile.objects.filter(replaced_by=None).order_by("table", "day"):
            path = path_of(file)
            state = (
                "missing" if not path.exists() else "well" if digest_of(path) == file.sha256 else "changed"
            )
            wrong += state != "well"
            self.stdout.write(f"{state}  {file.rows} rows  {file.name}")
        if wrong:
            raise CommandError(f"{wrong} files are not what the manifest says")

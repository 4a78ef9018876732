"""The archive: files of days, and the manifest of them in the database and in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.activity.models import ArchiveFile, RetentionRule
from apps.activity.retention import parquet
from apps.activity.retention.contentless import without_content
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.ids import new_id

logger = logging.getLogger(__name__)


def path_of(file: ArchiveFile) -> Path:
    return Path(settings.ARCHIVE_DIR) / file.name


def write_file(table: str, day: date) -> ArchiveFile:
    """The day as a file; the entry is not saved yet. A file that is never entered is no part of the archive.

    Where content is kept for some days only, the archive, which has no end, is written without it.
    """
    key = new_id()
    name = f"{table}/{table}-{day:%Y-%m-%d}-{key.hex[-8:]}.parquet"
    path = Path(settings.ARCHIVE_DIR) / name
    has_end = RetentionRule.objects.filter(of=RetentionRule.Of.CONTENT).exclude(days=None).exists()
    parquet.write_day(table, day, path, without_content(table) if has_end else {})
    return _entry(key, table, day, name)


def write_again(file: ArchiveFile, changes: Mapping[str, Mapping[str, str]]) -> ArchiveFile:
    """The file anew with other texts in some rows, {id: {column: text}}; the entry is not saved yet."""
    key = new_id()
    name = f"{file.table}/{file.table}-{file.day:%Y-%m-%d}-{key.hex[-8:]}.parquet"
    parquet.write_changed(path_of(file), changes, Path(settings.ARCHIVE_DIR) / name)
    return _entry(key, file.table, file.day, name)


def remove_replaced() -> int:
    """Delete the files that others took the place of; returns how many were still there."""
    gone = 0
    for file in ArchiveFile.objects.exclude(replaced_by=None).order_by("pk"):
        path = path_of(file)
        if path.exists():
            path.unlink()
            gone += 1
    return gone


def remove_unlisted() -> int:
    """Delete what lies in the archive's folder and is no part of it, half written files too; returns how many.

    Nobody would find a person's data there. To be called by whoever has the turn: nobody else writes then.
    """
    folder = Path(settings.ARCHIVE_DIR)
    listed = set(ArchiveFile.objects.values_list("name", flat=True))
    found = [path for kind in ("*/*.parquet", "*/*.tmp") for path in folder.glob(kind)]
    unlisted = [path for path in found if str(path.relative_to(folder)) not in listed]
    for path in unlisted:
        logger.warning("%s is in no manifest: deleted", path.name)
        path.unlink()
    return len(unlisted)


@transaction.atomic
def enter_file(file: ArchiveFile, *, instead_of: ArchiveFile | None = None) -> ArchiveFile:
    """Put a file into the manifest, and into the ledger with its digest."""
    file.save(force_insert=True)
    if instead_of is not None:
        instead_of.replaced_by = file
        instead_of.save(update_fields=["replaced_by"])
    record_act(
        "activity.archive.written",
        actor=system_principal(),
        target=("archive", file.pk),
        detail={
            "table": file.table,
            "day": file.day.isoformat(),
            "file": file.name,
            "rows": file.rows,
            "bytes": file.size,
            "sha256": file.sha256,
            "instead_of": instead_of.sha256 if instead_of else "",
        },
    )
    return file


def _entry(key: UUID, table: str, day: date, name: str) -> ArchiveFile:
    path = Path(settings.ARCHIVE_DIR) / name
    return ArchiveFile(
        pk=key, table=table, day=day, name=name, rows=parquet.count_rows(path), size=path.stat().st_size,
        sha256=parquet.digest_of(path), written_at=timezone.now(),
    )  # fmt: skip

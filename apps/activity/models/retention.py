"""How long activity is kept, what became of what was older, and the files it was moved to."""

from __future__ import annotations

from django.db import models

from apps.identity.models import Principal
from apps.kit.ids import new_id


class RetentionRule(models.Model):
    """How many days one class of records is kept; None: until somebody says so. `done_before` is how far it went."""

    class Of(models.TextChoices):
        SPANS = "spans", "Spans and log records as they came"
        CONTENT = "content", "Arguments and results of calls"
        CALLS = "calls", "Calls and model answers"

    of = models.CharField(max_length=8, choices=Of.choices, primary_key=True)
    days = models.PositiveIntegerField(null=True)
    is_archived = models.BooleanField(
        default=False, help_text="Written to Parquet before it is deleted, spans and calls only."
    )
    done_before = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.get_of_display()}: {self.days} days"


class ArchiveFile(models.Model):
    """One day of one table as a Parquet file, by its digest. `name` is relative to the archive's folder.

    Every entry is a ledger act too. One whose file was written anew without some person's data names its successor.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    table = models.CharField(max_length=63)
    day = models.DateField()
    name = models.CharField(max_length=200)
    rows = models.PositiveBigIntegerField()
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    written_at = models.DateTimeField()
    replaced_by = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="replaces")

    class Meta:
        ordering = ["-day", "table", "-written_at"]
        indexes = [models.Index(fields=["table", "day"], name="archive_by_day")]

    def __str__(self) -> str:
        return self.name


class GoneDay(models.Model):
    """A day of a table that was deleted: how many rows, and the file they went to, None for none."""

    table = models.CharField(max_length=63)
    day = models.DateField()
    rows = models.PositiveBigIntegerField()
    gone_at = models.DateTimeField(auto_now_add=True)
    file = models.ForeignKey(ArchiveFile, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["table", "-day"], name="gone_by_day")]

    def __str__(self) -> str:
        return f"{self.table} of {self.day}: {self.rows} rows"

"""Erasures of one person's data: who asked, how far each is, what it found and removed; never whom it is about."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.ids import new_id


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Sets of erasures."""

    def visible_to(self, actor: Principal) -> Self:
        """All of them for whoever may read the ledger everywhere: an erasure belongs to no team."""
        return self if access_of(actor).allows(Permission.LEDGER_VIEW) else self.none()

    def at_work(self) -> Self:
        return self.filter(state__in=[Erasure.State.COUNTING, Erasure.State.RUNNING])


class Erasure(models.Model):
    """One person's data over all activity: counted first, removed once somebody confirmed.

    `digests` are keyed hashes of the identifiers, one for all spellings that are found alike. The identifiers themselves
    are in `sealed` until the erasure is over, then ''. `round` is 0 while it counts, 1 and 2 while it removes; within it
    `place` is the table (or the archive) it is at, `after` the last key it is through with, '' at the beginning. `found`
    and `erased` count records by place. Nothing is done before `not_before`, nor while a transaction is at work that is
    older than `horizon`.
    """

    class State(models.TextChoices):
        COUNTING = "counting", "Looking"
        READY = "ready", "Waits for a person"
        RUNNING = "running", "Erasing"
        DONE = "done", "Erased"
        FAILED = "failed", "Stopped by a fault"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.COUNTING)
    reason = models.TextField()
    asked_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    confirmed_by = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    progressed_at = models.DateTimeField(default=timezone.now)
    digests = ArrayField(models.CharField(max_length=40))
    conversations = models.PositiveSmallIntegerField(default=0)
    sealed = models.TextField(blank=True)
    round = models.PositiveSmallIntegerField(default=0)
    place = models.CharField(max_length=63, blank=True)
    after = models.CharField(max_length=100, blank=True)
    seen = models.PositiveBigIntegerField(default=0)
    expected = models.PositiveBigIntegerField(default=0)
    found = models.JSONField(default=dict)
    erased = models.JSONField(default=dict)
    not_before = models.DateTimeField(null=True)
    horizon = models.BigIntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    fault = models.CharField(max_length=200, blank=True)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"erasure of {self.asked_at:%Y-%m-%d %H:%M}"

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.COUNTING, self.State.RUNNING)

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.DONE, self.State.CANCELLED)

    @property
    def may_be_confirmed(self) -> bool:
        """When it was counted, or removing stopped by a fault: it goes on where it stood."""
        return self.state == self.State.READY or (self.state == self.State.FAILED and self.round > 0)

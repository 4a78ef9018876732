"""Webhooks out: endpoints, what is to be delivered to them, each attempt, how far the ledger has been read.

Deliveries are derived from the sealed ledger: leaves are numbered without a gap by one writer, so that a cursor
over them loses no event whichever process is killed. A delivery's row is written with the cursor's step, in one
transaction, and waits there until it is taken or given up.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.identity.models.ledger import LedgerEntry
from apps.identity.models.principals import Principal, Team
from apps.kit.ids import new_id


class WebhookEndpoint(models.Model):
    """An address that is told of acts. `events` are action codes, or beginnings such as `agents.*`.

    With a team, only acts on what that team may see go there. `secret` is sealed; while `former_until` is to
    come, the former secret signs too. `failing_since`: nothing was taken since then. `disabled_reason` is ''
    where a person disabled it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    url = models.URLField(max_length=500)
    events = ArrayField(models.CharField(max_length=80))
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    secret = models.TextField()
    former_secret = models.TextField(blank=True)
    former_until = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=300, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint("name", name="webhook_has_one_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_failed(self) -> bool:
        """True when Chancery itself disabled it."""
        return not self.is_enabled and bool(self.disabled_reason)

    @property
    def has_former_secret(self) -> bool:
        return self.former_until is not None and self.former_until > timezone.now()

    def wants(self, action: str) -> bool:
        return any(fits(pattern, action) for pattern in self.events)


def fits(pattern: str, action: str) -> bool:
    """True for the code itself; `*` and `agents.*` stand for whatever follows."""
    return action.startswith(pattern[:-1]) if pattern.endswith("*") else action == pattern


class WebhookDelivery(models.Model):
    """One event for one endpoint. `message_id` is the receiver's key: the same in every attempt and replay."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        GIVEN_UP = "given_up", "Given up"

    class Cause(models.TextChoices):
        EVENT = "event", "As it happened"
        REPLAY = "replay", "Replayed"
        TEST = "test", "Test"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    entry = models.ForeignKey(
        LedgerEntry, on_delete=models.DO_NOTHING, db_constraint=False, null=True, blank=True, related_name="+"
    )
    action = models.CharField(max_length=80)
    message_id = models.CharField(max_length=80)
    cause = models.CharField(max_length=8, choices=Cause.choices, default=Cause.EVENT)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(
                "endpoint", "entry", condition=Q(cause="event"), name="event_is_delivered_once"
            )
        ]
        indexes = [
            models.Index(fields=["endpoint", "due_at"], condition=Q(state="waiting"), name="delivery_by_due"),
            models.Index(fields=["endpoint", "-id"], name="delivery_by_endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.action} for {self.endpoint_id}"


class WebhookAttempt(models.Model):
    """One try. `status` is the answer's, None where none came and `error` says why; `answer` its first kilobyte."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(default=timezone.now)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.status or self.error}"


class WebhookCursor(models.Model):
    """How many leaves of the ledger have been turned into deliveries. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    leaves = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.leaves} leaves"

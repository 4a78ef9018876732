"""The circuit breaker: each stop, from the trip to the reset."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.agents.models import Agent, OfAgent
from apps.identity.models import Principal
from apps.kit.ids import new_id


class BreakerTrip(models.Model):
    """One stop of one agent, from the trip to the reset. `call_ids` are the violations that caused it."""

    class Cause(models.TextChoices):
        VIOLATIONS = "violations", "Violations over the limit"
        PERSON = "person", "Stopped by a person"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="breaker_trips")
    cause = models.CharField(max_length=12, choices=Cause.choices)
    reason = models.TextField()
    violations = models.PositiveIntegerField(default=0)
    threshold = models.PositiveIntegerField(null=True)
    window_s = models.PositiveIntegerField(null=True)
    call_ids = ArrayField(models.UUIDField(), default=list)
    tripped_at = models.DateTimeField()
    tripped_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    reset_at = models.DateTimeField(null=True, blank=True)
    reset_by = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reset_reason = models.TextField(blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-tripped_at"]
        constraints = [
            models.UniqueConstraint(
                "agent", condition=Q(reset_at=None), name="breaker_trips_once_until_reset"
            )
        ]

    def __str__(self) -> str:
        return f"trip of {self.agent_id} at {self.tripped_at:%Y-%m-%d %H:%M}"

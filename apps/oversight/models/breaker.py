"""The circuit breaker: each stop from the trip to the end of the trial, and the limits it trips at."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Agent, OfAgent
from apps.identity.models import Principal
from apps.kit.ids import new_id


class BreakerTrip(models.Model):
    """One stop of one agent: the trip, the reset, the trial after it. `call_ids` are the calls that caused it.

    `reset_requested_at` is set while a second administrator has to confirm (tier 4). `evidence` holds what was counted and
    the limit it was held against. `review` is what somebody else found of a stop by hand.
    """

    class Cause(models.TextChoices):
        VIOLATIONS = "violations", "Violations over the limit"
        ANOMALIES = "anomalies", "Anomalies over the limit"
        DENIALS = "denials", "Denied calls over the limit"
        ERRORS = "errors", "Failed calls over the limit"
        SPEND = "spend", "Spend over the limit"
        OUTCOMES = "outcomes", "Outcomes got worse"
        TRIAL = "trial", "Violation on trial"
        PERSON = "person", "Stopped by a person"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="breaker_trips")
    cause = models.CharField(max_length=12, choices=Cause.choices)
    reason = models.TextField()
    violations = models.PositiveIntegerField(default=0)
    threshold = models.PositiveIntegerField(null=True)
    window_s = models.PositiveIntegerField(null=True)
    call_ids = ArrayField(models.UUIDField(), default=list)
    evidence = models.JSONField(default=dict)
    tripped_at = models.DateTimeField()
    tripped_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    taken_along_by = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="taken_along"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    review = models.TextField(blank=True)
    reset_requested_at = models.DateTimeField(null=True, blank=True)
    reset_requested_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reset_at = models.DateTimeField(null=True, blank=True)
    reset_by = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reset_reason = models.TextField(blank=True)
    corrective_action = models.CharField(max_length=300, blank=True)
    trial_calls = models.PositiveIntegerField(null=True)
    trial_until = models.DateTimeField(null=True, blank=True)
    trial_ended_at = models.DateTimeField(null=True, blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-tripped_at"]
        constraints = [
            models.UniqueConstraint(
                "agent", condition=Q(reset_at=None), name="breaker_trips_once_until_reset"
            ),
            models.CheckConstraint(
                condition=Q(reviewed_at=None) | ~Q(reviewed_by=models.F("tripped_by")),
                name="stop_is_reviewed_by_another",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-tripped_at"], condition=Q(cause="person", reviewed_at=None), name="stop_to_review"
            )
        ]

    def __str__(self) -> str:
        return f"trip of {self.agent_id} at {self.tripped_at:%Y-%m-%d %H:%M}"

    @property
    def awaits_review(self) -> bool:
        """A stop by hand that nobody else has looked at."""
        return self.cause == self.Cause.PERSON and self.reviewed_at is None

    @property
    def is_on_trial(self) -> bool:
        return self.trial_until is not None and self.trial_ended_at is None

    @property
    def is_reset_requested(self) -> bool:
        return self.reset_requested_at is not None and self.reset_at is None

    @property
    def trial_is_over_by_time(self) -> bool:
        return self.trial_until is not None and self.trial_until <= timezone.now()


class BreakerRule(models.Model):
    """What somebody chose for one cause: for one agent, for one tier, or for the fleet (neither). The narrowest holds.

    `threshold` counts what the cause counts; US dollars for spend. `share_percent`: also at least this share of the calls in
    the window, None for any.
    """

    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, null=True, blank=True, related_name="breaker_rules"
    )
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    cause = models.CharField(max_length=12, choices=BreakerTrip.Cause.choices)
    is_on = models.BooleanField(default=True)
    threshold = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(1_000_000)])
    window_s = models.PositiveIntegerField(validators=[MinValueValidator(10), MaxValueValidator(604_800)])
    share_percent = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["cause", "tier"]
        constraints = [
            models.UniqueConstraint(
                "agent", "tier", "cause", nulls_distinct=False, name="breaker_rule_is_set_once"
            ),
            models.CheckConstraint(
                condition=Q(agent=None) | Q(tier=None), name="breaker_rule_is_of_an_agent_or_a_tier"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cause}: {self.threshold} in {self.window_s} s"

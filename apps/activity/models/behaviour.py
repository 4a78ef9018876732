"""What is usual for agents, what was not, and which detectors look."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Agent, AgentVersion
from apps.agents.models.agents import OfAgent
from apps.identity.models import Principal
from apps.kit.ids import new_id


class Severity(models.TextChoices):
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class Baseline(models.Model):
    """What one version of an agent usually does in one environment, by its calls.

    The rolling one goes on learning; a certified one is a copy of it, frozen when the agent was certified.
    `profile` is apps.activity.behaviour.profile.Profile as JSON. `version` None: its make-up is not known.
    """

    class Kind(models.TextChoices):
        ROLLING = "rolling", "Rolling"
        CERTIFIED = "certified", "Certified"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="baselines")
    version = models.ForeignKey(
        AgentVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="baselines"
    )
    environment = models.CharField(max_length=12, blank=True)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.ROLLING)
    profile = models.JSONField(default=dict)
    calls = models.PositiveBigIntegerField(default=0)
    began_with = models.ForeignKey(
        AgentVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="The version whose calls it began with, at half their weight.",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    frozen_at = models.DateTimeField(null=True)
    frozen_by = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, related_name="+")

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "version", "environment"],
                condition=Q(kind="rolling"),
                nulls_distinct=False,
                name="one_rolling_baseline",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} baseline, {self.calls} calls"


class AlertQuerySet(OfAgent["Alert"]):
    """Sets of alerts."""

    def waiting(self) -> Self:
        """Open, or snoozed until a time that is over."""
        return self.filter(Q(state="open") | Q(state="snoozed", snoozed_until__lte=timezone.now()))

    def unanswered(self) -> Self:
        """Open or snoozed: another call of the same cause joins it."""
        return self.filter(state__in=["open", "snoozed"])


class Alert(models.Model):
    """Unusual calls of one cause: detector and subject. `first_call` and `last_call` are None for stretches.

    `level` is of a stretch, the highest seen: calls in the hour, the share that failed, hours without a call.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SNOOZED = "snoozed", "Snoozed"
        FINE = "fine", "Was fine"
        CONFIRMED = "confirmed", "Was wrong"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="alerts")
    baseline = models.ForeignKey(Baseline, on_delete=models.SET_NULL, null=True, related_name="alerts")
    detector = models.CharField(max_length=24)
    cause = models.CharField(max_length=500)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    reason = models.TextField()
    score = models.FloatField()
    level = models.FloatField(null=True)
    calls = models.PositiveIntegerField(default=0)
    first_call = models.UUIDField(null=True)
    last_call = models.UUIDField(null=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, related_name="+")
    answer = models.TextField(blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-last_at", "-id"]
        indexes = [models.Index(fields=["-last_at", "-id"], name="alert_by_time")]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "cause"],
                condition=Q(state__in=["open", "snoozed"]),
                name="one_unanswered_alert_of_a_cause",
            )
        ]

    def __str__(self) -> str:
        return self.reason

    @property
    def is_of_stretch(self) -> bool:
        """Of an hour, a day or a silence rather than of calls."""
        return self.first_call is None

    @property
    def is_unanswered(self) -> bool:
        return self.state in (self.State.OPEN, self.State.SNOOZED)

    @property
    def is_waiting(self) -> bool:
        """True while somebody should look: open, or its snooze is over."""
        over = self.snoozed_until is not None and self.snoozed_until <= timezone.now()
        return self.state == self.State.OPEN or (self.state == self.State.SNOOZED and over)


class CallScore(models.Model):
    """How unusual one call was; each call is scored once. Kept for 30 days. `causes` are detector, nats, reason."""

    call_id = models.UUIDField(primary_key=True)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    alert = models.ForeignKey(
        Alert, on_delete=models.SET_NULL, null=True, related_name="scores", db_constraint=False
    )
    score = models.FloatField()
    bar = models.FloatField()
    causes = models.JSONField(default=list)
    scored_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.call_id} {self.score:.2f}"


class DetectorSetting(models.Model):
    """One choice for the fleet (`agent` None) or for one agent. `detector` '' holds what is of none: `rate` is the
    share of an agent's calls that may give an alarm, `least_calls` how many make a baseline. None: not chosen here."""

    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, null=True, blank=True, related_name="detector_settings"
    )
    detector = models.CharField(max_length=24, blank=True)
    is_on = models.BooleanField(null=True)
    rate = models.FloatField(null=True)
    least_calls = models.PositiveIntegerField(null=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "detector"], nulls_distinct=False, name="one_setting_of_a_detector"
            )
        ]

    def __str__(self) -> str:
        return f"{self.detector or 'all detectors'} of {self.agent or 'the fleet'}"


class BehaviourCursor(models.Model):
    """How far calls have been scored, by feed position: one row, locked by whoever moves it."""

    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.position)

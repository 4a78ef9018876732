"""What runs came to, how that is watched, and what happened outside meanwhile."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from apps.agents.models import Agent, AgentVersion, OfAgent
from apps.identity.models import Principal
from apps.kit.ids import new_id

LONGEST_TEXT = 255
DAYS, HOURS = 7, 24


class RunOutcome(models.Model):
    """What one run of one agent (a conversation) came to, as far as anybody said or it could be told. None: not known.

    `told` is {field: [origin, time]} of what is known; a later word of the same or a stronger origin replaces one before.
    `at` is when the run was, `fingerprint` what the agent was made of then ('' where no version is known).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="outcomes")
    conversation_id = models.CharField(max_length=LONGEST_TEXT)
    at = models.DateTimeField()
    version = models.ForeignKey(
        AgentVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    fingerprint = models.CharField(max_length=64, blank=True)
    segment = models.CharField(max_length=80, blank=True)
    contact = models.CharField(
        max_length=LONGEST_TEXT, blank=True, help_text="Whoever was served, as the reporter calls them."
    )
    resolved = models.BooleanField(null=True)
    escalated = models.BooleanField(null=True)
    escalation_due = models.BooleanField(null=True, help_text="Should it have been handed to a person?")
    abandoned = models.BooleanField(null=True)
    repeated = models.BooleanField(null=True, help_text="The same contact came back.")
    reopened = models.BooleanField(null=True)
    rating = models.FloatField(null=True, help_text="Trust or rating of whoever was served, 0 to 1.")
    value = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    cost = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    currency = models.CharField(max_length=3, blank=True)
    told = models.JSONField(default=dict)
    changed_at = models.DateTimeField()

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint("agent", "conversation_id", name="run_has_one_outcome"),
            models.CheckConstraint(
                condition=models.Q(rating=None) | models.Q(rating__gte=0, rating__lte=1),
                name="rating_is_between_0_and_1",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "-at", "-id"], name="outcome_by_agent"),
            models.Index(fields=["changed_at"], name="outcome_by_change"),
            models.Index(
                fields=["agent", "contact", "at"], condition=~models.Q(contact=""), name="outcome_by_contact"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.conversation_id}"


class OutcomeNote(models.Model):
    """A span or event that says something of an outcome and was not read yet; written with the calls of its batch.

    Set aside (`failed_at`) after a few attempts.
    """

    id = models.BigAutoField(primary_key=True)
    span_id = models.UUIDField()
    noted_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    failed_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return str(self.span_id)


class OutcomeCursor(models.Model):
    """Up to which position calls, up to which time outcomes were read: one row a reader."""

    name = models.CharField(max_length=20, primary_key=True)
    position = models.BigIntegerField(default=0)
    at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} {self.position}"


class OutcomeRules(models.Model):
    """What may be derived of an agent's runs: which of its tools hand over to a person, and how long is long."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="outcome_rules")
    handover_tools = ArrayField(models.CharField(max_length=LONGEST_TEXT), default=list, blank=True)
    repeat_days = models.PositiveSmallIntegerField(default=DAYS)
    abandoned_hours = models.PositiveSmallIntegerField(default=HOURS)

    def __str__(self) -> str:
        return f"outcome rules of {self.agent_id}"


class OutcomeWatch(models.Model):
    """One measure of one agent under the sequential test: since when its level holds, and whether it fell.

    `since` is the first run of the level that is the reference now (None: the first known). `usual` is the level before the
    fall while it is fallen, None otherwise.
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="outcome_watches")
    measure = models.CharField(max_length=20)
    since = models.DateTimeField(null=True)
    level = models.FloatField(null=True)
    runs = models.PositiveIntegerField(default=0)
    usual = models.FloatField(null=True)
    fell_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    sentence = models.CharField(max_length=300, blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("agent", "measure", name="measure_is_watched_once")]
        indexes = [
            models.Index(
                fields=["-fell_at"], condition=models.Q(fell_at__isnull=False), name="outcome_watch_fallen"
            )
        ]

    def __str__(self) -> str:
        return f"{self.measure} of {self.agent_id}"

    @property
    def is_fallen(self) -> bool:
        return self.fell_at is not None


class ExternalEvent(models.Model):
    """Something outside that may explain what outcomes do: a campaign, an outage, a new price list."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="external_events")
    label = models.CharField(max_length=80)
    on = models.DateField()
    reason = models.TextField()
    noted_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    noted_at = models.DateTimeField(default=timezone.now)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["on", "noted_at"]

    def __str__(self) -> str:
        return self.label

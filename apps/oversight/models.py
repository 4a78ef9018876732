"""What agents may do: tool policies, decisions given, breaker trips."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.agents.models import Agent, Blueprint, OfAgent, OfBlueprint
from apps.agents.toolnames import LONGEST
from apps.identity.models import Principal
from apps.kit.ids import new_id


class ToolPolicyQuerySet(models.QuerySet["ToolPolicy"]):
    """Sets of policies."""

    def limiting(self) -> Self:
        """Without those that were dropped."""
        return self.filter(allowed_tools__isnull=False)


class BlueprintPolicy(models.Model):
    """The tools every instance of a blueprint may call; each holds them as a policy `through` this one.

    `allowed_tools` None: it was dropped and limits nothing; the row stays, so that its version goes on.
    """

    blueprint = models.OneToOneField(Blueprint, on_delete=models.CASCADE, related_name="tool_policy")
    allowed_tools = ArrayField(models.CharField(max_length=LONGEST), default=list, null=True)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")

    objects = OfBlueprint.as_manager()

    class Meta:
        verbose_name_plural = "blueprint policies"

    def __str__(self) -> str:
        return f"tools of the instances of {self.blueprint_id}"


class ToolPolicy(models.Model):
    """The tools one agent may call, each as `ToolName` writes it; any other call is a violation.

    `allowed_tools` None: the policy was dropped and limits nothing; the row stays, so that its version goes on.
    `through` is the blueprint's policy it came by, None for one of its own.
    """

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="tool_policy")
    allowed_tools = ArrayField(models.CharField(max_length=LONGEST), default=list, null=True)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    through = models.ForeignKey(
        BlueprintPolicy, on_delete=models.SET_NULL, null=True, blank=True, related_name="given"
    )

    objects = ToolPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "tool policies"

    def __str__(self) -> str:
        return f"tools of {self.agent_id}"


class Decision(models.Model):
    """An answer to 'may this agent call this tool?', kept whatever it was. Partitioned by day on its id."""

    class Outcome(models.TextChoices):
        ALLOW = "allow", "Allowed"
        DENY = "deny", "Denied"
        ASK = "ask", "Held for a person"
        NOTIFY = "notify", "Allowed, a person is told"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="decisions")
    asked_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    tool_name = models.CharField(max_length=LONGEST)
    operation = models.CharField(max_length=120, blank=True)
    call_id = models.CharField(max_length=255, blank=True)
    conversation_id = models.CharField(max_length=255, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    code = models.CharField(max_length=80)
    reason = models.TextField()
    policy_version = models.PositiveIntegerField(null=True)
    decided_at = models.DateTimeField()

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-id"], name="decision_by_agent"),
            models.Index(fields=["call_id"], condition=~Q(call_id=""), name="decision_by_call_id"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.tool_name}"


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

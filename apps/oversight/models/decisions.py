"""Decisions: what was asked, and what was answered."""

from __future__ import annotations

from chancery_sdk.policy.advice import steps_after
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.agents.models import Agent, OfAgent
from apps.agents.toolnames import LONGEST
from apps.identity.models import Principal
from apps.kit.ids import new_id


class Decision(models.Model):
    """An answer to 'may this agent call this tool?', kept whatever it was. Partitioned by day on its id.

    `team_id` is the agent's team then. `findings` are what spoke about the call, `shadow` what would have decided had every
    mode been enforce; `counted` what it adds to counters, {policy:counter: amount as text}. `digest` is the sha256 of what was
    decided on, `bundle` the state of the record it was decided by. The call itself is not kept here.
    """

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
    team_id = models.UUIDField(null=True)
    data_classes = ArrayField(models.CharField(max_length=40), default=list)
    purpose = models.CharField(max_length=500, blank=True)
    on_behalf_of = models.CharField(max_length=255, blank=True)
    findings = models.JSONField(default=list)
    obligations = models.JSONField(default=list)
    shadow = models.JSONField(null=True)
    counted = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True)
    bundle = models.CharField(max_length=80, blank=True)
    approval_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-id"], name="decision_by_agent"),
            models.Index(fields=["call_id"], condition=~Q(call_id=""), name="decision_by_call_id"),
            models.Index(
                fields=["conversation_id", "id"], condition=~Q(conversation_id=""), name="decision_by_talk"
            ),
            models.Index(fields=["team_id", "id"], condition=~Q(counted={}), name="decision_that_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.tool_name}"

    @property
    def next_steps(self) -> list[dict[str, str]]:
        """What an agent may do about the answer."""
        return steps_after(self.outcome, self.code)

"""Calls that wait for a person, and consent given in advance."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from apps.agents.models import Agent, OfAgent
from apps.agents.toolnames import LONGEST
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.ids import new_id


class ApprovalQuerySet(OfAgent["Approval"]):
    def visible_to(self, actor: Principal) -> Self:
        """For those who see an agent's decisions, and those who may ask for it."""
        agents = Agent.objects
        seen = agents.visible_to(actor, Permission.DECISIONS_VIEW)
        asked_for = agents.visible_to(actor, Permission.DECISIONS_ASK)
        return self.filter(Q(agent__in=seen) | Q(agent__in=asked_for))

    def open(self) -> Self:
        return self.filter(state=Approval.State.PENDING)


class StandingApproval(models.Model):
    """Consent in advance to calls of one agent and tool: at most so many, until then, within `limits`.

    `limits` {path in the arguments: {"most": number} or {"among": [values]}}: a call outside is asked about as before.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="standing_approvals")
    tool_name = models.CharField(max_length=LONGEST)
    operation = models.CharField(max_length=120, blank=True)
    limits = models.JSONField(default=dict)
    most_calls = models.PositiveIntegerField()
    used = models.PositiveIntegerField(default=0)
    until = models.DateTimeField()
    reason = models.TextField()
    given_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    given_at = models.DateTimeField(auto_now_add=True)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    revoke_reason = models.TextField(blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-given_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(used__lte=models.F("most_calls")), name="standing_approval_is_not_overdrawn"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} for {self.agent_id}"


class Approval(models.Model):
    """One call that waits for a person, or waited.

    `digest` binds the consent to agent, its version, tool, its definition, arguments and policy versions: what differs when
    the call is made is refused. `changed_arguments` are those a person allowed in place of the ones asked for. `seen` is what
    the person was shown, `seen_digest` its hash in the ledger. Kind human_only: a person carries the call out.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waits for a person"
        APPROVED = "approved", "Approved"
        DENIED = "denied", "Denied"
        EXPIRED = "expired", "Nobody answered in time"
        WITHDRAWN = "withdrawn", "Withdrawn by the agent"
        USED = "used", "Approved, and the call was made"
        DONE = "done", "Carried out by a person"

    class Kind(models.TextChoices):
        APPROVE = "approve", "A person approves"
        HUMAN_ONLY = "human_only", "A person carries it out"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.APPROVE)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="approvals")
    requested_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    decision_id = models.UUIDField()
    tool_name = models.CharField(max_length=LONGEST)
    operation = models.CharField(max_length=120, blank=True)
    call_id = models.CharField(max_length=255, blank=True)
    conversation_id = models.CharField(max_length=255, blank=True)
    purpose = models.TextField(blank=True)
    on_behalf_of = models.CharField(max_length=255, blank=True)
    arguments = models.JSONField(default=dict)
    changed_arguments = models.JSONField(null=True, blank=True)
    digest = models.CharField(max_length=64)
    code = models.CharField(max_length=80)
    reason = models.TextField()
    risk = models.PositiveSmallIntegerField(default=0)
    needed = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    on_expiry = models.CharField(max_length=8, default="deny")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    usable_until = models.DateTimeField(null=True, blank=True)
    assignee = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="assigned_approvals"
    )
    escalated_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decision_reason = models.TextField(blank=True)
    seen = models.JSONField(default=dict)
    seen_digest = models.CharField(max_length=64, blank=True)
    standing = models.ForeignKey(
        StandingApproval, on_delete=models.PROTECT, null=True, blank=True, related_name="used_for"
    )
    used_at = models.DateTimeField(null=True, blank=True)
    used_decision_id = models.UUIDField(null=True, blank=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        ordering = ["-risk", "created_at"]
        indexes = [
            models.Index(fields=["agent", "-created_at"], name="approval_by_agent"),
            models.Index(
                fields=["-risk", "created_at"], condition=Q(state="pending"), name="approval_waiting"
            ),
            models.Index(fields=["expires_at"], condition=Q(state="pending"), name="approval_by_expiry"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "digest", "call_id"],
                condition=Q(state="pending"),
                name="a_call_waits_once",
            ),
            models.CheckConstraint(
                condition=Q(state="used", used_at__isnull=False) | ~Q(state="used") & Q(used_at=None),
                name="approval_is_used_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} of {self.agent_id}: {self.state}"


class ApprovalVote(models.Model):
    """One person's answer. `open_s` is how long they had it open; each person answers once."""

    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="votes")
    person = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    approves = models.BooleanField()
    reason = models.TextField(blank=True)
    open_s = models.FloatField(null=True)
    voted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("approval", "person", name="a_person_answers_once")]

    def __str__(self) -> str:
        return f"{self.person_id} on {self.approval_id}"


class ApprovalNote(models.Model):
    """A question of a person to the agent, or its answer."""

    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["written_at", "pk"]

    def __str__(self) -> str:
        return self.text[:60]

"""Keeping the record true: merges, how many records needed somebody day by day, campaigns that ask owners."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models.agents import Agent, OfAgent, State
from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.ids import new_id


class AgentMerge(models.Model):
    """Two records that were one agent. `moved` holds what followed to the kept one, so that it can go back."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kept = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="merges")
    merged = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    actor = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    moved = models.JSONField(default=dict)
    merged_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-merged_at"]
        constraints = [
            models.UniqueConstraint(
                "merged", condition=Q(undone_at=None), name="agent_is_merged_into_one_other"
            )
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} into {self.kept_id}"


class QualitySnapshot(models.Model):
    """How many agents stood in a queue on a day."""

    day = models.DateField()
    queue = models.CharField(max_length=20)
    agents = models.PositiveIntegerField()

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint("day", "queue", name="queue_is_counted_once_a_day")]

    def __str__(self) -> str:
        return f"{self.agents} {self.queue} on {self.day}"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def visible_to(self, actor: Principal) -> Self:
        """All for those who curate everywhere; for others those that ask about an agent they see."""
        if access_of(actor).allows(Permission.AGENTS_CURATE):
            return self
        asked = CampaignItem.objects.visible_to(actor).values("campaign_id")
        return self.filter(Q(pk__in=asked) | Q(created_by=actor))


class Campaign(models.Model):
    """A request to every owner to confirm their agents by a day. `query` is the list it was made from."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.CharField(max_length=120)
    note = models.TextField(blank=True)
    query = models.CharField(max_length=2000, blank=True)
    due_on = models.DateField()
    created_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title


class CampaignItemQuerySet(OfAgent["CampaignItem"]):
    def of_agents_in_use(self) -> Self:
        """Nobody is asked about what was merged, withdrawn or retired since."""
        return self.filter(agent__in=Agent.objects.on_record().exclude(state=State.RETIRED))


class CampaignItem(models.Model):
    """One agent of a campaign and who is asked: its owner when it began, None where it had none."""

    id = models.BigAutoField(primary_key=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="items")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="campaign_items")
    asked = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reminders = models.PositiveSmallIntegerField(default=0)
    reminded_at = models.DateTimeField(null=True, blank=True)
    escalated_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = CampaignItemQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint("campaign", "agent", name="agent_is_asked_once_a_campaign")]
        indexes = [
            models.Index(fields=["asked"], condition=Q(confirmed_at=None), name="campaign_item_unanswered")
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} in {self.campaign_id}"


class CampaignMail(models.Model):
    """One reminder of a campaign to one person: what the mail lists, and what became of it.

    Written in the transaction of the reminder; `step` is the reminder's number, so that none is sent twice.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Not sent"
        OFF = "off", "No mail is set up"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="mails")
    person = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    step = models.PositiveSmallIntegerField()
    agents = models.ManyToManyField(Agent, related_name="+")
    is_late = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=400, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    tried_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [models.UniqueConstraint("campaign", "person", "step", name="reminder_is_mailed_once")]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(state__in=["waiting", "sending"]), name="campaign_mail_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} to {self.person_id}"

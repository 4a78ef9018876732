"""Who says what of an agent, and fields an enterprise adds of its own."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models.agents import Agent, OfAgent
from apps.agents.models.dependencies import Origin
from apps.identity.models import Principal, Team


class Claim(models.Model):
    """What one source last said of one field of one agent.

    The record shows the strongest claim (`apps.agents.reconciliation`); weaker ones stay here, so that a
    contradiction can be seen and settled. `source` names the source among those of its origin: a person's
    id, a repository, an import. A settled claim does not count as a contradiction until it changes.
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="claims")
    field = models.CharField(max_length=60)
    origin = models.CharField(max_length=12, choices=Origin.choices)
    source = models.CharField(max_length=255)
    value = models.JSONField(null=True)
    claimed_at = models.DateTimeField(default=timezone.now)
    stated_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("agent", "field", "origin", "source", name="claim_is_made_once_a_source")
        ]

    def __str__(self) -> str:
        return f"{self.origin} says {self.field} of {self.agent_id}"


class CustomFieldQuerySet(models.QuerySet["CustomField"]):
    def asked_of(self, team_id: UUID | None) -> Self:
        """Those that are asked of agents of this team."""
        return self.filter(Q(teams=None) | Q(teams=team_id)).distinct()


class CustomField(models.Model):
    """A field that an enterprise adds to agents; values live in `Agent.custom` under its key.

    `teams` narrows it to agents of these teams; none: it is asked of every agent.
    """

    class Kind(models.TextChoices):
        TEXT = "text", "Text"
        NUMBER = "number", "Number"
        BOOLEAN = "boolean", "Yes or no"
        DATE = "date", "Date"
        CHOICE = "choice", "One of a list"
        URL = "url", "Link"

    key = models.SlugField(max_length=40, unique=True)
    label = models.CharField(max_length=80)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    help_text = models.CharField(max_length=200, blank=True)
    choices = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    pattern = models.CharField(max_length=200, blank=True)
    minimum = models.FloatField(null=True, blank=True)
    maximum = models.FloatField(null=True, blank=True)
    is_required = models.BooleanField(default=False)
    teams = models.ManyToManyField(Team, blank=True, related_name="+")

    objects = CustomFieldQuerySet.as_manager()

    class Meta:
        ordering = ["label"]

    def __str__(self) -> str:
        return self.label

"""What depends on what: typed edges between agents and what they use, and permissions to use tools."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models.agents import Agent, OfAgent
from apps.agents.models.assets import Tool
from apps.identity.models import Principal
from apps.kit.ids import new_id


class NodeKind(models.TextChoices):
    AGENT = "agent", "Agent"
    TOOL = "tool", "Tool"
    MODEL = "model", "Model"
    PREDICTIVE_MODEL = "predictive_model", "Predictive model"
    DATA_SOURCE = "data_source", "Data source"
    SYSTEM = "system", "System"


class Origin(models.TextChoices):
    """How something came to be known, the strongest first."""

    PERSON = "person", "A person"
    BLUEPRINT = "blueprint", "Its blueprint"
    DECLARED = "declared", "Declared in a repository"
    IMPORTED = "imported", "An import"
    DISCOVERED = "discovered", "A scan"
    OBSERVED = "observed", "Seen in traffic"


class Dependency(models.Model):
    """`source` needs `target`. Ends are named by kind and id: an edge may join any two kinds.

    One row per origin, so that what was declared and what was observed can be compared. `calls` and
    `last_seen` are kept for observed edges.
    """

    class Relation(models.TextChoices):
        CALLS = "calls", "calls"
        READS = "reads", "reads"
        WRITES = "writes", "writes"
        DELEGATES = "delegates_to", "delegates to"
        DEPLOYED = "deployed_on", "is deployed on"
        AUTHENTICATES = "authenticates_with", "authenticates with"

    id = models.BigAutoField(primary_key=True)
    source_kind = models.CharField(max_length=16, choices=NodeKind.choices)
    source_id = models.UUIDField()
    target_kind = models.CharField(max_length=16, choices=NodeKind.choices)
    target_id = models.UUIDField()
    relation = models.CharField(max_length=20, choices=Relation.choices)
    origin = models.CharField(max_length=12, choices=Origin.choices)
    stated_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    calls = models.PositiveBigIntegerField(default=0)
    first_seen = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "dependencies"
        constraints = [
            models.UniqueConstraint(
                "source_id", "target_id", "relation", "origin", name="dependency_is_known_once_an_origin"
            ),
            models.CheckConstraint(
                condition=~Q(source_id=models.F("target_id")), name="nothing_depends_on_itself"
            ),
        ]
        indexes = [models.Index(fields=["target_id", "source_id"], name="dependency_by_target")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.relation} {self.target_id}"


class GrantQuerySet(OfAgent["ToolGrant"]):
    def active(self) -> Self:
        """Neither taken back nor run out."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


class Leave(models.Model):
    """Leave to use a tool: which operations (none named: all), within which limits, how long, why, and its end."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    operations = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    constraints = models.JSONField(default=dict, blank=True)
    reason = models.TextField()
    granted_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    revoke_reason = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def is_active(self) -> bool:
        """Neither taken back nor run out."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class ToolGrant(Leave):
    """Leave for one agent to use one tool. `through` is the blueprint's grant it came by, None for one of its own."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="grants")
    tool = models.ForeignKey(Tool, on_delete=models.PROTECT, related_name="grants")
    through = models.ForeignKey(
        "agents.BlueprintGrant", on_delete=models.PROTECT, null=True, blank=True, related_name="given"
    )

    objects = GrantQuerySet.as_manager()

    class Meta:
        ordering = ["tool__name", "-granted_at"]
        constraints = [
            models.UniqueConstraint(
                "agent", "tool", condition=Q(revoked_at=None), name="tool_is_granted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} may use {self.tool_id}"

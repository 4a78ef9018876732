"""How agents change: versions by fingerprint, revisions of the record."""

from __future__ import annotations

from django.db import models

from apps.agents.models.agents import Agent, OfAgent
from apps.agents.models.dependencies import Origin
from apps.identity.models import Principal
from apps.kit.ids import new_id


class AgentVersion(models.Model):
    """What an agent was made of at a time. `fingerprint` is the hash of all the other parts.

    `tools` maps each tool to the hash of its schema ('' where unknown). `changes` says in words what differs from
    the version before; empty for the first.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=80, blank=True)
    fingerprint = models.CharField(max_length=64)
    prompt_hash = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=255, blank=True)
    model_snapshot = models.CharField(max_length=255, blank=True)
    tools = models.JSONField(default=dict)
    framework_version = models.CharField(max_length=80, blank=True)
    configuration_hash = models.CharField(max_length=64, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    changes = models.JSONField(default=list)
    origin = models.CharField(max_length=12, choices=Origin.choices)
    stated_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint("agent", "number", name="version_has_one_number"),
            models.UniqueConstraint("agent", "fingerprint", name="version_has_one_fingerprint"),
        ]

    def __str__(self) -> str:
        return self.label or f"version {self.number}"


class AgentRevision(models.Model):
    """The whole record of an agent as it stood at a version; written by the database at every change."""

    id = models.BigAutoField(primary_key=True)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="revisions", db_constraint=False)
    version = models.PositiveIntegerField()
    record = models.JSONField()
    recorded_at = models.DateTimeField()

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["agent", "-recorded_at", "-id"], name="revision_by_agent_and_time")]

    def __str__(self) -> str:
        return f"{self.agent_id} at version {self.version}"

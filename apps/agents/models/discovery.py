"""Evidence of agents from sources other than telemetry, waiting for a curator."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from apps.agents.models.agents import Agent
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id


class SourceKind(models.TextChoices):
    TELEMETRY = "telemetry", "Telemetry"
    REPOSITORY = "repository_scan", "Repository"
    AGENT_CARD = "agent_card", "A2A agent card"
    MCP_REGISTRY = "mcp_registry", "MCP registry"
    KUBERNETES = "kubernetes", "Kubernetes"
    CLOUD = "cloud", "Cloud or SaaS export"
    ACCOUNTS = "accounts", "Service accounts and OAuth apps"


_IS_WAITING, _IS_IGNORED = Q(state="waiting"), Q(state="ignored")


class CandidateQuerySet(models.QuerySet["Candidate"]):
    def visible_to(self, actor: Principal) -> Self:
        """Those of the teams in which the actor may see agents; an agent sees none."""
        access = access_of(actor)
        if actor.kind == Principal.Kind.AGENT:
            return self.none()
        if access.allows(Permission.AGENTS_VIEW):
            return self
        return self.filter(team_id__in=access.teams_with(Permission.AGENTS_VIEW))

    def waiting(self) -> Self:
        """Those a curator has to decide, the ignored ones whose time is over among them."""
        return self.filter(_IS_WAITING | _IS_IGNORED & Q(ignored_until__lte=Now()))

    def ignored(self) -> Self:
        """Those left alone for now."""
        return self.filter(_IS_IGNORED, ignored_until__gt=Now())

    def with_decisions(self) -> Self:
        return self.select_related("team", "agent", "decided_by")


class Candidate(models.Model):
    """Something that looks like an agent: evidence grouped under one key until a curator decides.

    `digest` is the hash of what the evidence says; an ignored candidate comes back when it changes or when
    `ignored_until` has passed.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        LINKED = "linked", "On record"
        IGNORED = "ignored", "Ignored"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=255, unique=True)
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    confidence = models.FloatField()
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    agent = models.ForeignKey(
        Agent, on_delete=models.SET_NULL, null=True, blank=True, related_name="candidates"
    )
    kind = models.CharField(max_length=40, blank=True)
    role = models.CharField(max_length=32, blank=True)
    framework = models.CharField(max_length=80, blank=True)
    model = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True)
    tools = ArrayField(models.CharField(max_length=255), default=list)
    mcp_servers = ArrayField(models.CharField(max_length=255), default=list)
    digest = models.CharField(max_length=64)
    ignore_reason = models.TextField(blank=True)
    ignored_until = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    objects = CandidateQuerySet.as_manager()

    class Meta:
        ordering = ["-confidence", "-last_seen"]
        indexes = [
            models.Index(fields=["state", "-confidence", "id"], name="candidate_by_state"),
            models.Index(fields=["team", "state"], name="candidate_by_team"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_waiting(self) -> bool:
        """True while a curator has to decide it."""
        over = self.ignored_until is not None and self.ignored_until <= timezone.now()
        return self.state == self.State.WAITING or (self.state == self.State.IGNORED and over)


class Evidence(models.Model):
    """One finding of one source, kept as it was given in `finding`.

    `place` is the natural key within the source: the path without its line, and the name found there, so that
    code that moves within a file stays the same evidence.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    candidate = models.ForeignKey(Candidate, on_delete=models.CASCADE, related_name="evidence")
    source_kind = models.CharField(max_length=16, choices=SourceKind.choices)
    source = models.CharField(max_length=255)
    place = models.CharField(max_length=500)
    finding = models.JSONField()
    reported_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        verbose_name_plural = "evidence"
        ordering = ["-last_seen"]
        constraints = [
            models.UniqueConstraint(
                "candidate", "source_kind", "source", "place", name="evidence_is_kept_once"
            )
        ]
        indexes = [models.Index(fields=["source_kind", "candidate"], name="evidence_by_source_kind")]

    def __str__(self) -> str:
        return f"{self.source_kind} {self.place}"

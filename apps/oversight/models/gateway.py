"""MCP servers behind the gateway, and the definitions of their tools as they were seen."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Tool
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id

LONGEST_DEADLINE_S, MOST_AT_ONCE = 600, 500


class McpUpstreamQuerySet(models.QuerySet["McpUpstream"]):
    """Sets of servers."""

    def visible_to(self, actor: Principal, permission: str = Permission.AGENTS_VIEW) -> Self:
        """Those of the teams in which the actor holds `permission`, and those of no team. Agents see none."""
        access = access_of(actor)
        if actor.kind == Principal.Kind.AGENT or not access.allows_somewhere(permission):
            return self.none()
        if access.allows(permission):
            return self
        return self.filter(Q(team=None) | Q(team__in=access.teams_with(permission)))

    def served_by(self, gateway: Principal) -> Self:
        """What a gateway may know with its secrets: with a team, that team's servers only."""
        return self.filter(team=gateway.team_id) if gateway.team_id else self


class McpUpstream(models.Model):
    """An MCP server that agents reach through the gateway at /mcp/<slug>; `slug` is the server's name in policies.

    Reached at `url`, or started as `command` by the gateway and spoken to over stdio. With a team it serves the agents of
    that team only. `secret` is sealed: a bearer token, an OAuth client's secret, or for a command what its variable
    `secret_variable` holds.
    """

    class Auth(models.TextChoices):
        NONE = "none", "None"
        BEARER = "bearer", "A secret"
        OAUTH = "oauth", "OAuth client credentials"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    url = models.URLField(max_length=500, blank=True)
    command = ArrayField(models.CharField(max_length=500), default=list, blank=True)
    auth = models.CharField(max_length=8, choices=Auth.choices, default=Auth.NONE)
    secret = models.TextField(blank=True)
    secret_variable = models.CharField(max_length=60, blank=True)
    client_id = models.CharField(max_length=200, blank=True)
    token_url = models.URLField(max_length=500, blank=True)
    oauth_scope = models.CharField(max_length=300, blank=True)
    deadline_s = models.PositiveIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DEADLINE_S)]
    )
    most_at_once = models.PositiveIntegerField(
        default=32, validators=[MinValueValidator(1), MaxValueValidator(MOST_AT_ONCE)]
    )
    is_enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    last_error_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = McpUpstreamQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        verbose_name = "MCP server"
        constraints = [
            models.CheckConstraint(
                condition=(Q(url="") & ~Q(command=[])) | (~Q(url="") & Q(command=[])),
                name="mcp_upstream_has_an_address_or_a_command",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_failing(self) -> bool:
        """True when the last thing heard of it was an error."""
        return self.last_error_at is not None and (
            self.last_seen_at is None or self.last_error_at > self.last_seen_at
        )


class ToolDefinition(models.Model):
    """One definition that a server gave for a tool, from when it was first seen to when it was last.

    The one in force is `pinned` (the first that was seen, trusted for being that) or `approved` by a person; a later one that differs
    is `held` until somebody judges it. `changed` is what was in force before, `refused` what a person turned down. A tool is
    offered while one is in force and none is held or refused (`is_callable`).
    """

    class State(models.TextChoices):
        PINNED = "pinned", "Pinned when first seen"
        APPROVED = "approved", "Approved"
        HELD = "held", "Held back"
        CHANGED = "changed", "Replaced"
        REFUSED = "refused", "Refused"

    IN_FORCE = (State.PINNED, State.APPROVED)
    IN_THE_WAY = (State.HELD, State.REFUSED)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    upstream = models.ForeignKey(McpUpstream, on_delete=models.CASCADE, related_name="definitions")
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="definitions")
    digest = models.CharField(max_length=64)
    definition = models.JSONField()
    reasons = ArrayField(models.CharField(max_length=80), default=list)
    state = models.CharField(max_length=8, choices=State.choices)
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    reviewed_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["tool__name", "-first_seen_at"]
        constraints = [
            models.UniqueConstraint("upstream", "tool", "digest", name="definition_is_known_once"),
            models.UniqueConstraint(
                "upstream",
                "tool",
                condition=Q(state__in=["pinned", "approved"]),
                name="one_definition_is_in_force",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool_id} as {self.digest[:12]}"

"""Containment: who enforces, what they were ordered, what each answered and when; drills of the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q

from apps.agents.models import Agent, OfAgent
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id
from apps.oversight.models.breaker import BreakerTrip
from apps.oversight.models.kill_switches import LONGEST_TARGET, KillSwitch


class ContainmentOrderQuerySet(models.QuerySet["ContainmentOrder"]):
    """Sets of orders."""

    def heard_by(self, actor: Principal) -> Self:
        """Those that concern an agent the actor may ask for: its own, those of its teams, and what stops everybody.

        Two queries within the one: agents reached, and their teams with those above them.
        """
        agents = Agent.objects.visible_to(actor, Permission.DECISIONS_ASK)
        if not access_of(actor).allows_somewhere(Permission.DECISIONS_ASK):
            return self.none()
        teams = [
            team for team in (actor.team_id, *access_of(actor).teams_with(Permission.DECISIONS_ASK)) if team
        ]
        concerned = Q(team__in=agents.order_by().values("team")) | Q(team__in=teams)
        parents = Q(team__children__in=agents.order_by().values("team")) | Q(team__children__in=teams)
        ids = agents.order_by().values("pk")
        of_agents = Q(scope="agent") & (Q(agent__in=ids) | Q(agent__merged_from__in=ids))
        everybodys = Q(scope__in=["fleet", "tool", "model"])
        return self.filter(of_agents | everybodys | (Q(scope="team") & (concerned | parents))).distinct()


class ContainmentOrder(models.Model):
    """What every enforcement point is told. `seq` is given after the commit, in the order of commits, so that whoever asks
    for what came after a number misses nothing; None until then."""

    class Kind(models.TextChoices):
        STOP = "stop", "Stop"
        RESUME = "resume", "Resume"
        DRILL = "drill", "Drill"

    class Scope(models.TextChoices):
        AGENT = "agent", "Agent"
        TEAM = "team", "Team"
        TOOL = "tool", "Tool"
        MODEL = "model", "Model"
        FLEET = "fleet", "Fleet"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    seq = models.BigIntegerField(null=True, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="orders")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+")
    target = models.CharField(max_length=LONGEST_TARGET, blank=True)
    reason = models.TextField()
    at = models.DateTimeField()
    trip = models.ForeignKey(BreakerTrip, on_delete=models.CASCADE, null=True, related_name="orders")
    switch = models.ForeignKey(KillSwitch, on_delete=models.CASCADE, null=True, related_name="orders")

    objects = ContainmentOrderQuerySet.as_manager()

    class Meta:
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["at"], condition=Q(seq=None), name="order_without_number"),
            models.Index(fields=["agent", "-at"], name="order_by_agent"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(Q(scope="agent") & Q(agent__isnull=False)) | (~Q(scope="agent") & Q(agent=None)),
                name="order_of_an_agent_names_it",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope} {self.named}"

    @property
    def ended_at(self) -> datetime | None:
        """When a stop was over; None while it stands, and for whatever is no stop."""
        if self.kind != self.Kind.STOP:
            return None
        return self.trip.reset_at if self.trip else (self.switch.released_at if self.switch else None)

    @property
    def named(self) -> str:
        """What it is about, as points are told: the id of an agent or a team, the name of a tool or a model, ''."""
        return str(self.agent_id or self.team_id or self.target or "")


class EnforcementPoint(models.Model):
    """A place where a call can be refused. It lives while it was heard of within its lease."""

    class Kind(models.TextChoices):
        DECISION_API = "decision_api", "Decision API"
        CREDENTIALS = "credentials", "Credentials"
        GATEWAY = "gateway", "MCP gateway"
        PROXY = "proxy", "LLM proxy"
        HOOK = "hook", "Hook"
        SDK = "sdk", "Client library"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="points")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=14, choices=Kind.choices)
    bundle = models.CharField(max_length=120, blank=True)
    lease_s = models.PositiveIntegerField(default=30)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["kind", "name"]
        constraints = [
            models.UniqueConstraint("principal", "name", name="point_is_known_once"),
        ]
        indexes = [models.Index(fields=["last_seen_at"], name="point_by_last_seen")]

    def __str__(self) -> str:
        return self.name

    @property
    def lapses_at(self) -> datetime:
        return self.last_seen_at + timedelta(seconds=self.lease_s)

    @property
    def is_of_chancery(self) -> bool:
        """Of Chancery's own process."""
        return self.kind in (self.Kind.DECISION_API, self.Kind.CREDENTIALS)


class Acknowledgement(models.Model):
    """A point has done what an order says."""

    point = models.ForeignKey(EnforcementPoint, on_delete=models.CASCADE, related_name="acknowledgements")
    order = models.ForeignKey(ContainmentOrder, on_delete=models.CASCADE, related_name="acknowledgements")
    at = models.DateTimeField()

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint("order", "point", name="order_is_acknowledged_once")]

    def __str__(self) -> str:
        return f"{self.point_id} did {self.order_id}"

    @property
    def delay_s(self) -> float:
        """Since the order, or since the point is known, where it came later."""
        return max(0.0, (self.at - max(self.order.at, self.point.first_seen_at)).total_seconds())


class Drill(models.Model):
    """A trial of the stop without a stop: evidence for Article 14(4)(e) of Regulation (EU) 2024/1689.

    `results` are the answers as they stood when it ended: point, kind, delay_s (None: none came), in_time.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="drills")
    order = models.OneToOneField(ContainmentOrder, on_delete=models.CASCADE, related_name="drill")
    state = models.CharField(max_length=20)
    reason = models.TextField(blank=True)
    limit_s = models.FloatField(default=1.0)
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)
    passed = models.BooleanField(null=True)
    results = models.JSONField(default=list)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["agent", "-started_at"], name="drill_by_agent"),
            models.Index(fields=["started_at"], condition=Q(finished_at=None), name="drill_running"),
        ]

    def __str__(self) -> str:
        return f"drill of {self.agent_id} at {self.started_at:%Y-%m-%d %H:%M}"

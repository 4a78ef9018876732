"""How an agent is held: its mode, how much a person is in the loop, what it may spend; and what says that any of it changed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.agents.models import Agent, OfAgent, OversightLevel
from apps.agents.toolnames import LONGEST
from apps.identity.models import Principal, Team
from apps.kit.ids import new_id


class Mode(models.TextChoices):
    """What becomes of a call that nothing on record covers."""

    OBSERVE = "observe", "Observe: it goes on and is noted"
    WARN = "warn", "Warn: it goes on and people are told"
    ENFORCE = "enforce", "Enforce: it is refused"


class AgentControl(models.Model):
    """How one agent is held; without a row it is observed."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="control")
    version = models.PositiveIntegerField(default=1)
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.OBSERVE)
    reason = models.TextField(blank=True)
    set_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    objects = OfAgent.as_manager()

    def __str__(self) -> str:
        return f"{self.agent_id}: {self.mode}"


class LevelSetting(models.Model):
    """The level of oversight for one agent's calls, or a team's, or everybody's; '' stands for every tool or operation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, null=True, blank=True, related_name="level_settings"
    )
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    tool = models.CharField(max_length=LONGEST, blank=True)
    operation = models.CharField(max_length=120, blank=True)
    level = models.CharField(max_length=12, choices=OversightLevel.choices)
    reason = models.TextField()
    set_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["tool", "operation", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "team", "tool", "operation"],
                nulls_distinct=False,
                name="oversight_level_is_set_once",
            ),
            models.CheckConstraint(
                condition=Q(agent=None) | Q(team=None), name="oversight_level_is_of_an_agent_or_a_team"
            ),
            models.CheckConstraint(condition=Q(operation="") | ~Q(tool=""), name="an_operation_is_of_a_tool"),
        ]

    def __str__(self) -> str:
        return f"{self.tool or 'every tool'}: {self.level}"


class AgentBudget(models.Model):
    """At most this much in a window that ends now; cost in millionths of a US dollar."""

    class Kind(models.TextChoices):
        CALLS = "calls", "Calls"
        COST = "cost", "Cost of models"

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="budgets")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    most = models.PositiveBigIntegerField()
    window_s = models.PositiveIntegerField()
    reason = models.TextField(blank=True)
    set_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now=True)

    objects = OfAgent.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("agent", "kind", "window_s", name="agent_has_one_budget_of_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.agent_id}"


class GovernanceStamp(models.Model):
    """A number that every change to what decisions depend on raises, in the change's own transaction (by trigger).

    Keys: `policies` (policies, levels without an agent, teams), `agent:<id>`, `tool:<server/tool>`. Who holds what it made
    of these rows in memory compares the numbers where it writes its decision, and so never decides on what is past.
    """

    key = models.CharField(max_length=LONGEST + 10, primary_key=True)
    value = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"

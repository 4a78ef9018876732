"""Connectors: other registers that are told of agents, and what each was last told."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from apps.agents.models.agents import Agent
from apps.identity.models import Principal, Team
from apps.kit.ids import new_id


class Connector(models.Model):
    """A ServiceNow instance whose CMDB is told of agents, through its Identification and Reconciliation API.

    `class_name` is the CI class agents become, `data_source` a choice of the instance's discovery_source. With a
    team, that team's agents alone are told. `secret` is sealed: a password beside `username`, a token without.
    `leaves` is how much of the sealed ledger has been looked through for agents that changed; 0: compare all. `lease`
    names the push that is going on until `leased_until`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120, unique=True)
    url = models.URLField(max_length=300)
    username = models.CharField(max_length=120, blank=True)
    secret = models.TextField()
    class_name = models.CharField(max_length=80, default="cmdb_ci_business_app")
    data_source = models.CharField(max_length=80, default="Chancery")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    is_enabled = models.BooleanField(default=True)
    created_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    run_at = models.DateTimeField(null=True, blank=True)
    run_error = models.CharField(max_length=300, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    leaves = models.BigIntegerField(default=0)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PushedItem(models.Model):
    """What a connector last said of one agent, and what came back. `told` is a hash of what was sent and taken."""

    class State(models.TextChoices):
        TAKEN = "taken", "Taken"
        REFUSED = "refused", "Refused"

    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, related_name="items")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    told = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=State.choices)
    operation = models.CharField(max_length=40, blank=True)
    sys_id = models.CharField(max_length=64, blank=True)
    error = models.CharField(max_length=500, blank=True)
    pushed_at = models.DateTimeField()

    WORDS = {"INSERT": "Made there", "UPDATE": "Changed there", "NO_CHANGE": "The same there"}

    class Meta:
        ordering = ["-pushed_at", "id"]
        constraints = [models.UniqueConstraint("connector", "agent", name="agent_is_pushed_once")]

    def __str__(self) -> str:
        return f"{self.agent_id} at {self.connector_id}"

    @property
    def words(self) -> str:
        """What the engine did, in words; its own word where we have none for it."""
        return self.WORDS.get(self.operation, self.operation or "Taken")

"""What telemetry shows of agents: the natural keys by which they are recognised, what they were seen to use."""

from __future__ import annotations

from django.db import models

from apps.agents.models.agents import Agent
from apps.identity.models import Principal

BEYOND = "(beyond the limit)"


class AgentAlias(models.Model):
    """A natural key by which telemetry recognises an agent: source, service name, agent name.

    With the service name `BEYOND` it is the agent that stands for those its source showed beyond the limit.
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="aliases")
    source = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    service_name = models.CharField(max_length=255, blank=True)
    agent_name = models.CharField(max_length=255, blank=True)
    first_seen = models.DateTimeField()

    class Meta:
        verbose_name_plural = "agent aliases"
        constraints = [
            models.UniqueConstraint("source", "service_name", "agent_name", name="alias_names_one_agent")
        ]

    def __str__(self) -> str:
        return f"{self.service_name}/{self.agent_name}"


class ObservedUse(models.Model):
    """Something an agent was seen to use, how often, first and last."""

    calls = models.PositiveBigIntegerField(default=0)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        abstract = True


class ObservedTool(ObservedUse):
    """A tool an agent called. `mcp_server` is '' for a tool of its own."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="observed_tools")
    tool_name = models.CharField(max_length=255)
    mcp_server = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-calls", "tool_name"]
        constraints = [
            models.UniqueConstraint("agent", "tool_name", "mcp_server", name="tool_is_observed_once")
        ]

    def __str__(self) -> str:
        return self.tool_name


class ObservedModel(ObservedUse):
    """A model that answered an agent."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="observed_models")
    provider = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=255)

    class Meta:
        ordering = ["-last_seen"]
        constraints = [models.UniqueConstraint("agent", "provider", "model", name="model_is_observed_once")]

    def __str__(self) -> str:
        return self.model

"""What is known of the risk of one agent beside its answers."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from apps.agents import risk
from apps.agents.models.agents import Agent, OfAgent
from apps.agents.risk import Fact, Sign, Stated


class RiskFacts(models.Model):
    """What the record showed of an agent when it was last read, so that lists need not walk the graph.

    `signs` are the signs as read; the four levels are what the applied policy makes of them. `held` is the level of
    each dimension that counts where the policy lets facts raise: it follows facts up at once and down only by a
    person's act or a new policy, so that a fact that vanishes never lowers a tier by itself.
    """

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, primary_key=True, related_name="risk_facts")
    data_sensitivity = models.PositiveSmallIntegerField(null=True)
    decision_authority = models.PositiveSmallIntegerField(null=True)
    blast_radius = models.PositiveSmallIntegerField(null=True)
    regulatory_exposure = models.PositiveSmallIntegerField(null=True)
    signs = models.JSONField(default=list)
    held = models.JSONField(default=dict)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = OfAgent.as_manager()

    class Meta:
        verbose_name_plural = "risk facts"

    def __str__(self) -> str:
        return f"facts of {self.agent_id}"

    @property
    def levels(self) -> dict[str, int]:
        return {name: level for name in risk.FIELDS if (level := getattr(self, name)) is not None}


def stated_of(agent: Agent) -> Stated:
    return Stated(agent.ai_act_class, agent.oversight_level, tuple(agent.countries), agent.users_served)


def facts_of(agent: Agent, signs: list[Sign], rules: risk.Rules) -> dict[str, tuple[Fact, ...]]:
    """What these signs and the record itself say of each dimension."""
    return risk.judged(signs, stated_of(agent), rules)

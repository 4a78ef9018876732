"""What is known of the risk of one agent beside its answers."""

from __future__ import annotations

from dataclasses import replace

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents import ai_act, risk
from apps.agents.models.agents import Agent, OfAgent
from apps.agents.risk import Fact, Sign, Stated
from apps.identity.models import Principal
from apps.kit.ids import new_id


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


class AiActClassification(models.Model):
    """A person's answers to the questions of the EU AI Act about one agent, and what they come to.

    One at a time is a draft; concluded it gets its number and stays. `answers` is {question id: {"answer": true,
    "reason": "…", "by": name}}; of a concluded one only those that mattered. `outcome` is finer than the class on record:
    it tells the two kinds of high risk apart. `path` is the way to it as it was concluded (`ai_act.kept`), empty for a draft
    and for those concluded before it was kept.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Being answered"
        CONCLUDED = "concluded", "Concluded"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="ai_act_classifications")
    number = models.PositiveIntegerField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    questionnaire = models.CharField(max_length=20)
    answers = models.JSONField(default=dict)
    outcome = models.CharField(max_length=20, blank=True)
    path = models.JSONField(default=dict)
    roles = models.JSONField(default=list)
    duties = models.JSONField(default=list)
    begun_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    begun_at = models.DateTimeField(default=timezone.now)
    concluded_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    concluded_at = models.DateTimeField(null=True, blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-begun_at"]
        constraints = [
            models.UniqueConstraint("agent", "number", name="classification_has_one_number"),
            models.UniqueConstraint(
                "agent", condition=Q(state="draft"), name="agent_is_classified_once_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"classification {self.number or 'draft'} of {self.agent_id}"

    @property
    def said(self) -> dict[str, bool]:
        return {question: bool(one["answer"]) for question, one in self.answers.items()}

    @property
    def walk(self) -> ai_act.Walk:
        """Where the answers of a draft lead by today's questions; of a concluded one what it was concluded as."""
        if self.path:
            return ai_act.walk_of(self.path)
        found = ai_act.walk(self.said)
        if self.state == self.State.DRAFT:
            return found
        outcome = ai_act.Outcome(self.outcome)
        return replace(found, outcome=outcome, roles=tuple(self.roles), duties=tuple(self.duties), open=())


def stated_of(agent: Agent) -> Stated:
    return Stated(agent.ai_act_class, agent.oversight_level, tuple(agent.countries), agent.users_served)


def facts_of(agent: Agent, signs: list[Sign], rules: risk.Rules) -> dict[str, tuple[Fact, ...]]:
    """What these signs and the record itself say of each dimension."""
    return risk.judged(signs, stated_of(agent), rules)

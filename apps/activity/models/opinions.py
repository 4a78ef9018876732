"""What a model said of a run when somebody asked it."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.activity.models.calls import sees_every_call
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ids import new_id


class RunOpinionQuerySet(models.QuerySet["RunOpinion"]):
    """Sets of opinions."""

    def visible_to(self, actor: Principal) -> Self:
        """Opinions on what the actor may see too: it must know of every agent whose steps the model was shown."""
        if sees_every_call(actor):
            return self
        known = list(Agent.objects.visible_to(actor).values_list("pk", flat=True))
        return self.filter(agent_ids__contained_by=known, saw_unknown=False)


class RunOpinion(models.Model):
    """The words of a configured model on where a run went wrong. Never a verdict: nothing follows from it.

    `agent_ids` are the agents whose steps it was shown, `saw_unknown` whether calls of nobody known were among them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation_id = models.TextField(db_index=True)
    asked_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    model = models.CharField(max_length=200)
    words = models.TextField()
    steps_shown = models.PositiveIntegerField()
    agent_ids = ArrayField(models.UUIDField(), default=list)
    saw_unknown = models.BooleanField(default=False)

    objects = RunOpinionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.model} on {self.conversation_id}"

"""Sums by the hour, what they are made of beside the calls, and which hours have to be summed anew."""

from __future__ import annotations

from django.db import models

from apps.agents.models import Agent
from apps.agents.models.agents import OfAgent
from apps.kit.ids import new_id


class ToolHour(models.Model):
    """The calls of one tool by one agent that began in one hour (UTC).

    `by_status`, `by_outcome` and `by_effect` count calls by name (the last only those that have one), `durations` those that told how long they took by bucket
    (apps.activity.rollups.histogram).
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="tool_hours")
    hour = models.DateTimeField()
    tool_name = models.TextField()
    mcp_server = models.TextField(blank=True, default="")
    calls = models.PositiveBigIntegerField()
    by_status = models.JSONField(default=dict)
    by_outcome = models.JSONField(default=dict)
    by_effect = models.JSONField(default=dict, db_default={})
    timed = models.PositiveBigIntegerField(default=0)
    duration_ms_sum = models.FloatField(default=0)
    durations = models.JSONField(default=dict)

    objects = OfAgent.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "hour", "tool_name", "mcp_server"], name="one_sum_of_a_tool_in_an_hour"
            )
        ]
        indexes = [models.Index(fields=["hour"], name="tool_hour_by_time")]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.hour:%Y-%m-%d %H}h: {self.calls}"


class ModelAnswer(models.Model):
    """One answer of a model, counted once: its id is its span's. Partitioned by RANGE (id), as spans are.

    The cost is what the client told, else tokens at the catalogue's price of that moment; None: nobody knows.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(
        Agent, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    provider = models.TextField(blank=True, default="")
    model = models.TextField()
    started_at = models.DateTimeField()
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_usd_micros = models.BigIntegerField(null=True)

    class Meta:
        db_table = "activity_answer"
        indexes = [models.Index(fields=["agent", "started_at"], name="answer_by_agent")]

    def __str__(self) -> str:
        return f"{self.model} {self.started_at:%Y-%m-%d %H:%M}"


class ModelHour(models.Model):
    """The answers of one model to one agent in one hour (UTC). `unpriced` answers have no known cost."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="model_hours")
    hour = models.DateTimeField()
    provider = models.TextField(blank=True, default="")
    model = models.TextField()
    answers = models.PositiveBigIntegerField()
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd_micros = models.BigIntegerField(default=0)
    unpriced = models.PositiveBigIntegerField(default=0)

    objects = OfAgent.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "hour", "provider", "model"], name="one_sum_of_a_model_in_an_hour"
            )
        ]
        indexes = [models.Index(fields=["hour"], name="model_hour_by_time")]

    def __str__(self) -> str:
        return f"{self.model} {self.hour:%Y-%m-%d %H}h: {self.answers}"


class RollupMark(models.Model):
    """An hour of an agent in which something changed since it was summed. Only ever added by who changes,
    only ever taken by who sums: a unique row would lose a change made while it is being taken."""

    class Of(models.TextChoices):
        CALLS = "calls", "Calls"
        ANSWERS = "answers", "Answers"

    of = models.CharField(max_length=8, choices=Of.choices)
    agent_id = models.UUIDField()
    hour = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["of", "agent_id", "hour"], name="rollup_mark_by_place")]

    def __str__(self) -> str:
        return f"{self.of} {self.agent_id} {self.hour:%Y-%m-%d %H}h"

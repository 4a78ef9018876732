"""Tool calls, each merged from everything that reported it, and the feed's counter.

Partitioned by day on their id, as spans are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, cast
from uuid import UUID

import orjson
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ids import new_id


class Outcome(models.TextChoices):
    """What a call came to. Pending: nobody knows yet whose it is."""

    PENDING = "pending", "Pending"
    ALLOWED = "allowed", "Allowed"
    FLAGGED = "flagged", "Flagged"
    ANOMALY = "anomaly", "Anomaly"
    VIOLATION = "violation", "Violation"
    BLOCKED = "blocked", "Blocked"


class Effect(models.TextChoices):
    """Whether what a call says it did was found to be so afterwards, by the read-back declared of its tool."""

    VERIFIED = "verified", "Verified"
    FAILED = "failed", "Did not happen"
    UNKNOWN = "unknown", "Not verified"


class ToolCallQuerySet(models.QuerySet["ToolCall"]):
    """Sets of tool calls."""

    def among(self, values: Iterable[Any], column: str = "id") -> Self:
        """Those with one of these values. One parameter for any number: IN has one for each, and its text is slow."""
        told = [f"activity_toolcall.{column} = ANY(%s)"]
        return cast("Self", self.extra(where=told, params=[list(values)]))  # noqa: S610

    def visible_to(self, actor: Principal) -> Self:
        """Calls of agents the actor may know of; those nobody knows the agent of, for whoever sees all."""
        return self if sees_every_call(actor) else self.filter(agent__in=Agent.objects.visible_to(actor))


FAILED = ("error",)  # the tool was called and did not do it; what was refused never ran
REFUSED = ("denied",)


def sees_every_call(actor: Principal) -> bool:
    """True for people and services that may know of every agent."""
    return actor.kind != Principal.Kind.AGENT and not Agent.objects.visible_to(actor).query.where


class ToolCall(models.Model):
    """One tool call by one agent, merged from everything that reported it.

    Partitioned by RANGE (id); `id` is made when it is first heard of. `position` comes from the single
    pipeline writer, without gaps in commit order; every change of a call gives it a new one.
    """

    class Status(models.TextChoices):
        OK = "ok", "Succeeded"
        ERROR = "error", "Failed"
        DENIED = "denied", "Denied"
        UNSET = "unset", "Unknown"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    position = models.BigIntegerField()
    agent = models.ForeignKey(
        Agent, on_delete=models.DO_NOTHING, null=True, related_name="calls", db_index=False
    )
    source_id = models.UUIDField()
    trace_id = models.BinaryField()
    span_id = models.BinaryField()
    parent_span_id = models.BinaryField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    duration_ms = models.FloatField(null=True)
    tool_name = models.TextField()
    mcp_server = models.TextField(blank=True, default="")
    call_id = models.TextField(blank=True, default="")
    conversation_id = models.TextField(blank=True, default="")
    service_name = models.TextField(blank=True, default="")
    agent_name = models.TextField(blank=True, default="")
    arguments = models.JSONField(null=True)
    result = models.JSONField(null=True)
    is_cut = models.BooleanField(default=False, help_text="Arguments or result were longer than is kept.")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.UNSET)
    ran = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Some report proves that the tool ran, so it was not refused.",
    )
    is_refused = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whoever stands at the call (a hook, the client library) reported that it refused it.",
    )
    missing_ancestor = models.BinaryField(
        default=b"",
        db_default=b"",
        help_text="Id of the span above that had not come when the call was last read.",
    )
    is_guess = models.BooleanField(
        default=False, db_default=False, help_text="Its agent was told without a span that was still to come."
    )
    is_bound = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its agent was told by its own credential, or declared by a reporter of its team.",
    )
    error_type = models.TextField(blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    request_model = models.TextField(blank=True, default="")
    response_model = models.TextField(blank=True, default="")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.PENDING)
    outcome_code = models.CharField(max_length=80, blank=True, default="")
    outcome_reason = models.TextField(blank=True, default="")
    judged_at = models.DateTimeField(null=True)
    verdicts = models.JSONField(
        default=dict, blank=True, help_text="What each judge said last: {judge: [outcome, reason, code]}."
    )
    sources = ArrayField(models.CharField(max_length=16), default=list)
    replaces = ArrayField(
        models.UUIDField(),
        null=True,
        help_text="Calls that were told as others before they proved to be this one: whoever shows them takes them away.",
    )
    effect = models.CharField(
        max_length=8, choices=Effect.choices, blank=True, default="", db_default="",
        help_text="Did it happen? Empty where nothing is declared, or nothing is known yet.",
    )  # fmt: skip

    objects = ToolCallQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-id"], name="call_by_agent"),
            models.Index(fields=["agent", "started_at"], name="call_by_agent_and_start"),
            models.Index(fields=["position"], name="call_by_position"),
            models.Index(fields=["call_id"], condition=~models.Q(call_id=""), name="call_by_call_id"),
            models.Index(
                fields=["missing_ancestor", "trace_id"],
                condition=~models.Q(missing_ancestor=b""),
                name="call_by_missing_ancestor",
            ),
            models.Index(
                fields=["agent", "judged_at"], condition=models.Q(outcome="violation"), name="call_violations"
            ),
            models.Index(
                fields=["effect", "-position"], condition=~models.Q(effect=""), name="call_by_effect"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.outcome}"

    @property
    def known_agent_id(self) -> UUID:
        """The agent's id of a call whose agent is known; a caller's mistake otherwise."""
        if self.agent_id is None:
            raise ValueError(f"nobody knows yet whose call {self.pk} is")
        return self.agent_id

    @property
    def arguments_text(self) -> str:
        """The arguments as people read them; '' when none were recorded."""
        return _pretty(self.arguments)

    @property
    def result_text(self) -> str:
        return _pretty(self.result)


def _pretty(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


class CallKey(models.Model):
    """Where a report of a call finds it: BLAKE2b-16 of (source, conversation, call id, tool), (source, span, tool) or
    (team or agent, conversation or trace, call id, tool).

    Also marks a model's answer as counted: BLAKE2b-16 of its span's id, which then stands for the call.
    """

    key = models.BinaryField(primary_key=True)
    call_id = models.UUIDField()

    class Meta:
        indexes = [
            models.Index(fields=["call_id"], name="call_key_by_call")
        ]  # the nightly retention deletes by it

    def __str__(self) -> str:
        return bytes(self.key).hex()


class FeedPosition(models.Model):
    """The feed's counter: one row, locked by whoever gives out positions."""

    last = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last)


class CallWords(models.Model):
    """The words of a call, for search; written behind the pipeline. Partitioned by RANGE (id), which is the call's.

    A table of its own: a call is written several times while it is joined and judged, its words once.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    words = SearchVectorField()

    class Meta:
        indexes = [GinIndex(fields=["words"], name="call_words")]

    def __str__(self) -> str:
        return str(self.id)


class WordsCursor(models.Model):
    """How far calls have been read for search, by feed position: one row, locked by whoever moves it."""

    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.position)

"""Telemetry as it came, and the outbox behind it.

Spans are partitioned by day on their id: ids begin with the time (apps.kit.ids), so the primary key alone
prunes partitions and refuses a retried event.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Resource(models.Model):
    """The attributes of who emitted (OTLP resource), stored once per content."""

    id = models.UUIDField(primary_key=True, help_text="The first 16 bytes of the content's BLAKE2b.")
    attributes = models.JSONField()
    first_seen = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.attributes.get("service.name", self.id))


class Span(models.Model):
    """A span, log record, metric, event or hook as it arrived, with what the dialect tables read out of it.

    Partitioned by RANGE (id). `attributes` keeps everything, known or not. Written by COPY at the ingest
    door, never changed.
    """

    class Signal(models.TextChoices):
        SPAN = "span", "Span"
        LOG = "log", "Log record"
        METRIC = "metric", "Metric"
        EVENT = "event", "Event"
        HOOK = "hook", "Hook"

    id = models.UUIDField(primary_key=True, editable=False)
    source_id = models.UUIDField()
    received_at = models.DateTimeField()
    signal = models.CharField(max_length=8, choices=Signal.choices)
    trace_id = models.BinaryField()
    span_id = models.BinaryField()
    parent_span_id = models.BinaryField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    name = models.TextField()
    scope_name = models.TextField()
    scope_version = models.TextField()
    dialect = models.TextField()
    kind = models.CharField(max_length=8)
    service_name = models.TextField()
    agent_name = models.TextField()
    declared_agent_id = models.TextField()
    tool_name = models.TextField()
    mcp_server = models.TextField()
    call_id = models.TextField()
    conversation_id = models.TextField()
    status = models.CharField(max_length=8)
    error_type = models.TextField()
    request_model = models.TextField()
    response_model = models.TextField()
    provider = models.TextField()
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    resource_id = models.UUIDField(null=True)
    attributes = models.JSONField()

    def __str__(self) -> str:
        return self.name


class OutboxItem(models.Model):
    """A committed batch whose spans still have to become calls and verdicts.

    One that fails is tried again at `try_after`, with growing pauses, and keeps only the spans at fault.
    `failed_at` is set when it was given up after `attempts`: it then waits for `manage.py retry_outbox`.
    """

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField()
    span_ids = ArrayField(models.UUIDField())
    attempts = models.PositiveSmallIntegerField(default=0)
    try_after = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        db_table = "activity_outbox"

    def __str__(self) -> str:
        return f"outbox {self.pk}"

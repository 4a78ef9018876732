"""Spans, calls and model answers cut by day on their ids; sums, behaviour, outcomes and retention."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import apps.kit.ids
from apps.kit.migrating import Together

SPANS = """
CREATE TABLE activity_span (
  id uuid NOT NULL PRIMARY KEY, source_id uuid NOT NULL, received_at timestamptz NOT NULL,
  signal varchar(8) NOT NULL, trace_id bytea NOT NULL, span_id bytea NOT NULL, parent_span_id bytea,
  started_at timestamptz NOT NULL, ended_at timestamptz, name text NOT NULL, scope_name text NOT NULL,
  scope_version text NOT NULL, dialect text NOT NULL, kind varchar(8) NOT NULL, service_name text NOT NULL,
  agent_name text NOT NULL, declared_agent_id text NOT NULL, tool_name text NOT NULL, mcp_server text NOT NULL,
  call_id text NOT NULL, conversation_id text NOT NULL, status varchar(8) NOT NULL, error_type text NOT NULL,
  request_model text NOT NULL, response_model text NOT NULL, provider text NOT NULL, input_tokens bigint,
  output_tokens bigint, resource_id uuid, attributes jsonb NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX span_by_trace ON activity_span (trace_id, span_id);
CREATE INDEX span_models ON activity_span (trace_id, id) WHERE kind = 'model';
CREATE TABLE activity_span_default PARTITION OF activity_span DEFAULT;
"""
CALLS = """
CREATE TABLE activity_toolcall (
  id uuid NOT NULL PRIMARY KEY, position bigint NOT NULL, source_id uuid NOT NULL, trace_id bytea NOT NULL,
  span_id bytea NOT NULL, parent_span_id bytea, started_at timestamptz NOT NULL, ended_at timestamptz,
  duration_ms double precision, tool_name text NOT NULL, mcp_server text NOT NULL, call_id text NOT NULL,
  conversation_id text NOT NULL, service_name text NOT NULL, agent_name text NOT NULL, arguments jsonb,
  result jsonb, is_cut boolean NOT NULL, status varchar(8) NOT NULL, error_type text NOT NULL,
  error_message text NOT NULL, request_model text NOT NULL, response_model text NOT NULL,
  outcome varchar(10) NOT NULL, outcome_code varchar(80) NOT NULL, outcome_reason text NOT NULL,
  judged_at timestamptz, sources varchar(16)[] NOT NULL,
  agent_id uuid REFERENCES agents_agent (id) DEFERRABLE INITIALLY DEFERRED,
  verdicts jsonb NOT NULL, ran boolean DEFAULT false NOT NULL, is_refused boolean DEFAULT false NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX call_by_agent ON activity_toolcall (agent_id, id DESC);
CREATE INDEX call_by_agent_and_start ON activity_toolcall (agent_id, started_at);
CREATE INDEX call_by_call_id ON activity_toolcall (call_id) WHERE NOT (call_id = '');
CREATE INDEX call_by_conversation ON activity_toolcall (conversation_id);
CREATE INDEX call_by_position ON activity_toolcall (position);
CREATE INDEX call_by_trace ON activity_toolcall (trace_id) WHERE outcome = 'pending';
CREATE INDEX call_violations ON activity_toolcall (agent_id, judged_at) WHERE outcome = 'violation';
CREATE TABLE activity_toolcall_default PARTITION OF activity_toolcall DEFAULT;
"""
ANSWERS = """
CREATE TABLE activity_answer (
  id uuid NOT NULL PRIMARY KEY, agent_id uuid NOT NULL, provider text NOT NULL, model text NOT NULL,
  started_at timestamptz NOT NULL, input_tokens bigint NOT NULL, output_tokens bigint NOT NULL,
  cost_usd_micros bigint
) PARTITION BY RANGE (id);
CREATE INDEX answer_by_agent ON activity_answer (agent_id, started_at);
CREATE TABLE activity_answer_default PARTITION OF activity_answer DEFAULT;
"""
WORDS = """
CREATE TABLE activity_callwords (id uuid NOT NULL PRIMARY KEY, words tsvector NOT NULL) PARTITION BY RANGE (id);
CREATE INDEX call_words ON activity_callwords USING gin (words);
CREATE TABLE activity_callwords_default PARTITION OF activity_callwords DEFAULT;
"""

TABLES = [
    migrations.CreateModel(
        name="FeedPosition",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("last", models.BigIntegerField(default=0)),
        ],
    ),
    migrations.CreateModel(
        name="CallKey",
        fields=[
            ("key", models.BinaryField(primary_key=True, serialize=False)),
            ("call_id", models.UUIDField()),
        ],
    ),
    migrations.CreateModel(
        name="OutboxItem",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("created_at", models.DateTimeField()),
            (
                "span_ids",
                django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None),
            ),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("failed_at", models.DateTimeField(null=True)),
            ("error", models.TextField(blank=True, default="")),
            ("try_after", models.DateTimeField(null=True)),
        ],
        options={
            "db_table": "activity_outbox",
        },
    ),
    migrations.CreateModel(
        name="Resource",
        fields=[
            (
                "id",
                models.UUIDField(
                    help_text="The first 16 bytes of the content's BLAKE2b.",
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("attributes", models.JSONField()),
            ("first_seen", models.DateTimeField()),
        ],
    ),
    migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                SPANS,
                "DROP TABLE activity_span",
            ),
        ],
        state_operations=[
            migrations.CreateModel(
                name="Span",
                fields=[
                    ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                    ("source_id", models.UUIDField()),
                    ("received_at", models.DateTimeField()),
                    (
                        "signal",
                        models.CharField(
                            choices=[
                                ("span", "Span"),
                                ("log", "Log record"),
                                ("metric", "Metric"),
                                ("event", "Event"),
                                ("hook", "Hook"),
                            ],
                            max_length=8,
                        ),
                    ),
                    ("trace_id", models.BinaryField()),
                    ("span_id", models.BinaryField()),
                    ("parent_span_id", models.BinaryField(null=True)),
                    ("started_at", models.DateTimeField()),
                    ("ended_at", models.DateTimeField(null=True)),
                    ("name", models.TextField()),
                    ("scope_name", models.TextField()),
                    ("scope_version", models.TextField()),
                    ("dialect", models.TextField()),
                    ("kind", models.CharField(max_length=8)),
                    ("service_name", models.TextField()),
                    ("agent_name", models.TextField()),
                    ("declared_agent_id", models.TextField()),
                    ("tool_name", models.TextField()),
                    ("mcp_server", models.TextField()),
                    ("call_id", models.TextField()),
                    ("conversation_id", models.TextField()),
                    ("status", models.CharField(max_length=8)),
                    ("error_type", models.TextField()),
                    ("request_model", models.TextField()),
                    ("response_model", models.TextField()),
                    ("provider", models.TextField()),
                    ("input_tokens", models.BigIntegerField(null=True)),
                    ("output_tokens", models.BigIntegerField(null=True)),
                    ("resource_id", models.UUIDField(null=True)),
                    ("attributes", models.JSONField()),
                ],
            ),
        ],
    ),
    migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                CALLS,
                "DROP TABLE activity_toolcall",
            ),
        ],
        state_operations=[
            migrations.CreateModel(
                name="ToolCall",
                fields=[
                    (
                        "id",
                        models.UUIDField(
                            default=apps.kit.ids.new_id,
                            editable=False,
                            primary_key=True,
                            serialize=False,
                        ),
                    ),
                    ("position", models.BigIntegerField()),
                    ("source_id", models.UUIDField()),
                    ("trace_id", models.BinaryField()),
                    ("span_id", models.BinaryField()),
                    ("parent_span_id", models.BinaryField(null=True)),
                    ("started_at", models.DateTimeField()),
                    ("ended_at", models.DateTimeField(null=True)),
                    ("duration_ms", models.FloatField(null=True)),
                    ("tool_name", models.TextField()),
                    ("mcp_server", models.TextField(blank=True, default="")),
                    ("call_id", models.TextField(blank=True, default="")),
                    ("conversation_id", models.TextField(blank=True, default="")),
                    ("service_name", models.TextField(blank=True, default="")),
                    ("agent_name", models.TextField(blank=True, default="")),
                    ("arguments", models.JSONField(null=True)),
                    ("result", models.JSONField(null=True)),
                    (
                        "is_cut",
                        models.BooleanField(
                            default=False,
                            help_text="Arguments or result were longer than is kept.",
                        ),
                    ),
                    (
                        "status",
                        models.CharField(
                            choices=[
                                ("ok", "Succeeded"),
                                ("error", "Failed"),
                                ("denied", "Denied"),
                                ("unset", "Unknown"),
                            ],
                            default="unset",
                            max_length=8,
                        ),
                    ),
                    ("error_type", models.TextField(blank=True, default="")),
                    ("error_message", models.TextField(blank=True, default="")),
                    ("request_model", models.TextField(blank=True, default="")),
                    ("response_model", models.TextField(blank=True, default="")),
                    (
                        "outcome",
                        models.CharField(
                            choices=[
                                ("pending", "Pending"),
                                ("allowed", "Allowed"),
                                ("flagged", "Flagged"),
                                ("anomaly", "Anomaly"),
                                ("violation", "Violation"),
                                ("blocked", "Blocked"),
                            ],
                            default="pending",
                            max_length=10,
                        ),
                    ),
                    ("outcome_code", models.CharField(blank=True, default="", max_length=80)),
                    ("outcome_reason", models.TextField(blank=True, default="")),
                    ("judged_at", models.DateTimeField(null=True)),
                    (
                        "sources",
                        django.contrib.postgres.fields.ArrayField(
                            base_field=models.CharField(max_length=16), default=list, size=None
                        ),
                    ),
                    (
                        "agent",
                        models.ForeignKey(
                            db_index=False,
                            null=True,
                            on_delete=django.db.models.deletion.DO_NOTHING,
                            related_name="calls",
                            to="agents.agent",
                        ),
                    ),
                    (
                        "verdicts",
                        models.JSONField(
                            blank=True,
                            default=dict,
                            help_text="What each judge said last: {judge: [outcome, reason, code]}.",
                        ),
                    ),
                    (
                        "ran",
                        models.BooleanField(
                            db_default=False,
                            default=False,
                            help_text="Some report proves that the tool ran, so it was not refused.",
                        ),
                    ),
                    (
                        "is_refused",
                        models.BooleanField(
                            db_default=False,
                            default=False,
                            help_text="Whoever stands at the call (a hook, the client library) reported that it refused it.",
                        ),
                    ),
                ],
                options={
                    "ordering": ["-id"],
                    "indexes": [
                        models.Index(fields=["agent", "-id"], name="call_by_agent"),
                        models.Index(fields=["position"], name="call_by_position"),
                        models.Index(
                            condition=models.Q(("outcome", "violation")),
                            fields=["agent", "judged_at"],
                            name="call_violations",
                        ),
                        models.Index(
                            condition=models.Q(("call_id", ""), _negated=True),
                            fields=["call_id"],
                            name="call_by_call_id",
                        ),
                        models.Index(fields=["agent", "started_at"], name="call_by_agent_and_start"),
                    ],
                },
            ),
        ],
    ),
    migrations.CreateModel(
        name="BehaviourCursor",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("position", models.BigIntegerField(default=0)),
        ],
    ),
    migrations.CreateModel(
        name="Baseline",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("environment", models.CharField(blank=True, max_length=12)),
            (
                "kind",
                models.CharField(
                    choices=[("rolling", "Rolling"), ("certified", "Certified")],
                    default="rolling",
                    max_length=10,
                ),
            ),
            ("profile", models.JSONField(default=dict)),
            ("calls", models.PositiveBigIntegerField(default=0)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("frozen_at", models.DateTimeField(null=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="baselines",
                    to="agents.agent",
                ),
            ),
            (
                "began_with",
                models.ForeignKey(
                    blank=True,
                    help_text="The version whose calls it began with, at half their weight.",
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="agents.agentversion",
                ),
            ),
            (
                "frozen_by",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "version",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="baselines",
                    to="agents.agentversion",
                ),
            ),
        ],
        options={
            "ordering": ["-updated_at"],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("kind", "rolling")),
                    fields=("agent", "version", "environment"),
                    name="one_rolling_baseline",
                    nulls_distinct=False,
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Alert",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("detector", models.CharField(max_length=24)),
            ("cause", models.CharField(max_length=500)),
            (
                "severity",
                models.CharField(
                    choices=[
                        ("low", "Low"),
                        ("medium", "Medium"),
                        ("high", "High"),
                        ("critical", "Critical"),
                    ],
                    max_length=10,
                ),
            ),
            ("reason", models.TextField()),
            ("score", models.FloatField()),
            ("calls", models.PositiveIntegerField(default=0)),
            ("first_call", models.UUIDField(null=True)),
            ("last_call", models.UUIDField(null=True)),
            ("first_at", models.DateTimeField()),
            ("last_at", models.DateTimeField()),
            (
                "state",
                models.CharField(
                    choices=[
                        ("open", "Open"),
                        ("snoozed", "Snoozed"),
                        ("fine", "Was fine"),
                        ("confirmed", "Was wrong"),
                    ],
                    default="open",
                    max_length=10,
                ),
            ),
            ("snoozed_until", models.DateTimeField(blank=True, null=True)),
            ("answered_at", models.DateTimeField(null=True)),
            ("answer", models.TextField(blank=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="alerts",
                    to="agents.agent",
                ),
            ),
            (
                "answered_by",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "baseline",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="alerts",
                    to="activity.baseline",
                ),
            ),
        ],
        options={
            "ordering": ["-last_at", "-id"],
            "indexes": [models.Index(fields=["-last_at", "-id"], name="alert_by_time")],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("state__in", ["open", "snoozed"])),
                    fields=("agent", "cause"),
                    name="one_unanswered_alert_of_a_cause",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="CallScore",
        fields=[
            ("call_id", models.UUIDField(primary_key=True, serialize=False)),
            ("score", models.FloatField()),
            ("bar", models.FloatField()),
            ("causes", models.JSONField(default=list)),
            ("scored_at", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="agents.agent",
                ),
            ),
            (
                "alert",
                models.ForeignKey(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="scores",
                    to="activity.alert",
                ),
            ),
        ],
    ),
    migrations.CreateModel(
        name="DetectorSetting",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("detector", models.CharField(blank=True, max_length=24)),
            ("is_on", models.BooleanField(null=True)),
            ("rate", models.FloatField(null=True)),
            ("least_calls", models.PositiveIntegerField(null=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "agent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="detector_settings",
                    to="agents.agent",
                ),
            ),
            (
                "updated_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("agent", "detector"),
                    name="one_setting_of_a_detector",
                    nulls_distinct=False,
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="RunOpinion",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("conversation_id", models.TextField(db_index=True)),
            ("asked_at", models.DateTimeField()),
            ("model", models.CharField(max_length=200)),
            ("words", models.TextField()),
            ("steps_shown", models.PositiveIntegerField()),
            (
                "agent_ids",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.UUIDField(), default=list, size=None
                ),
            ),
            ("saw_unknown", models.BooleanField(default=False)),
            (
                "asked_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
        },
    ),
    migrations.CreateModel(
        name="OutcomeCursor",
        fields=[
            ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
            ("position", models.BigIntegerField(default=0)),
            ("at", models.DateTimeField(null=True)),
        ],
    ),
    migrations.CreateModel(
        name="OutcomeNote",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("span_id", models.UUIDField()),
            ("noted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("failed_at", models.DateTimeField(null=True)),
            ("error", models.TextField(blank=True, default="")),
        ],
    ),
    migrations.CreateModel(
        name="ExternalEvent",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("label", models.CharField(max_length=80)),
            ("on", models.DateField()),
            ("reason", models.TextField()),
            ("noted_at", models.DateTimeField(default=django.utils.timezone.now)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="external_events",
                    to="agents.agent",
                ),
            ),
            (
                "noted_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["on", "noted_at"],
        },
    ),
    migrations.CreateModel(
        name="OutcomeRules",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "handover_tools",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=255),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("repeat_days", models.PositiveSmallIntegerField(default=7)),
            ("abandoned_hours", models.PositiveSmallIntegerField(default=24)),
            (
                "agent",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="outcome_rules",
                    to="agents.agent",
                ),
            ),
        ],
    ),
    migrations.CreateModel(
        name="OutcomeWatch",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("measure", models.CharField(max_length=20)),
            ("since", models.DateTimeField(null=True)),
            ("level", models.FloatField(null=True)),
            ("runs", models.PositiveIntegerField(default=0)),
            ("usual", models.FloatField(null=True)),
            ("fell_at", models.DateTimeField(null=True)),
            ("told_at", models.DateTimeField(null=True)),
            ("sentence", models.CharField(blank=True, max_length=300)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="outcome_watches",
                    to="agents.agent",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(
                    condition=models.Q(("fell_at__isnull", False)),
                    fields=["-fell_at"],
                    name="outcome_watch_fallen",
                )
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"), models.F("measure"), name="measure_is_watched_once"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="RunOutcome",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("conversation_id", models.CharField(max_length=255)),
            ("at", models.DateTimeField()),
            ("fingerprint", models.CharField(blank=True, max_length=64)),
            ("segment", models.CharField(blank=True, max_length=80)),
            (
                "contact",
                models.CharField(
                    blank=True,
                    help_text="Whoever was served, as the reporter calls them.",
                    max_length=255,
                ),
            ),
            ("resolved", models.BooleanField(null=True)),
            ("escalated", models.BooleanField(null=True)),
            (
                "escalation_due",
                models.BooleanField(help_text="Should it have been handed to a person?", null=True),
            ),
            ("abandoned", models.BooleanField(null=True)),
            ("repeated", models.BooleanField(help_text="The same contact came back.", null=True)),
            ("reopened", models.BooleanField(null=True)),
            (
                "rating",
                models.FloatField(help_text="Trust or rating of whoever was served, 0 to 1.", null=True),
            ),
            ("value", models.DecimalField(decimal_places=6, max_digits=18, null=True)),
            ("cost", models.DecimalField(decimal_places=6, max_digits=18, null=True)),
            ("currency", models.CharField(blank=True, max_length=3)),
            ("told", models.JSONField(default=dict)),
            ("changed_at", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="outcomes",
                    to="agents.agent",
                ),
            ),
            (
                "version",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="+",
                    to="agents.agentversion",
                ),
            ),
        ],
        options={
            "ordering": ["-at", "-id"],
            "indexes": [
                models.Index(fields=["agent", "-at", "-id"], name="outcome_by_agent"),
                models.Index(fields=["changed_at"], name="outcome_by_change"),
                models.Index(
                    condition=models.Q(("contact", ""), _negated=True),
                    fields=["agent", "contact", "at"],
                    name="outcome_by_contact",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"), models.F("conversation_id"), name="run_has_one_outcome"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("rating", None),
                        models.Q(("rating__gte", 0), ("rating__lte", 1)),
                        _connector="OR",
                    ),
                    name="rating_is_between_0_and_1",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ArchiveFile",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("table", models.CharField(max_length=63)),
            ("day", models.DateField()),
            ("name", models.CharField(max_length=200)),
            ("rows", models.PositiveBigIntegerField()),
            ("size", models.PositiveBigIntegerField()),
            ("sha256", models.CharField(max_length=64)),
            ("written_at", models.DateTimeField()),
            (
                "replaced_by",
                models.OneToOneField(
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="replaces",
                    to="activity.archivefile",
                ),
            ),
        ],
        options={
            "ordering": ["-day", "table", "-written_at"],
            "indexes": [models.Index(fields=["table", "day"], name="archive_by_day")],
        },
    ),
    migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                WORDS,
                "DROP TABLE activity_callwords",
            ),
        ],
        state_operations=[
            migrations.CreateModel(
                name="CallWords",
                fields=[
                    ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                    ("words", django.contrib.postgres.search.SearchVectorField()),
                ],
                options={
                    "indexes": [
                        django.contrib.postgres.indexes.GinIndex(fields=["words"], name="call_words")
                    ],
                },
            ),
        ],
    ),
    migrations.CreateModel(
        name="GoneDay",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("table", models.CharField(max_length=63)),
            ("day", models.DateField()),
            ("rows", models.PositiveBigIntegerField()),
            ("gone_at", models.DateTimeField(auto_now_add=True)),
            (
                "file",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="activity.archivefile",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["table", "-day"], name="gone_by_day")],
        },
    ),
    migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                ANSWERS,
                "DROP TABLE activity_answer",
            ),
        ],
        state_operations=[
            migrations.CreateModel(
                name="ModelAnswer",
                fields=[
                    (
                        "id",
                        models.UUIDField(
                            default=apps.kit.ids.new_id,
                            editable=False,
                            primary_key=True,
                            serialize=False,
                        ),
                    ),
                    ("provider", models.TextField(blank=True, default="")),
                    ("model", models.TextField()),
                    ("started_at", models.DateTimeField()),
                    ("input_tokens", models.BigIntegerField(default=0)),
                    ("output_tokens", models.BigIntegerField(default=0)),
                    ("cost_usd_micros", models.BigIntegerField(null=True)),
                    (
                        "agent",
                        models.ForeignKey(
                            db_constraint=False,
                            db_index=False,
                            on_delete=django.db.models.deletion.DO_NOTHING,
                            related_name="+",
                            to="agents.agent",
                        ),
                    ),
                ],
                options={
                    "db_table": "activity_answer",
                    "indexes": [models.Index(fields=["agent", "started_at"], name="answer_by_agent")],
                },
            ),
        ],
    ),
    migrations.CreateModel(
        name="ModelHour",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("hour", models.DateTimeField()),
            ("provider", models.TextField(blank=True, default="")),
            ("model", models.TextField()),
            ("answers", models.PositiveBigIntegerField()),
            ("input_tokens", models.PositiveBigIntegerField(default=0)),
            ("output_tokens", models.PositiveBigIntegerField(default=0)),
            ("cost_usd_micros", models.BigIntegerField(default=0)),
            ("unpriced", models.PositiveBigIntegerField(default=0)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="model_hours",
                    to="agents.agent",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["hour"], name="model_hour_by_time")],
            "constraints": [
                models.UniqueConstraint(
                    fields=("agent", "hour", "provider", "model"),
                    name="one_sum_of_a_model_in_an_hour",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="RetentionRule",
        fields=[
            (
                "of",
                models.CharField(
                    choices=[
                        ("spans", "Spans and log records as they came"),
                        ("content", "Arguments and results of calls"),
                        ("calls", "Calls and model answers"),
                    ],
                    max_length=8,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("days", models.PositiveIntegerField(null=True)),
            (
                "is_archived",
                models.BooleanField(
                    default=False,
                    help_text="Written to Parquet before it is deleted, spans and calls only.",
                ),
            ),
            ("done_before", models.DateTimeField(null=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "updated_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
    ),
    migrations.CreateModel(
        name="RollupMark",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "of",
                models.CharField(choices=[("calls", "Calls"), ("answers", "Answers")], max_length=8),
            ),
            ("agent_id", models.UUIDField()),
            ("hour", models.DateTimeField()),
        ],
        options={
            "indexes": [models.Index(fields=["of", "agent_id", "hour"], name="rollup_mark_by_place")],
        },
    ),
    migrations.CreateModel(
        name="ToolHour",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("hour", models.DateTimeField()),
            ("tool_name", models.TextField()),
            ("mcp_server", models.TextField(blank=True, default="")),
            ("calls", models.PositiveBigIntegerField()),
            ("by_status", models.JSONField(default=dict)),
            ("by_outcome", models.JSONField(default=dict)),
            ("timed", models.PositiveBigIntegerField(default=0)),
            ("duration_ms_sum", models.FloatField(default=0)),
            ("durations", models.JSONField(default=dict)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="tool_hours",
                    to="agents.agent",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["hour"], name="tool_hour_by_time")],
            "constraints": [
                models.UniqueConstraint(
                    fields=("agent", "hour", "tool_name", "mcp_server"),
                    name="one_sum_of_a_tool_in_an_hour",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="WordsCursor",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("position", models.BigIntegerField(default=0)),
        ],
    ),
    migrations.CreateModel(
        name="ContentPolicy",
        fields=[
            ("number", models.PositiveIntegerField(primary_key=True, serialize=False)),
            (
                "default",
                models.CharField(
                    choices=[
                        ("full", "Full"),
                        ("redacted", "Redacted"),
                        ("hashed", "Hashed"),
                        ("none", "Not at all"),
                    ],
                    default="full",
                    max_length=8,
                ),
            ),
            ("rules", models.JSONField(default=list)),
            ("reason", models.TextField()),
            ("set_at", models.DateTimeField(auto_now_add=True)),
            (
                "set_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["-number"],
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("activity", "0004_outbox_retries"),
        ("activity", "0005_verdicts_by_judge"),
        ("activity", "0006_lookups"),
        ("activity", "0007_call_ran"),
        ("activity", "0008_further_ways"),
        ("activity", "0009_behaviour"),
        ("activity", "0010_run_opinions"),
        ("activity", "0011_outcomes"),
        ("activity", "0012_the_store"),
    ]
    dependencies = [
        ("agents", "0002_revisions_and_risk_policy"),
        ("identity", "0002_ledger_rights"),
    ]
    operations = [
        Together(TABLES),
    ]

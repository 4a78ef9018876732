"""Sums by the hour, model answers, words for search, retention with its archive."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

import apps.kit.ids

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
# The application owns no table: it may drop a day that is over, of a table that is cut by days, and nothing else.
DROP_DAY = """
CREATE FUNCTION activity_drop_day(parent text, day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE part text := format('%s_p%s', parent, to_char(day, 'YYYYMMDD'));
BEGIN
  IF NOT EXISTS (SELECT FROM activity_partitioned_tables WHERE name = parent AND name LIKE 'activity\\_%') THEN
    RAISE EXCEPTION 'there are no days of %', parent USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF day >= (now() AT TIME ZONE 'UTC')::date - 1 THEN
    RAISE EXCEPTION 'the day % is not over', day USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF to_regclass('public.' || quote_ident(part)) IS NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('DROP TABLE public.%I', part);
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION activity_drop_day(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_drop_day(text, date) TO chancery_app;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0011_outcomes"),
        ("agents", "0019_model_prices"),
        ("identity", "0008_deliveries_by_endpoint"),
    ]

    operations = [
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
            ],
            options={
                "ordering": ["-day", "table", "-written_at"],
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(WORDS, "DROP TABLE activity_callwords")],
            state_operations=[
                migrations.CreateModel(
                    name="CallWords",
                    fields=[
                        ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                        ("words", django.contrib.postgres.search.SearchVectorField()),
                    ],
                ),
                migrations.AddIndex(
                    model_name="callwords",
                    index=django.contrib.postgres.indexes.GinIndex(fields=["words"], name="call_words"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="GoneDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("table", models.CharField(max_length=63)),
                ("day", models.DateField()),
                ("rows", models.PositiveBigIntegerField()),
                ("gone_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(ANSWERS, "DROP TABLE activity_answer")],
            state_operations=[
                migrations.CreateModel(
                    name="ModelAnswer",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("provider", models.TextField(blank=True, default="")),
                        ("model", models.TextField()),
                        ("started_at", models.DateTimeField()),
                        ("input_tokens", models.BigIntegerField(default=0)),
                        ("output_tokens", models.BigIntegerField(default=0)),
                        ("cost_usd_micros", models.BigIntegerField(null=True)),
                    ],
                    options={
                        "db_table": "activity_answer",
                    },
                ),
                migrations.AddField(
                    model_name="modelanswer",
                    name="agent",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="agents.agent",
                    ),
                ),
                migrations.AddIndex(
                    model_name="modelanswer",
                    index=models.Index(fields=["agent", "started_at"], name="answer_by_agent"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ModelHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("provider", models.TextField(blank=True, default="")),
                ("model", models.TextField()),
                ("answers", models.PositiveBigIntegerField()),
                ("input_tokens", models.PositiveBigIntegerField(default=0)),
                ("output_tokens", models.PositiveBigIntegerField(default=0)),
                ("cost_usd_micros", models.BigIntegerField(default=0)),
                ("unpriced", models.PositiveBigIntegerField(default=0)),
            ],
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
            ],
        ),
        migrations.CreateModel(
            name="RollupMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("of", models.CharField(choices=[("calls", "Calls"), ("answers", "Answers")], max_length=8)),
                ("agent_id", models.UUIDField()),
                ("hour", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ToolHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
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
            ],
        ),
        migrations.AddIndex(
            model_name="toolcall",
            index=models.Index(fields=["agent", "started_at"], name="call_by_agent_and_start"),
        ),
        migrations.AddField(
            model_name="archivefile",
            name="replaced_by",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaces",
                to="activity.archivefile",
            ),
        ),
        migrations.AddField(
            model_name="goneday",
            name="file",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="activity.archivefile",
            ),
        ),
        migrations.AddField(
            model_name="modelhour",
            name="agent",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="model_hours", to="agents.agent"
            ),
        ),
        migrations.AddField(
            model_name="retentionrule",
            name="updated_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.principal"
            ),
        ),
        migrations.AddIndex(
            model_name="rollupmark",
            index=models.Index(fields=["of", "agent_id", "hour"], name="rollup_mark_by_place"),
        ),
        migrations.AddField(
            model_name="toolhour",
            name="agent",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="tool_hours", to="agents.agent"
            ),
        ),
        migrations.AddIndex(
            model_name="archivefile",
            index=models.Index(fields=["table", "day"], name="archive_by_day"),
        ),
        migrations.AddIndex(
            model_name="goneday",
            index=models.Index(fields=["table", "-day"], name="gone_by_day"),
        ),
        migrations.AddIndex(
            model_name="modelhour",
            index=models.Index(fields=["hour"], name="model_hour_by_time"),
        ),
        migrations.AddConstraint(
            model_name="modelhour",
            constraint=models.UniqueConstraint(
                fields=("agent", "hour", "provider", "model"), name="one_sum_of_a_model_in_an_hour"
            ),
        ),
        migrations.AddIndex(
            model_name="toolhour",
            index=models.Index(fields=["hour"], name="tool_hour_by_time"),
        ),
        migrations.AddConstraint(
            model_name="toolhour",
            constraint=models.UniqueConstraint(
                fields=("agent", "hour", "tool_name", "mcp_server"), name="one_sum_of_a_tool_in_an_hour"
            ),
        ),
        migrations.CreateModel(
            name="WordsCursor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.RunSQL("INSERT INTO activity_wordscursor (position) VALUES (0)", migrations.RunSQL.noop),
        migrations.RunSQL(DROP_DAY, "DROP FUNCTION activity_drop_day(text, date)"),
        migrations.RunSQL("SELECT activity_create_partitions(14)", migrations.RunSQL.noop),
    ]

"""Tool policies, decisions cut by day on their ids, breaker trips."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import apps.kit.ids
from apps.kit.migrating import Together

DECISIONS = """
CREATE TABLE oversight_decision (
  id uuid NOT NULL, tool_name varchar(520) NOT NULL, operation varchar(120) NOT NULL, call_id varchar(255) NOT NULL,
  conversation_id varchar(255) NOT NULL, outcome varchar(10) NOT NULL, code varchar(80) NOT NULL, reason text NOT NULL,
  policy_version integer CHECK (policy_version >= 0), decided_at timestamptz NOT NULL,
  agent_id uuid NOT NULL REFERENCES agents_agent (id) DEFERRABLE INITIALLY DEFERRED,
  asked_by_id uuid NOT NULL REFERENCES identity_principal (id) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT oversight_decision_key PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE oversight_decision_default PARTITION OF oversight_decision DEFAULT;
CREATE INDEX decision_by_agent ON oversight_decision (agent_id, id DESC);
CREATE INDEX decision_by_asker ON oversight_decision (asked_by_id);
CREATE INDEX decision_by_call_id ON oversight_decision (call_id) WHERE NOT (call_id = '');
"""

TABLES = [
    migrations.CreateModel(
        name="ToolPolicy",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "allowed_tools",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=520),
                    default=list,
                    null=True,
                    size=None,
                ),
            ),
            ("version", models.PositiveIntegerField(default=1)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "agent",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="tool_policy",
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
            (
                "through",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="given",
                    to="oversight.blueprintpolicy",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "tool policies",
        },
    ),
    migrations.CreateModel(
        name="BreakerTrip",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "cause",
                models.CharField(
                    choices=[
                        ("violations", "Violations over the limit"),
                        ("person", "Stopped by a person"),
                    ],
                    max_length=12,
                ),
            ),
            ("reason", models.TextField()),
            ("violations", models.PositiveIntegerField(default=0)),
            ("threshold", models.PositiveIntegerField(null=True)),
            ("window_s", models.PositiveIntegerField(null=True)),
            (
                "call_ids",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.UUIDField(), default=list, size=None
                ),
            ),
            ("tripped_at", models.DateTimeField()),
            ("reset_at", models.DateTimeField(blank=True, null=True)),
            ("reset_reason", models.TextField(blank=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="breaker_trips",
                    to="agents.agent",
                ),
            ),
            (
                "reset_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "tripped_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["-tripped_at"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    condition=models.Q(("reset_at", None)),
                    name="breaker_trips_once_until_reset",
                )
            ],
        },
    ),
    migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                DECISIONS,
                "DROP TABLE oversight_decision",
            ),
        ],
        state_operations=[
            migrations.CreateModel(
                name="Decision",
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
                    ("tool_name", models.CharField(max_length=520)),
                    ("operation", models.CharField(blank=True, max_length=120)),
                    ("call_id", models.CharField(blank=True, max_length=255)),
                    ("conversation_id", models.CharField(blank=True, max_length=255)),
                    (
                        "outcome",
                        models.CharField(
                            choices=[
                                ("allow", "Allowed"),
                                ("deny", "Denied"),
                                ("ask", "Held for a person"),
                                ("notify", "Allowed, a person is told"),
                            ],
                            max_length=10,
                        ),
                    ),
                    ("code", models.CharField(max_length=80)),
                    ("reason", models.TextField()),
                    ("policy_version", models.PositiveIntegerField(null=True)),
                    ("decided_at", models.DateTimeField()),
                    (
                        "agent",
                        models.ForeignKey(
                            on_delete=django.db.models.deletion.CASCADE,
                            related_name="decisions",
                            to="agents.agent",
                        ),
                    ),
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
                    "indexes": [
                        models.Index(fields=["agent", "-id"], name="decision_by_agent"),
                        models.Index(
                            condition=models.Q(("call_id", ""), _negated=True),
                            fields=["call_id"],
                            name="decision_by_call_id",
                        ),
                    ],
                },
            ),
        ],
    ),
    migrations.CreateModel(
        name="BlueprintPolicy",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "allowed_tools",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=520),
                    default=list,
                    null=True,
                    size=None,
                ),
            ),
            ("version", models.PositiveIntegerField(default=1)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "blueprint",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="tool_policy",
                    to="agents.blueprint",
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
            "verbose_name_plural": "blueprint policies",
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("oversight", "0002_decisions_by_day"),
        ("oversight", "0003_tools_with_their_servers"),
        ("oversight", "0004_blueprints"),
        ("oversight", "0005_decisions_by_call"),
    ]
    dependencies = [
        ("activity", "0002_partitions"),
        ("agents", "0002_revisions_and_risk_policy"),
        ("identity", "0002_ledger_rights"),
    ]
    operations = [
        Together(TABLES),
        migrations.RunSQL("SELECT activity_create_partitions(14)", migrations.RunSQL.noop),
    ]

"""Kill switches, limits of the breaker, enforcement points with their orders and answers, drills."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import apps.kit.ids
from apps.kit.migrating import Together

TABLES = [
    migrations.CreateModel(
        name="KillSwitch",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "scope",
                models.CharField(
                    choices=[
                        ("fleet", "The whole fleet"),
                        ("team", "A team"),
                        ("tool", "A tool"),
                        ("model", "A model"),
                    ],
                    max_length=8,
                ),
            ),
            ("target", models.CharField(blank=True, max_length=520)),
            ("reason", models.TextField()),
            ("pulled_at", models.DateTimeField()),
            ("released_at", models.DateTimeField(blank=True, null=True)),
            ("release_reason", models.TextField(blank=True)),
            ("corrective_action", models.CharField(blank=True, max_length=300)),
            (
                "pulled_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.principal"
                ),
            ),
            (
                "released_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="kill_switches",
                    to="identity.team",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "kill switches",
            "ordering": ["-pulled_at"],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("released_at", None)),
                    fields=("scope", "team", "target"),
                    name="kill_switch_is_pulled_once",
                    nulls_distinct=False,
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("scope", "team"), ("team__isnull", False)),
                        models.Q(models.Q(("scope", "team"), _negated=True), ("team", None)),
                        _connector="OR",
                    ),
                    name="kill_switch_of_a_team_names_it",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("scope__in", ["fleet", "team"]), ("target", "")),
                        models.Q(("scope__in", ["tool", "model"]), models.Q(("target", ""), _negated=True)),
                        _connector="OR",
                    ),
                    name="kill_switch_names_its_target",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="EnforcementPoint",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=120)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("decision_api", "Decision API"),
                        ("credentials", "Credentials"),
                        ("gateway", "MCP gateway"),
                        ("proxy", "LLM proxy"),
                        ("hook", "Hook"),
                        ("sdk", "Client library"),
                    ],
                    max_length=14,
                ),
            ),
            ("bundle", models.CharField(blank=True, max_length=120)),
            ("lease_s", models.PositiveIntegerField(default=30)),
            ("first_seen_at", models.DateTimeField()),
            ("last_seen_at", models.DateTimeField()),
            (
                "principal",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="points",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["kind", "name"],
            "indexes": [models.Index(fields=["last_seen_at"], name="point_by_last_seen")],
            "constraints": [
                models.UniqueConstraint(models.F("principal"), models.F("name"), name="point_is_known_once")
            ],
        },
    ),
    migrations.CreateModel(
        name="ContainmentOrder",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("seq", models.BigIntegerField(null=True, unique=True)),
            (
                "kind",
                models.CharField(
                    choices=[("stop", "Stop"), ("resume", "Resume"), ("drill", "Drill")], max_length=8
                ),
            ),
            (
                "scope",
                models.CharField(
                    choices=[
                        ("agent", "Agent"),
                        ("team", "Team"),
                        ("tool", "Tool"),
                        ("model", "Model"),
                        ("fleet", "Fleet"),
                    ],
                    max_length=8,
                ),
            ),
            ("target", models.CharField(blank=True, max_length=520)),
            ("reason", models.TextField()),
            ("at", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="orders",
                    to="agents.agent",
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.team",
                ),
            ),
            (
                "trip",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="orders",
                    to="oversight.breakertrip",
                ),
            ),
            (
                "switch",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="orders",
                    to="oversight.killswitch",
                ),
            ),
        ],
        options={
            "ordering": ["-at"],
            "indexes": [
                models.Index(condition=models.Q(("seq", None)), fields=["at"], name="order_without_number"),
                models.Index(fields=["agent", "-at"], name="order_by_agent"),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("scope", "agent"), ("agent__isnull", False)),
                        models.Q(models.Q(("scope", "agent"), _negated=True), ("agent", None)),
                        _connector="OR",
                    ),
                    name="order_of_an_agent_names_it",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Acknowledgement",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("at", models.DateTimeField()),
            (
                "order",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="acknowledgements",
                    to="oversight.containmentorder",
                ),
            ),
            (
                "point",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="acknowledgements",
                    to="oversight.enforcementpoint",
                ),
            ),
        ],
        options={
            "ordering": ["at"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("order"), models.F("point"), name="order_is_acknowledged_once"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Drill",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("state", models.CharField(max_length=20)),
            ("reason", models.TextField(blank=True)),
            ("limit_s", models.FloatField(default=1.0)),
            ("started_at", models.DateTimeField()),
            ("finished_at", models.DateTimeField(blank=True, null=True)),
            ("passed", models.BooleanField(null=True)),
            ("results", models.JSONField(default=list)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="drills", to="agents.agent"
                ),
            ),
            (
                "order",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="drill",
                    to="oversight.containmentorder",
                ),
            ),
            (
                "started_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.principal"
                ),
            ),
        ],
        options={
            "ordering": ["-started_at"],
            "indexes": [
                models.Index(fields=["agent", "-started_at"], name="drill_by_agent"),
                models.Index(
                    condition=models.Q(("finished_at", None)), fields=["started_at"], name="drill_running"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="BreakerRule",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("tier", models.PositiveSmallIntegerField(blank=True, null=True)),
            (
                "cause",
                models.CharField(
                    choices=[
                        ("violations", "Violations over the limit"),
                        ("anomalies", "Anomalies over the limit"),
                        ("denials", "Denied calls over the limit"),
                        ("errors", "Failed calls over the limit"),
                        ("spend", "Spend over the limit"),
                        ("outcomes", "Outcomes got worse"),
                        ("trial", "Violation on trial"),
                        ("person", "Stopped by a person"),
                    ],
                    max_length=12,
                ),
            ),
            ("is_on", models.BooleanField(default=True)),
            (
                "threshold",
                models.PositiveIntegerField(
                    validators=[
                        django.core.validators.MinValueValidator(1),
                        django.core.validators.MaxValueValidator(1000000),
                    ]
                ),
            ),
            (
                "window_s",
                models.PositiveIntegerField(
                    validators=[
                        django.core.validators.MinValueValidator(10),
                        django.core.validators.MaxValueValidator(604800),
                    ]
                ),
            ),
            (
                "share_percent",
                models.PositiveSmallIntegerField(
                    blank=True,
                    null=True,
                    validators=[
                        django.core.validators.MinValueValidator(1),
                        django.core.validators.MaxValueValidator(100),
                    ],
                ),
            ),
            ("version", models.PositiveIntegerField(default=1)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "agent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="breaker_rules",
                    to="agents.agent",
                ),
            ),
            (
                "updated_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="+", to="identity.principal"
                ),
            ),
        ],
        options={
            "ordering": ["cause", "tier"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    models.F("tier"),
                    models.F("cause"),
                    name="breaker_rule_is_set_once",
                    nulls_distinct=False,
                ),
                models.CheckConstraint(
                    condition=models.Q(("agent", None), ("tier", None), _connector="OR"),
                    name="breaker_rule_is_of_an_agent_or_a_tier",
                ),
            ],
        },
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_breaker_on_trial"),
        ("identity", "0003_suspended_principals"),
        ("oversight", "0002_control"),
    ]

    operations = [
        Together(TABLES),
        migrations.AddField(
            model_name="breakertrip",
            name="corrective_action",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="evidence",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="reset_requested_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="reset_requested_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identity.principal",
            ),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="review",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="reviewed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="reviewed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="identity.principal",
            ),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="taken_along_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="taken_along",
                to="oversight.breakertrip",
            ),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="trial_calls",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="trial_ended_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="breakertrip",
            name="trial_until",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="breakertrip",
            name="cause",
            field=models.CharField(
                choices=[
                    ("violations", "Violations over the limit"),
                    ("anomalies", "Anomalies over the limit"),
                    ("denials", "Denied calls over the limit"),
                    ("errors", "Failed calls over the limit"),
                    ("spend", "Spend over the limit"),
                    ("outcomes", "Outcomes got worse"),
                    ("trial", "Violation on trial"),
                    ("person", "Stopped by a person"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddIndex(
            model_name="breakertrip",
            index=models.Index(
                condition=models.Q(("cause", "person"), ("reviewed_at", None)),
                fields=["-tripped_at"],
                name="stop_to_review",
            ),
        ),
        migrations.AddConstraint(
            model_name="breakertrip",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reviewed_at", None),
                    models.Q(("reviewed_by", models.F("tripped_by")), _negated=True),
                    _connector="OR",
                ),
                name="stop_is_reviewed_by_another",
            ),
        ),
        migrations.RunSQL(
            "CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON oversight_killswitch "
            "FOR EACH STATEMENT EXECUTE FUNCTION oversight_stamp_policies()",
            "DROP TRIGGER oversight_stamp ON oversight_killswitch",
        ),
    ]

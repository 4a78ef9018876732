"""Frameworks with controls, certifications of agents and blueprints, findings."""

import django.db.models.deletion
from django.db import migrations, models

import apps.kit.ids
from apps.kit.migrating import Together

TABLES = [
    migrations.CreateModel(
        name="Framework",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("key", models.SlugField(max_length=40, unique=True)),
            ("name", models.CharField(max_length=120)),
            ("edition", models.CharField(blank=True, max_length=120)),
            ("summary", models.TextField(blank=True)),
            ("is_active", models.BooleanField(default=True)),
        ],
        options={
            "ordering": ["name"],
        },
    ),
    migrations.CreateModel(
        name="Certification",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[
                        ("active", "Active"),
                        ("expired", "Expired"),
                        ("revoked", "Revoked"),
                        ("superseded", "Superseded"),
                    ],
                    default="active",
                    max_length=12,
                ),
            ),
            ("tier", models.PositiveSmallIntegerField()),
            ("evidence", models.TextField()),
            ("baseline", models.JSONField(default=dict)),
            ("certified_at", models.DateTimeField()),
            ("expires_at", models.DateTimeField()),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            ("ended_reason", models.TextField(blank=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="certifications",
                    to="agents.agent",
                ),
            ),
            (
                "certified_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "framework",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="certifications",
                    to="compliance.framework",
                ),
            ),
            (
                "through",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="given",
                    to="compliance.blueprintcertification",
                ),
            ),
        ],
        options={
            "ordering": ["-certified_at"],
            "indexes": [
                models.Index(
                    condition=models.Q(("status", "active")),
                    fields=["expires_at"],
                    name="certification_expiry",
                )
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    models.F("framework"),
                    condition=models.Q(("status", "active")),
                    name="one_active_certification_per_framework",
                ),
                models.CheckConstraint(
                    condition=models.Q(("expires_at__gt", models.F("certified_at"))),
                    name="certification_ends_after_it_starts",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Control",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("code", models.CharField(max_length=40)),
            ("title", models.CharField(max_length=200)),
            ("requirement", models.TextField()),
            ("reference", models.CharField(blank=True, max_length=120)),
            (
                "severity",
                models.CharField(
                    choices=[
                        ("critical", "Critical"),
                        ("high", "High"),
                        ("medium", "Medium"),
                        ("low", "Low"),
                    ],
                    default="high",
                    max_length=10,
                ),
            ),
            ("position", models.PositiveSmallIntegerField(default=0)),
            (
                "framework",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="controls",
                    to="compliance.framework",
                ),
            ),
        ],
        options={
            "ordering": ["framework", "position", "code"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("framework"), models.F("code"), name="control_code_is_unique"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ControlResult",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "result",
                models.CharField(
                    choices=[
                        ("pass", "Passes"),
                        ("fail", "Fails"),
                        ("not_applicable", "Does not apply"),
                    ],
                    max_length=16,
                ),
            ),
            ("note", models.TextField(blank=True)),
            (
                "certification",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="results",
                    to="compliance.certification",
                ),
            ),
            (
                "control",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="results",
                    to="compliance.control",
                ),
            ),
        ],
        options={
            "ordering": ["control__position"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("certification"), models.F("control"), name="control_is_judged_once"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Finding",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("drift.new_tool", "Tool outside the certified baseline"),
                        ("drift.model_changed", "Model changed since certification"),
                        ("certification.expired", "Certification expired"),
                        ("certification.outgrown", "Risk above what was certified"),
                        ("drift.outcome", "Outcome got worse"),
                        ("certification.departed", "Differs from its certified blueprint"),
                    ],
                    max_length=40,
                ),
            ),
            ("key", models.CharField(max_length=400)),
            (
                "severity",
                models.CharField(
                    choices=[
                        ("critical", "Critical"),
                        ("high", "High"),
                        ("medium", "Medium"),
                        ("low", "Low"),
                    ],
                    max_length=10,
                ),
            ),
            ("title", models.CharField(max_length=300)),
            ("detail", models.TextField()),
            ("evidence", models.JSONField(default=dict)),
            (
                "status",
                models.CharField(
                    choices=[("open", "Open"), ("resolved", "Resolved")],
                    default="open",
                    max_length=10,
                ),
            ),
            ("opened_at", models.DateTimeField()),
            ("resolved_at", models.DateTimeField(blank=True, null=True)),
            ("resolution", models.TextField(blank=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="findings",
                    to="agents.agent",
                ),
            ),
            (
                "certification",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="findings",
                    to="compliance.certification",
                ),
            ),
            (
                "resolved_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["-opened_at", "-id"],
            "indexes": [models.Index(fields=["status", "-opened_at"], name="finding_by_status")],
            "constraints": [
                models.UniqueConstraint(models.F("agent"), models.F("key"), name="finding_is_raised_once")
            ],
        },
    ),
    migrations.CreateModel(
        name="BlueprintCertification",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[
                        ("active", "Active"),
                        ("revoked", "Revoked"),
                        ("superseded", "Superseded"),
                    ],
                    default="active",
                    max_length=12,
                ),
            ),
            ("tier", models.PositiveSmallIntegerField()),
            ("evidence", models.TextField()),
            ("controls", models.JSONField(default=dict)),
            ("certified", models.JSONField(default=dict)),
            ("baseline", models.JSONField(default=dict)),
            ("certified_at", models.DateTimeField()),
            ("expires_at", models.DateTimeField()),
            ("ended_at", models.DateTimeField(blank=True, null=True)),
            ("ended_reason", models.TextField(blank=True)),
            (
                "blueprint",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="certifications",
                    to="agents.blueprint",
                ),
            ),
            (
                "certified_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "framework",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="compliance.framework",
                ),
            ),
        ],
        options={
            "ordering": ["-certified_at"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("blueprint"),
                    models.F("framework"),
                    condition=models.Q(("status", "active")),
                    name="one_active_blueprint_certification_per_framework",
                )
            ],
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("compliance", "0003_certifications_count_for_their_tier"),
        ("compliance", "0004_baselines_with_servers"),
        ("compliance", "0005_blueprints"),
    ]
    dependencies = [
        ("agents", "0002_revisions_and_risk_policy"),
        ("identity", "0002_ledger_rights"),
    ]
    operations = [
        Together(TABLES),
    ]

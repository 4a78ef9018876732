"""Teams, people and principals, their roles and keys, the ledger, webhooks."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.db import migrations, models

import apps.kit.ids
from apps.kit.migrating import Together

TABLES = [
    migrations.CreateModel(
        name="ApiKey",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=120)),
            ("prefix", models.CharField(max_length=12, unique=True)),
            ("secret_hash", models.BinaryField()),
            (
                "scopes",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(
                        choices=[
                            ("ingest", "Report activity (OTLP)"),
                            ("decide", "Ask for decisions"),
                            ("read", "Read"),
                            ("write", "Change"),
                            ("report", "Report agents found in files"),
                            ("declare", "Declare agents from a repository"),
                        ],
                        max_length=10,
                    ),
                    size=None,
                ),
            ),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("expires_at", models.DateTimeField()),
            ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ("last_used_at", models.DateTimeField(blank=True, null=True)),
            (
                "created_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "principal",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="api_keys",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["-created_at"],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "scopes__contained_by",
                            ["ingest", "decide", "read", "write", "report", "declare"],
                        ),
                        ("scopes__len__gt", 0),
                    ),
                    name="apikey_scopes_are_known",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="IdempotentRequest",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("key", models.CharField(max_length=128)),
            ("fingerprint", models.BinaryField(help_text="SHA-256 of method, path and body.")),
            ("status", models.PositiveSmallIntegerField(null=True)),
            ("body", models.JSONField(null=True)),
            ("headers", models.JSONField(default=dict)),
            ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            (
                "principal",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(fields=("principal", "key"), name="idempotency_key_is_used_once")
            ],
        },
    ),
    migrations.CreateModel(
        name="LedgerCheckpoint",
        fields=[
            ("tree_size", models.BigIntegerField(primary_key=True, serialize=False)),
            ("root_hash", models.BinaryField()),
            (
                "peaks",
                models.BinaryField(
                    help_text="The compact range at this size: 32 bytes a peak, left to right."
                ),
            ),
            ("note", models.TextField()),
            ("signed_at", models.DateTimeField()),
        ],
        options={
            "ordering": ["-tree_size"],
        },
    ),
    migrations.CreateModel(
        name="LedgerEntry",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("at", models.DateTimeField()),
            ("action", models.CharField(max_length=80)),
            ("actor_id", models.UUIDField()),
            ("target_type", models.CharField(max_length=40)),
            ("target_id", models.CharField(max_length=64)),
            ("request_id", models.CharField(blank=True, max_length=64)),
            ("body", models.BinaryField()),
        ],
        options={
            "verbose_name_plural": "ledger entries",
            "ordering": ["-id"],
            "indexes": [
                models.Index(fields=["target_type", "target_id", "-id"], name="ledger_by_target"),
                models.Index(fields=["action", "-id"], name="ledger_by_action"),
                models.Index(fields=["actor_id", "-id"], name="ledger_by_actor"),
            ],
        },
    ),
    migrations.CreateModel(
        name="LedgerLeaf",
        fields=[
            ("leaf_index", models.BigIntegerField(primary_key=True, serialize=False)),
            ("leaf_hash", models.BinaryField()),
            (
                "entry",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="leaf",
                    to="identity.ledgerentry",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "ledger leaves",
            "ordering": ["leaf_index"],
        },
    ),
    migrations.CreateModel(
        name="Principal",
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
                    choices=[("human", "Person"), ("agent", "Agent"), ("service", "Service")],
                    max_length=10,
                ),
            ),
            ("name", models.CharField(max_length=200)),
            ("is_active", models.BooleanField(default=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "team",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="principals",
                    to="identity.team",
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("kind__in", ["human", "agent", "service"])),
                    name="principal_kind_is_known",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="RoleAssignment",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "role",
                models.CharField(
                    choices=[
                        ("viewer", "Viewer"),
                        ("owner", "Agent owner"),
                        ("curator", "Registry curator"),
                        ("operator", "Security operator"),
                        ("compliance", "Compliance officer"),
                        ("auditor", "Auditor"),
                        ("administrator", "Administrator"),
                    ],
                    max_length=20,
                ),
            ),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "principal",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="roles",
                    to="identity.principal",
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="roles",
                    to="identity.team",
                ),
            ),
        ],
        options={
            "ordering": ["role"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("principal"),
                    models.F("role"),
                    models.F("team"),
                    name="role_is_assigned_once",
                    nulls_distinct=False,
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Team",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=120, unique=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "parent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="children",
                    to="identity.team",
                ),
            ),
        ],
        options={
            "ordering": ["name"],
        },
    ),
    migrations.CreateModel(
        name="Person",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("password", models.CharField(max_length=128, verbose_name="password")),
            (
                "last_login",
                models.DateTimeField(blank=True, null=True, verbose_name="last login"),
            ),
            (
                "is_superuser",
                models.BooleanField(
                    default=False,
                    help_text="Designates that this user has all permissions without explicitly assigning them.",
                    verbose_name="superuser status",
                ),
            ),
            ("email", models.EmailField(max_length=254)),
            ("job_title", models.CharField(blank=True, max_length=120)),
            (
                "is_staff",
                models.BooleanField(default=False, help_text="May open the administration site."),
            ),
            ("is_active", models.BooleanField(default=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "groups",
                models.ManyToManyField(
                    blank=True,
                    help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                    related_name="user_set",
                    related_query_name="user",
                    to="auth.group",
                    verbose_name="groups",
                ),
            ),
            (
                "user_permissions",
                models.ManyToManyField(
                    blank=True,
                    help_text="Specific permissions for this user.",
                    related_name="user_set",
                    related_query_name="user",
                    to="auth.permission",
                    verbose_name="user permissions",
                ),
            ),
            (
                "principal",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="person",
                    to="identity.principal",
                ),
            ),
            (
                "must_change_password",
                models.BooleanField(
                    default=False,
                    help_text="Somebody else knows the password: it opens nothing but its own change.",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "people",
            "constraints": [
                models.UniqueConstraint(
                    django.db.models.functions.text.Lower("email"), name="person_email_is_unique"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="LedgerPending",
        fields=[
            (
                "entry",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    primary_key=True,
                    related_name="pending",
                    serialize=False,
                    to="identity.ledgerentry",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "ledger pending",
        },
    ),
    migrations.CreateModel(
        name="WebhookCursor",
        fields=[
            (
                "id",
                models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
            ),
            ("leaves", models.BigIntegerField(default=0)),
        ],
    ),
    migrations.CreateModel(
        name="WebhookDelivery",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("action", models.CharField(max_length=80)),
            ("message_id", models.CharField(max_length=80)),
            (
                "cause",
                models.CharField(
                    choices=[
                        ("event", "As it happened"),
                        ("replay", "Replayed"),
                        ("test", "Test"),
                    ],
                    default="event",
                    max_length=8,
                ),
            ),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("delivered", "Delivered"),
                        ("given_up", "Given up"),
                    ],
                    default="waiting",
                    max_length=10,
                ),
            ),
            ("attempts", models.PositiveIntegerField(default=0)),
            ("due_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("settled_at", models.DateTimeField(blank=True, null=True)),
            (
                "entry",
                models.ForeignKey(
                    blank=True,
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to="identity.ledgerentry",
                ),
            ),
            (
                "endpoint",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="deliveries",
                    to="identity.webhookendpoint",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "webhook deliveries",
            "ordering": ["-id"],
            "indexes": [
                models.Index(fields=["endpoint", "-id"], name="delivery_by_endpoint"),
                models.Index(
                    condition=models.Q(("state", "waiting")),
                    fields=["endpoint", "due_at"],
                    name="delivery_by_due",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("endpoint"),
                    models.F("entry"),
                    condition=models.Q(("cause", "event")),
                    name="event_is_delivered_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="WebhookAttempt",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("duration_ms", models.PositiveIntegerField(default=0)),
            ("error", models.CharField(blank=True, max_length=300)),
            ("answer", models.TextField(blank=True)),
            (
                "delivery",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="tries",
                    to="identity.webhookdelivery",
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
        },
    ),
    migrations.CreateModel(
        name="WebhookEndpoint",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=120)),
            ("url", models.URLField(max_length=500)),
            (
                "events",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=80), size=None
                ),
            ),
            ("secret", models.TextField()),
            ("former_secret", models.TextField(blank=True)),
            ("former_until", models.DateTimeField(blank=True, null=True)),
            ("is_enabled", models.BooleanField(default=True)),
            ("disabled_at", models.DateTimeField(blank=True, null=True)),
            ("disabled_reason", models.CharField(blank=True, max_length=300)),
            ("failing_since", models.DateTimeField(blank=True, null=True)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            (
                "created_by",
                models.ForeignKey(
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
                    related_name="+",
                    to="identity.team",
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "constraints": [models.UniqueConstraint(models.F("name"), name="webhook_has_one_name")],
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("identity", "0004_report_scope"),
        ("identity", "0005_person_must_change_password"),
        ("identity", "0006_declare_scope"),
        ("identity", "0007_webhooks"),
    ]
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        Together(TABLES),
    ]

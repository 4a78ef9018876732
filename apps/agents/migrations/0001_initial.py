"""The registry: agents with their record, sources and searches, what they use, risk, curation."""

import datetime

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
import django.utils.timezone
import django_fsm
import pgvector.django.halfvec
import pgvector.django.indexes
import pgvector.django.sparsevec
from django.db import migrations, models
from pgvector.django import VectorExtension

import apps.agents.wording
import apps.kit.ids
from apps.kit.migrating import Together

TABLES = [
    migrations.CreateModel(
        name="Agent",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "number",
                models.BigIntegerField(
                    db_default=models.Func(models.Value("agents_agent_number"), function="nextval"),
                    editable=False,
                    unique=True,
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            (
                "name",
                models.CharField(max_length=200, validators=[apps.agents.wording.visible_name]),
            ),
            ("purpose", models.TextField(blank=True)),
            ("framework", models.CharField(blank=True, max_length=80)),
            (
                "repository",
                models.CharField(
                    blank=True,
                    max_length=200,
                    validators=[django.core.validators.URLValidator(["https", "http", "ssh"])],
                ),
            ),
            ("data_sensitivity", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("decision_authority", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("blast_radius", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("regulatory_exposure", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("tier", models.PositiveSmallIntegerField(blank=True, editable=False, null=True)),
            (
                "state",
                django_fsm.FSMField(
                    choices=[
                        ("draft", "Draft"),
                        ("discovered", "Discovered"),
                        ("registered", "Registered"),
                        ("in_review", "In review"),
                        ("certified", "Certified"),
                        ("staging", "Staging"),
                        ("production", "Production"),
                        ("suspended", "Suspended"),
                        ("quarantined", "Quarantined"),
                        ("deprecated", "Deprecated"),
                        ("retired", "Retired"),
                    ],
                    db_index=True,
                    default="draft",
                    max_length=50,
                    protected=True,
                ),
            ),
            (
                "breaker_state",
                models.CharField(
                    choices=[("armed", "Armed"), ("tripped", "Tripped")],
                    default="armed",
                    max_length=10,
                ),
            ),
            ("breaker_tripped_at", models.DateTimeField(blank=True, null=True)),
            ("breaker_reason", models.TextField(blank=True)),
            ("certified_until", models.DateTimeField(blank=True, null=True)),
            ("first_seen", models.DateTimeField(blank=True, null=True)),
            ("last_seen", models.DateTimeField(blank=True, null=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            (
                "deputy",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="deputised_agents",
                    to="identity.principal",
                ),
            ),
            (
                "owner",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="owned_agents",
                    to="identity.principal",
                ),
            ),
            (
                "principal",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="agent",
                    to="identity.principal",
                ),
            ),
            (
                "team",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="agents",
                    to="identity.team",
                ),
            ),
            (
                "ai_act_class",
                models.CharField(
                    blank=True,
                    choices=[
                        ("prohibited", "Prohibited practice (Article 5)"),
                        ("high_risk", "High risk (Article 6)"),
                        ("limited", "Transparency duties (Article 50)"),
                        ("minimal", "Minimal risk"),
                        ("out_of_scope", "Out of scope (Article 2)"),
                    ],
                    max_length=12,
                ),
            ),
            ("business_service", models.CharField(blank=True, max_length=120)),
            ("confirmed_at", models.DateTimeField(blank=True, null=True)),
            (
                "countries",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=2, validators=[apps.agents.wording.country_code]),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("custom", models.JSONField(blank=True, default=dict)),
            (
                "endpoints",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(
                        max_length=300, validators=[apps.agents.wording.endpoint_address]
                    ),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            (
                "environment",
                models.CharField(
                    blank=True,
                    choices=[
                        ("development", "Development"),
                        ("test", "Test"),
                        ("staging", "Staging"),
                        ("production", "Production"),
                    ],
                    max_length=12,
                ),
            ),
            (
                "languages",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=35),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            (
                "merged_into",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="merged_from",
                    to="agents.agent",
                ),
            ),
            (
                "oversight_level",
                models.CharField(
                    blank=True,
                    choices=[
                        ("autonomous", "Autonomous"),
                        ("notified", "A person is notified"),
                        ("approves", "A person approves"),
                        ("human_only", "A person acts"),
                    ],
                    max_length=12,
                ),
            ),
            ("retention_days", models.PositiveIntegerField(blank=True, null=True)),
            ("slug", models.SlugField(max_length=80, unique=True)),
            (
                "sub_processors",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=120),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            (
                "tags",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=50),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("users_served", models.CharField(blank=True, max_length=200)),
            (
                "blueprint",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="instances",
                    to="agents.blueprint",
                ),
            ),
            ("withdrawn_at", models.DateTimeField(blank=True, editable=False, null=True)),
            (
                "risk_policy",
                models.ForeignKey(
                    blank=True,
                    db_index=False,
                    editable=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="agents.riskpolicy",
                ),
            ),
        ],
        options={
            "ordering": ["-tier", "name"],
            "indexes": [
                models.Index(fields=["name", "id"], name="agent_by_name"),
                django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="agent_by_tag"),
                models.Index(
                    models.OrderBy(
                        django.db.models.functions.comparison.Coalesce("tier", models.Value(0)),
                        descending=True,
                    ),
                    models.F("name"),
                    models.F("id"),
                    name="agent_by_risk",
                ),
                models.Index(
                    django.db.models.functions.comparison.Coalesce("last_seen", models.F("created_at")),
                    models.F("id"),
                    name="agent_by_last_seen",
                ),
                models.Index(fields=["created_at", "id"], name="agent_by_creation"),
                models.Index(
                    django.db.models.functions.comparison.Coalesce(
                        "certified_until",
                        models.Value(
                            datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            models.DateTimeField(),
                        ),
                    ),
                    models.F("id"),
                    name="agent_by_certification",
                ),
                models.Index(
                    django.db.models.functions.comparison.Coalesce(
                        "confirmed_at",
                        models.Value(
                            datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.UTC),
                            models.DateTimeField(),
                        ),
                    ),
                    models.F("id"),
                    name="agent_by_confirmation",
                ),
                models.Index(fields=["owner", "state"], name="agent_by_owner"),
                models.Index(fields=["team", "state"], name="agent_by_team"),
                models.Index(
                    models.Func(
                        django.db.models.functions.text.Lower("name"),
                        models.Value("[\\s_./:@-]+"),
                        models.Value(""),
                        models.Value("g"),
                        function="regexp_replace",
                        output_field=models.CharField(),
                    ),
                    name="agent_by_plain_name",
                ),
                models.Index(
                    condition=models.Q(("merged_into", None), ("withdrawn_at", None)),
                    fields=["state", "tier", "breaker_state", "environment", "team"],
                    name="agent_by_facets",
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        ("owner__isnull", True),
                        ("deputy__isnull", True),
                        models.Q(("owner", models.F("deputy")), _negated=True),
                        _connector="OR",
                    ),
                    name="agent_deputy_is_not_owner",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("data_sensitivity__isnull", True),
                        ("data_sensitivity__range", (1, 4)),
                        _connector="OR",
                    ),
                    name="agent_data_sensitivity_is_1_to_4",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("decision_authority__isnull", True),
                        ("decision_authority__range", (1, 4)),
                        _connector="OR",
                    ),
                    name="agent_decision_authority_is_1_to_4",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("blast_radius__isnull", True),
                        ("blast_radius__range", (1, 4)),
                        _connector="OR",
                    ),
                    name="agent_blast_radius_is_1_to_4",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("regulatory_exposure__isnull", True),
                        ("regulatory_exposure__range", (1, 4)),
                        _connector="OR",
                    ),
                    name="agent_regulatory_exposure_is_1_to_4",
                ),
                models.CheckConstraint(
                    condition=models.Q(("tier__isnull", True), ("tier__range", (1, 4)), _connector="OR"),
                    name="agent_tier_is_1_to_4",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "state__in",
                            [
                                "draft",
                                "discovered",
                                "registered",
                                "in_review",
                                "certified",
                                "staging",
                                "production",
                                "suspended",
                                "quarantined",
                                "deprecated",
                                "retired",
                            ],
                        )
                    ),
                    name="agent_state_is_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AgentAlias",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("service_name", models.CharField(blank=True, max_length=255)),
            ("agent_name", models.CharField(blank=True, max_length=255)),
            ("first_seen", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="aliases",
                    to="agents.agent",
                ),
            ),
            (
                "source",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "agent aliases",
            "constraints": [
                models.UniqueConstraint(
                    models.F("source"),
                    models.F("service_name"),
                    models.F("agent_name"),
                    name="alias_names_one_agent",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ObservedModel",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("calls", models.PositiveBigIntegerField(default=0)),
            ("first_seen", models.DateTimeField()),
            ("last_seen", models.DateTimeField()),
            ("provider", models.CharField(blank=True, max_length=120)),
            ("model", models.CharField(max_length=255)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="observed_models",
                    to="agents.agent",
                ),
            ),
        ],
        options={
            "ordering": ["-last_seen"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    models.F("provider"),
                    models.F("model"),
                    name="model_is_observed_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ObservedTool",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("calls", models.PositiveBigIntegerField(default=0)),
            ("first_seen", models.DateTimeField()),
            ("last_seen", models.DateTimeField()),
            ("tool_name", models.CharField(max_length=255)),
            ("mcp_server", models.CharField(blank=True, max_length=255)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="observed_tools",
                    to="agents.agent",
                ),
            ),
        ],
        options={
            "ordering": ["-calls", "tool_name"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    models.F("tool_name"),
                    models.F("mcp_server"),
                    name="tool_is_observed_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Bookmark",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="agents.agent",
                ),
            ),
            (
                "owner",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="bookmarks",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(models.F("owner"), models.F("agent"), name="bookmark_is_kept_once")
            ],
        },
    ),
    migrations.CreateModel(
        name="Candidate",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("key", models.CharField(max_length=255, unique=True)),
            ("name", models.CharField(max_length=200)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("linked", "On record"),
                        ("ignored", "Ignored"),
                    ],
                    default="waiting",
                    max_length=8,
                ),
            ),
            ("confidence", models.FloatField()),
            ("framework", models.CharField(blank=True, max_length=80)),
            ("model", models.CharField(blank=True, max_length=255)),
            ("description", models.TextField(blank=True)),
            (
                "tools",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=255), default=list, size=None
                ),
            ),
            ("digest", models.CharField(max_length=64)),
            ("ignore_reason", models.TextField(blank=True)),
            ("ignored_until", models.DateTimeField(blank=True, null=True)),
            ("decided_at", models.DateTimeField(blank=True, null=True)),
            ("first_seen", models.DateTimeField()),
            ("last_seen", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="candidates",
                    to="agents.agent",
                ),
            ),
            (
                "decided_by",
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
                    related_name="+",
                    to="identity.team",
                ),
            ),
            ("kind", models.CharField(blank=True, max_length=40)),
            (
                "mcp_servers",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=255), default=list, size=None
                ),
            ),
            ("role", models.CharField(blank=True, max_length=32)),
        ],
        options={
            "ordering": ["-confidence", "-last_seen"],
            "indexes": [
                models.Index(fields=["state", "-confidence", "id"], name="candidate_by_state"),
                models.Index(fields=["team", "state"], name="candidate_by_team"),
            ],
        },
    ),
    migrations.CreateModel(
        name="Claim",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("field", models.CharField(max_length=60)),
            (
                "origin",
                models.CharField(
                    choices=[
                        ("person", "A person"),
                        ("blueprint", "Its blueprint"),
                        ("declared", "Declared in a repository"),
                        ("imported", "An import"),
                        ("discovered", "A scan"),
                        ("observed", "Seen in traffic"),
                    ],
                    max_length=12,
                ),
            ),
            ("source", models.CharField(max_length=255)),
            ("value", models.JSONField(null=True)),
            ("claimed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("settled_at", models.DateTimeField(blank=True, null=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="claims",
                    to="agents.agent",
                ),
            ),
            (
                "stated_by",
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
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    models.F("field"),
                    models.F("origin"),
                    models.F("source"),
                    name="claim_is_made_once_a_source",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="CurationItem",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("position", models.PositiveIntegerField()),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("done", "Done"),
                        ("unchanged", "Unchanged"),
                        ("failed", "Failed"),
                    ],
                    default="waiting",
                    max_length=10,
                ),
            ),
            ("before", models.JSONField(default=dict)),
            ("after", models.JSONField(default=dict)),
            ("version", models.PositiveIntegerField(null=True)),
            ("problems", models.JSONField(default=dict)),
            (
                "agent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="agents.agent",
                ),
            ),
            (
                "job",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="items",
                    to="agents.curationjob",
                ),
            ),
        ],
        options={
            "ordering": ["position"],
            "indexes": [models.Index(fields=["job", "state", "position"], name="item_by_state")],
            "constraints": [
                models.UniqueConstraint(models.F("job"), models.F("position"), name="item_has_one_position")
            ],
        },
    ),
    migrations.CreateModel(
        name="CurationJob",
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
                    choices=[("bulk_edit", "Bulk edit"), ("import", "Import"), ("undo", "Undo")],
                    max_length=10,
                ),
            ),
            (
                "state",
                models.CharField(
                    choices=[
                        ("preview", "Preview"),
                        ("running", "Running"),
                        ("done", "Done"),
                        ("failed", "Failed"),
                        ("cancelled", "Cancelled"),
                    ],
                    default="preview",
                    max_length=10,
                ),
            ),
            ("reason", models.TextField(blank=True)),
            ("title", models.CharField(max_length=200)),
            ("request", models.JSONField(default=dict)),
            ("request_id", models.CharField(blank=True, max_length=64)),
            ("total", models.PositiveIntegerField(default=0)),
            ("done", models.PositiveIntegerField(default=0)),
            ("failed", models.PositiveIntegerField(default=0)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("finished_at", models.DateTimeField(blank=True, null=True)),
            (
                "actor",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "undoes",
                models.OneToOneField(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="undone_by",
                    to="agents.curationjob",
                ),
            ),
            ("progressed_at", models.DateTimeField(default=django.utils.timezone.now)),
        ],
        options={
            "ordering": ["-created_at"],
        },
    ),
    migrations.CreateModel(
        name="CustomField",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("key", models.SlugField(max_length=40, unique=True)),
            ("label", models.CharField(max_length=80)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("text", "Text"),
                        ("number", "Number"),
                        ("boolean", "Yes or no"),
                        ("date", "Date"),
                        ("choice", "One of a list"),
                        ("url", "Link"),
                    ],
                    max_length=8,
                ),
            ),
            ("help_text", models.CharField(blank=True, max_length=200)),
            (
                "choices",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=80),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("pattern", models.CharField(blank=True, max_length=200)),
            ("minimum", models.FloatField(blank=True, null=True)),
            ("maximum", models.FloatField(blank=True, null=True)),
            ("is_required", models.BooleanField(default=False)),
            ("teams", models.ManyToManyField(blank=True, related_name="+", to="identity.team")),
        ],
        options={
            "ordering": ["label"],
        },
    ),
    migrations.CreateModel(
        name="DataSource",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("description", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=255, unique=True)),
            (
                "data_class",
                models.CharField(
                    choices=[
                        ("public", "Public"),
                        ("internal", "Internal"),
                        ("confidential", "Confidential"),
                        ("personal", "Personal"),
                        ("financial", "Financial"),
                        ("health", "Health"),
                        ("special", "Special category"),
                        ("credentials", "Credentials"),
                    ],
                    default="internal",
                    max_length=12,
                ),
            ),
            ("region", models.CharField(blank=True, max_length=60)),
            (
                "owner",
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
                    related_name="+",
                    to="identity.team",
                ),
            ),
            (
                "system",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="data_sources",
                    to="agents.system",
                ),
            ),
        ],
        options={
            "ordering": ["name"],
        },
    ),
    migrations.CreateModel(
        name="Dependency",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            (
                "source_kind",
                models.CharField(
                    choices=[
                        ("agent", "Agent"),
                        ("tool", "Tool"),
                        ("model", "Model"),
                        ("predictive_model", "Predictive model"),
                        ("data_source", "Data source"),
                        ("system", "System"),
                    ],
                    max_length=16,
                ),
            ),
            ("source_id", models.UUIDField()),
            (
                "target_kind",
                models.CharField(
                    choices=[
                        ("agent", "Agent"),
                        ("tool", "Tool"),
                        ("model", "Model"),
                        ("predictive_model", "Predictive model"),
                        ("data_source", "Data source"),
                        ("system", "System"),
                    ],
                    max_length=16,
                ),
            ),
            ("target_id", models.UUIDField()),
            (
                "relation",
                models.CharField(
                    choices=[
                        ("calls", "calls"),
                        ("reads", "reads"),
                        ("writes", "writes"),
                        ("delegates_to", "delegates to"),
                        ("deployed_on", "is deployed on"),
                        ("authenticates_with", "authenticates with"),
                    ],
                    max_length=20,
                ),
            ),
            (
                "origin",
                models.CharField(
                    choices=[
                        ("person", "A person"),
                        ("blueprint", "Its blueprint"),
                        ("declared", "Declared in a repository"),
                        ("imported", "An import"),
                        ("discovered", "A scan"),
                        ("observed", "Seen in traffic"),
                    ],
                    max_length=12,
                ),
            ),
            ("calls", models.PositiveBigIntegerField(default=0)),
            ("first_seen", models.DateTimeField(default=django.utils.timezone.now)),
            ("last_seen", models.DateTimeField(default=django.utils.timezone.now)),
            (
                "stated_by",
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
            "verbose_name_plural": "dependencies",
            "indexes": [models.Index(fields=["target_id", "source_id"], name="dependency_by_target")],
            "constraints": [
                models.UniqueConstraint(
                    models.F("source_id"),
                    models.F("target_id"),
                    models.F("relation"),
                    models.F("origin"),
                    name="dependency_is_known_once_an_origin",
                ),
                models.CheckConstraint(
                    condition=models.Q(("source_id", models.F("target_id")), _negated=True),
                    name="nothing_depends_on_itself",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Evidence",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "source_kind",
                models.CharField(
                    choices=[
                        ("telemetry", "Telemetry"),
                        ("repository_scan", "Repository"),
                        ("agent_card", "A2A agent card"),
                        ("mcp_registry", "MCP registry"),
                        ("kubernetes", "Kubernetes"),
                        ("cloud", "Cloud or SaaS export"),
                        ("accounts", "Service accounts and OAuth apps"),
                    ],
                    max_length=16,
                ),
            ),
            ("source", models.CharField(max_length=255)),
            ("place", models.CharField(max_length=500)),
            ("finding", models.JSONField()),
            ("first_seen", models.DateTimeField()),
            ("last_seen", models.DateTimeField()),
            (
                "candidate",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="evidence",
                    to="agents.candidate",
                ),
            ),
            (
                "reported_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "evidence",
            "ordering": ["-last_seen"],
            "indexes": [models.Index(fields=["source_kind", "candidate"], name="evidence_by_source_kind")],
            "constraints": [
                models.UniqueConstraint(
                    models.F("candidate"),
                    models.F("source_kind"),
                    models.F("source"),
                    models.F("place"),
                    name="evidence_is_kept_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ModelEndpoint",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("description", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("provider", models.CharField(blank=True, max_length=120)),
            ("model", models.CharField(max_length=255)),
            ("snapshot", models.CharField(blank=True, max_length=255)),
            ("region", models.CharField(blank=True, max_length=60)),
            ("deprecated_on", models.DateField(blank=True, null=True)),
            (
                "owner",
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
                    related_name="+",
                    to="identity.team",
                ),
            ),
            (
                "input_usd_per_million",
                models.DecimalField(
                    blank=True,
                    decimal_places=4,
                    max_digits=10,
                    null=True,
                    verbose_name="price of a million input tokens, USD",
                ),
            ),
            (
                "output_usd_per_million",
                models.DecimalField(
                    blank=True,
                    decimal_places=4,
                    max_digits=10,
                    null=True,
                    verbose_name="price of a million output tokens, USD",
                ),
            ),
        ],
        options={
            "ordering": ["provider", "model", "snapshot", "region"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("provider"),
                    models.F("model"),
                    models.F("snapshot"),
                    models.F("region"),
                    name="model_endpoint_is_known_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="PredictiveModel",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("description", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=255)),
            ("release", models.CharField(blank=True, max_length=80)),
            ("registry_url", models.URLField(blank=True, max_length=300)),
            ("metrics_url", models.URLField(blank=True, max_length=300)),
            (
                "drift_status",
                models.CharField(
                    choices=[
                        ("unknown", "Unknown"),
                        ("stable", "Stable"),
                        ("drifting", "Drifting"),
                    ],
                    default="unknown",
                    max_length=10,
                ),
            ),
            ("drift_checked_at", models.DateTimeField(blank=True, null=True)),
            (
                "owner",
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
                    related_name="+",
                    to="identity.team",
                ),
            ),
            (
                "tool",
                models.OneToOneField(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.SET_NULL,
                    related_name="predictive_model",
                    to="agents.tool",
                ),
            ),
        ],
        options={
            "ordering": ["name", "release"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("name"), models.F("release"), name="predictive_model_is_known_once"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="SavedView",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=80)),
            ("query", models.CharField(max_length=2000)),
            ("is_shared", models.BooleanField(default=False)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            (
                "owner",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="saved_views",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("owner"), models.F("name"), name="view_has_one_name_an_owner"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="SearchDocument",
        fields=[
            (
                "agent",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="document",
                    serialize=False,
                    to="agents.agent",
                ),
            ),
            ("text_hash", models.BinaryField()),
            ("words", django.contrib.postgres.search.SearchVectorField()),
            ("word_count", models.PositiveIntegerField()),
            ("name_letters", django.contrib.postgres.search.SearchVectorField()),
            ("letters", pgvector.django.sparsevec.SparseVectorField(dimensions=32768)),
            ("embedded_with", models.CharField(blank=True, max_length=200)),
            ("updated_at", models.DateTimeField(auto_now=True)),
        ],
        options={
            "indexes": [
                django.contrib.postgres.indexes.GinIndex(fields=["words"], name="document_by_word"),
                django.contrib.postgres.indexes.GinIndex(
                    fields=["name_letters"], name="document_by_name_letters"
                ),
                models.Index(fields=["embedded_with", "updated_at"], name="document_by_embedding"),
            ],
        },
    ),
    migrations.CreateModel(
        name="SearchState",
        fields=[
            (
                "id",
                models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
            ),
            ("model", models.CharField(blank=True, max_length=200)),
            ("next_model", models.CharField(blank=True, max_length=200)),
            ("documents", models.PositiveIntegerField(default=0)),
            ("mean_words", models.FloatField(default=0)),
            ("counted_at", models.DateTimeField(null=True)),
        ],
    ),
    migrations.CreateModel(
        name="SearchTerm",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            (
                "kind",
                models.CharField(choices=[("word", "Word"), ("letters", "Letters of a name")], max_length=8),
            ),
            ("term", models.TextField()),
            ("agents", models.PositiveIntegerField()),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(models.F("kind"), models.F("term"), name="term_is_counted_once")
            ],
        },
    ),
    migrations.CreateModel(
        name="System",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("description", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=255, unique=True)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("application", "Application"),
                        ("business_service", "Business service"),
                        ("database", "Database"),
                        ("platform", "Platform"),
                        ("identity_provider", "Identity provider"),
                        ("other", "Other"),
                    ],
                    default="other",
                    max_length=20,
                ),
            ),
            ("url", models.URLField(blank=True, max_length=300)),
            ("region", models.CharField(blank=True, max_length=60)),
            ("criticality", models.PositiveSmallIntegerField(blank=True, null=True)),
            (
                "owner",
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
                    related_name="+",
                    to="identity.team",
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        ("criticality", None), ("criticality__range", (1, 4)), _connector="OR"
                    ),
                    name="system_criticality_is_1_to_4",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Tool",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("description", models.TextField(blank=True)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("name", models.CharField(max_length=255)),
            ("server", models.CharField(blank=True, max_length=255)),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("api", "API"),
                        ("mcp", "MCP"),
                        ("database", "Database"),
                        ("code", "Code execution"),
                        ("browser", "Browser"),
                        ("email", "E-mail"),
                        ("agent", "Agent"),
                        ("predictive", "Predictive model"),
                        ("other", "Other"),
                    ],
                    default="other",
                    max_length=12,
                ),
            ),
            (
                "side_effect",
                models.CharField(
                    blank=True,
                    choices=[
                        ("read", "Reads only"),
                        ("write", "Writes, can be undone"),
                        ("external", "Reaches people or parties outside"),
                        ("irreversible", "Cannot be undone"),
                    ],
                    max_length=12,
                ),
            ),
            (
                "data_classes",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(
                        choices=[
                            ("public", "Public"),
                            ("internal", "Internal"),
                            ("confidential", "Confidential"),
                            ("personal", "Personal"),
                            ("financial", "Financial"),
                            ("health", "Health"),
                            ("special", "Special category"),
                            ("credentials", "Credentials"),
                        ],
                        max_length=12,
                    ),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("schema", models.JSONField(blank=True, null=True)),
            ("schema_hash", models.CharField(blank=True, editable=False, max_length=64)),
            (
                "owner",
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
                    related_name="+",
                    to="identity.team",
                ),
            ),
        ],
        options={
            "ordering": ["name", "server"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("name"), models.F("server"), name="tool_has_one_name_on_a_server"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ToolGrant",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "operations",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=120),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("constraints", models.JSONField(blank=True, default=dict)),
            ("reason", models.TextField()),
            ("granted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("expires_at", models.DateTimeField(blank=True, null=True)),
            ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ("revoke_reason", models.TextField(blank=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="grants",
                    to="agents.agent",
                ),
            ),
            (
                "granted_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "revoked_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "tool",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="grants",
                    to="agents.tool",
                ),
            ),
            (
                "through",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="given",
                    to="agents.blueprintgrant",
                ),
            ),
        ],
        options={
            "ordering": ["tool__name", "-granted_at"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    models.F("tool"),
                    condition=models.Q(("revoked_at", None)),
                    name="tool_is_granted_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="ToolOperation",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("name", models.CharField(max_length=120)),
            ("description", models.TextField(blank=True)),
            (
                "side_effect",
                models.CharField(
                    blank=True,
                    choices=[
                        ("read", "Reads only"),
                        ("write", "Writes, can be undone"),
                        ("external", "Reaches people or parties outside"),
                        ("irreversible", "Cannot be undone"),
                    ],
                    max_length=12,
                ),
            ),
            (
                "data_classes",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(
                        choices=[
                            ("public", "Public"),
                            ("internal", "Internal"),
                            ("confidential", "Confidential"),
                            ("personal", "Personal"),
                            ("financial", "Financial"),
                            ("health", "Health"),
                            ("special", "Special category"),
                            ("credentials", "Credentials"),
                        ],
                        max_length=12,
                    ),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("schema", models.JSONField(blank=True, null=True)),
            (
                "tool",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="operations",
                    to="agents.tool",
                ),
            ),
        ],
        options={
            "ordering": ["name"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("tool"), models.F("name"), name="operation_has_one_name_in_a_tool"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="AgentRevision",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("version", models.PositiveIntegerField()),
            ("record", models.JSONField()),
            ("recorded_at", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="revisions",
                    to="agents.agent",
                ),
            ),
        ],
        options={
            "ordering": ["-id"],
            "indexes": [
                models.Index(fields=["agent", "-recorded_at", "-id"], name="revision_by_agent_and_time")
            ],
        },
    ),
    migrations.CreateModel(
        name="AgentVector",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("model", models.CharField(max_length=200)),
            (
                "part",
                models.CharField(
                    choices=[("name", "Name"), ("purpose", "Purpose"), ("clause", "Clause")],
                    max_length=8,
                ),
            ),
            ("ordinal", models.PositiveSmallIntegerField(default=0)),
            ("text", models.TextField()),
            ("vector", pgvector.django.halfvec.HalfVectorField(dimensions=384)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="vectors",
                    to="agents.agent",
                ),
            ),
        ],
        options={
            "indexes": [
                pgvector.django.indexes.HnswIndex(
                    condition=models.Q(("part", "purpose")),
                    fields=["vector"],
                    name="vector_of_purpose",
                    opclasses=["halfvec_cosine_ops"],
                ),
                pgvector.django.indexes.HnswIndex(
                    condition=models.Q(("part", "clause")),
                    fields=["vector"],
                    name="vector_of_clause",
                    opclasses=["halfvec_cosine_ops"],
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"),
                    models.F("model"),
                    models.F("part"),
                    models.F("ordinal"),
                    name="vector_is_kept_once_a_part",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="AgentVersion",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("number", models.PositiveIntegerField()),
            ("label", models.CharField(blank=True, max_length=80)),
            ("fingerprint", models.CharField(max_length=64)),
            ("prompt_hash", models.CharField(blank=True, max_length=64)),
            ("model", models.CharField(blank=True, max_length=255)),
            ("model_snapshot", models.CharField(blank=True, max_length=255)),
            ("tools", models.JSONField(default=dict)),
            ("framework_version", models.CharField(blank=True, max_length=80)),
            ("configuration_hash", models.CharField(blank=True, max_length=64)),
            ("commit", models.CharField(blank=True, max_length=64)),
            (
                "origin",
                models.CharField(
                    choices=[
                        ("person", "A person"),
                        ("blueprint", "Its blueprint"),
                        ("declared", "Declared in a repository"),
                        ("imported", "An import"),
                        ("discovered", "A scan"),
                        ("observed", "Seen in traffic"),
                    ],
                    max_length=12,
                ),
            ),
            ("first_seen", models.DateTimeField()),
            ("last_seen", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="versions",
                    to="agents.agent",
                ),
            ),
            (
                "stated_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            ("changes", models.JSONField(default=list)),
        ],
        options={
            "ordering": ["-number"],
            "constraints": [
                models.UniqueConstraint(models.F("agent"), models.F("number"), name="version_has_one_number"),
                models.UniqueConstraint(
                    models.F("agent"), models.F("fingerprint"), name="version_has_one_fingerprint"
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Blueprint",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("name", models.CharField(max_length=200, unique=True)),
            ("description", models.TextField(blank=True)),
            ("defaults", models.JSONField(default=dict)),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("updated_at", models.DateTimeField(auto_now=True)),
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
        },
    ),
    migrations.CreateModel(
        name="AgentMerge",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("reason", models.TextField()),
            ("moved", models.JSONField(default=dict)),
            ("merged_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("undone_at", models.DateTimeField(blank=True, null=True)),
            (
                "actor",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "kept",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="merges",
                    to="agents.agent",
                ),
            ),
            (
                "merged",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="agents.agent",
                ),
            ),
            (
                "undone_by",
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
            "ordering": ["-merged_at"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("merged"),
                    condition=models.Q(("undone_at", None)),
                    name="agent_is_merged_into_one_other",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Campaign",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("title", models.CharField(max_length=120)),
            ("note", models.TextField(blank=True)),
            ("query", models.CharField(blank=True, max_length=2000)),
            ("due_on", models.DateField()),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("closed_at", models.DateTimeField(blank=True, null=True)),
            (
                "created_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["-created_at"],
        },
    ),
    migrations.CreateModel(
        name="CampaignItem",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("reminders", models.PositiveSmallIntegerField(default=0)),
            ("reminded_at", models.DateTimeField(blank=True, null=True)),
            ("escalated_at", models.DateTimeField(blank=True, null=True)),
            ("confirmed_at", models.DateTimeField(blank=True, null=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="campaign_items",
                    to="agents.agent",
                ),
            ),
            (
                "asked",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "campaign",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="items",
                    to="agents.campaign",
                ),
            ),
            (
                "confirmed_by",
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
            "ordering": ["id"],
            "indexes": [
                models.Index(
                    condition=models.Q(("confirmed_at", None)),
                    fields=["asked"],
                    name="campaign_item_unanswered",
                )
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("campaign"), models.F("agent"), name="agent_is_asked_once_a_campaign"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="QualitySnapshot",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("day", models.DateField()),
            ("queue", models.CharField(max_length=20)),
            ("agents", models.PositiveIntegerField()),
        ],
        options={
            "ordering": ["day"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("day"), models.F("queue"), name="queue_is_counted_once_a_day"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="BlueprintGrant",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "operations",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=120),
                    blank=True,
                    default=list,
                    size=None,
                ),
            ),
            ("constraints", models.JSONField(blank=True, default=dict)),
            ("reason", models.TextField()),
            ("granted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("expires_at", models.DateTimeField(blank=True, null=True)),
            ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ("revoke_reason", models.TextField(blank=True)),
            (
                "blueprint",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="grants",
                    to="agents.blueprint",
                ),
            ),
            (
                "granted_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "revoked_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "tool",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="agents.tool",
                ),
            ),
        ],
        options={
            "ordering": ["tool__name", "-granted_at"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("blueprint"),
                    models.F("tool"),
                    condition=models.Q(("revoked_at", None)),
                    name="tool_is_granted_once_a_blueprint",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="CampaignMail",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("step", models.PositiveSmallIntegerField()),
            ("is_late", models.BooleanField(default=False)),
            (
                "state",
                models.CharField(
                    choices=[
                        ("waiting", "Waiting"),
                        ("sending", "Being sent"),
                        ("sent", "Sent"),
                        ("failed", "Not sent"),
                        ("off", "No mail is set up"),
                    ],
                    default="waiting",
                    max_length=8,
                ),
            ),
            ("attempts", models.PositiveSmallIntegerField(default=0)),
            ("problem", models.CharField(blank=True, max_length=400)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("tried_at", models.DateTimeField(blank=True, null=True)),
            ("sent_at", models.DateTimeField(blank=True, null=True)),
            ("agents", models.ManyToManyField(related_name="+", to="agents.agent")),
            (
                "campaign",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="mails",
                    to="agents.campaign",
                ),
            ),
            (
                "person",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
        ],
        options={
            "ordering": ["-created_at", "id"],
            "indexes": [
                models.Index(
                    condition=models.Q(("state__in", ["waiting", "sending"])),
                    fields=["created_at"],
                    name="campaign_mail_due",
                )
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("campaign"),
                    models.F("person"),
                    models.F("step"),
                    name="reminder_is_mailed_once",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="RiskFacts",
        fields=[
            (
                "agent",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    primary_key=True,
                    related_name="risk_facts",
                    serialize=False,
                    to="agents.agent",
                ),
            ),
            ("data_sensitivity", models.PositiveSmallIntegerField(null=True)),
            ("decision_authority", models.PositiveSmallIntegerField(null=True)),
            ("blast_radius", models.PositiveSmallIntegerField(null=True)),
            ("regulatory_exposure", models.PositiveSmallIntegerField(null=True)),
            ("signs", models.JSONField(default=list)),
            ("held", models.JSONField(default=dict)),
            ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
        ],
        options={
            "verbose_name_plural": "risk facts",
        },
    ),
    migrations.CreateModel(
        name="RiskPolicy",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("number", models.PositiveIntegerField(blank=True, null=True, unique=True)),
            ("name", models.CharField(max_length=120)),
            ("note", models.TextField(blank=True)),
            ("rules", models.JSONField(default=dict)),
            (
                "state",
                models.CharField(
                    choices=[("draft", "Draft"), ("applied", "Applied"), ("former", "Former")],
                    default="draft",
                    max_length=8,
                ),
            ),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("updated_at", models.DateTimeField(auto_now=True)),
            ("applied_at", models.DateTimeField(blank=True, null=True)),
            ("reason", models.TextField(blank=True)),
            ("request_id", models.CharField(blank=True, max_length=64)),
            ("moves", models.JSONField(default=dict)),
            ("total", models.PositiveIntegerField(default=0)),
            ("done", models.PositiveIntegerField(default=0)),
            ("moved", models.PositiveIntegerField(default=0)),
            ("cursor", models.UUIDField(blank=True, null=True)),
            ("progressed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("finished_at", models.DateTimeField(blank=True, null=True)),
            (
                "applied_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "based_on",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="agents.riskpolicy",
                ),
            ),
            (
                "created_by",
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
            "verbose_name_plural": "risk policies",
            "ordering": [
                models.OrderBy(models.F("number"), descending=True, nulls_first=True),
                "-created_at",
            ],
            "constraints": [
                models.UniqueConstraint(
                    models.F("state"),
                    condition=models.Q(("state", "applied")),
                    name="one_risk_policy_is_applied",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("number", None), ("state", "draft")),
                        models.Q(
                            models.Q(("state", "draft"), _negated=True),
                            models.Q(("number", None), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="risk_policy_is_numbered_when_applied",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AiActClassification",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("version", models.PositiveIntegerField(default=1, editable=False)),
            ("number", models.PositiveIntegerField(blank=True, null=True)),
            (
                "state",
                models.CharField(
                    choices=[("draft", "Being answered"), ("concluded", "Concluded")],
                    default="draft",
                    max_length=9,
                ),
            ),
            ("questionnaire", models.CharField(max_length=20)),
            ("answers", models.JSONField(default=dict)),
            ("outcome", models.CharField(blank=True, max_length=20)),
            ("roles", models.JSONField(default=list)),
            ("duties", models.JSONField(default=list)),
            ("begun_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("concluded_at", models.DateTimeField(blank=True, null=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="ai_act_classifications",
                    to="agents.agent",
                ),
            ),
            (
                "begun_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            (
                "concluded_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="identity.principal",
                ),
            ),
            ("path", models.JSONField(default=dict)),
        ],
        options={
            "ordering": ["-begun_at"],
            "constraints": [
                models.UniqueConstraint(
                    models.F("agent"), models.F("number"), name="classification_has_one_number"
                ),
                models.UniqueConstraint(
                    models.F("agent"),
                    condition=models.Q(("state", "draft")),
                    name="agent_is_classified_once_at_a_time",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Declaration",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("repository", models.CharField(max_length=200)),
            ("path", models.CharField(max_length=300)),
            ("commit", models.CharField(blank=True, max_length=64)),
            ("key", models.CharField(max_length=210)),
            ("line", models.PositiveIntegerField(blank=True, null=True)),
            ("lines", models.JSONField(default=dict)),
            ("body", models.JSONField(default=dict)),
            ("declared_at", models.DateTimeField()),
            ("applied_at", models.DateTimeField()),
            ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
            (
                "agent",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="declaration",
                    to="agents.agent",
                ),
            ),
            (
                "declared_by",
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
                    models.F("repository"),
                    models.F("path"),
                    models.F("key"),
                    name="declaration_names_one_agent",
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Connector",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=120, unique=True)),
            ("url", models.URLField(max_length=300)),
            ("username", models.CharField(blank=True, max_length=120)),
            ("secret", models.TextField()),
            ("class_name", models.CharField(default="cmdb_ci_business_app", max_length=80)),
            ("data_source", models.CharField(default="Chancery", max_length=80)),
            ("is_enabled", models.BooleanField(default=True)),
            ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ("run_at", models.DateTimeField(blank=True, null=True)),
            ("run_error", models.CharField(blank=True, max_length=300)),
            ("retry_at", models.DateTimeField(blank=True, null=True)),
            ("failures", models.PositiveIntegerField(default=0)),
            ("leaves", models.BigIntegerField(default=0)),
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
            ("lease", models.UUIDField(blank=True, editable=False, null=True)),
            ("leased_until", models.DateTimeField(blank=True, editable=False, null=True)),
        ],
        options={
            "ordering": ["name"],
        },
    ),
    migrations.CreateModel(
        name="PushedItem",
        fields=[
            (
                "id",
                models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
            ),
            ("told", models.CharField(blank=True, max_length=64)),
            (
                "state",
                models.CharField(choices=[("taken", "Taken"), ("refused", "Refused")], max_length=8),
            ),
            ("operation", models.CharField(blank=True, max_length=40)),
            ("sys_id", models.CharField(blank=True, max_length=64)),
            ("error", models.CharField(blank=True, max_length=500)),
            ("pushed_at", models.DateTimeField()),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="agents.agent",
                ),
            ),
            (
                "connector",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="items",
                    to="agents.connector",
                ),
            ),
        ],
        options={
            "ordering": ["-pushed_at", "id"],
            "constraints": [
                models.UniqueConstraint(models.F("connector"), models.F("agent"), name="agent_is_pushed_once")
            ],
        },
    ),
]


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("agents", "0002_people"),
        ("agents", "0003_registry_record"),
        ("agents", "0005_version_changes"),
        ("agents", "0006_keeping_the_record_true"),
        ("agents", "0007_discovery_inbox"),
        ("agents", "0008_principals_follow_their_teams"),
        ("agents", "0009_facets_from_an_index"),
        ("agents", "0010_visible_names"),
        ("agents", "0011_blueprints_mail_withdrawals"),
        ("agents", "0013_ai_act_classifications"),
        ("agents", "0014_declarations"),
        ("agents", "0015_connectors"),
        ("agents", "0016_connector_leases"),
        ("agents", "0017_classifications_keep_their_path"),
        ("agents", "0018_custom_fields_have_sources_of_their_own"),
    ]
    dependencies = [
        ("identity", "0002_ledger_rights"),
    ]
    operations = [
        VectorExtension(),
        migrations.RunSQL(
            "CREATE SEQUENCE agents_agent_number; GRANT USAGE ON SEQUENCE agents_agent_number TO chancery_app",
            "DROP SEQUENCE agents_agent_number",
        ),
        Together(TABLES),
    ]

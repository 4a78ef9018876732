import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import apps.kit.ids
import apps.kit.migrating

# Whatever a decision depends on raises a number in its own transaction, whoever changes it and by which way. Numbers are
# microseconds, so that none comes again where a database was set back.
STAMPS = """
CREATE FUNCTION oversight_raise(stamp text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO oversight_governancestamp AS known (key, value)
  VALUES (stamp, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
  ON CONFLICT (key) DO UPDATE SET value = greatest(known.value + 1, excluded.value)
$$;
CREATE FUNCTION oversight_stamp_policies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM oversight_raise('policies'); RETURN NULL; END $$;
CREATE FUNCTION oversight_stamp_agent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' THEN PERFORM oversight_raise('agent:' || NEW.agent_id); END IF;
  IF TG_OP <> 'INSERT' THEN
    IF TG_OP = 'DELETE' OR OLD.agent_id IS DISTINCT FROM NEW.agent_id THEN
      PERFORM oversight_raise('agent:' || OLD.agent_id);
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION oversight_stamp_level() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM oversight_raise(coalesce('agent:' || (CASE WHEN TG_OP = 'DELETE' THEN OLD.agent_id ELSE NEW.agent_id END), 'policies'));
  RETURN NULL;
END $$;
CREATE FUNCTION oversight_stamp_tool() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM oversight_raise(
    'tool:' || CASE WHEN NEW.server = '' THEN NEW.name ELSE replace(NEW.server, '/', '%2F') || '/' || NEW.name END);
  RETURN NULL;
END $$;
CREATE FUNCTION oversight_stamp_operation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM oversight_raise(
    'tool:' || CASE WHEN server = '' THEN name ELSE replace(server, '/', '%2F') || '/' || name END)
  FROM agents_tool WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.tool_id ELSE NEW.tool_id END;
  RETURN NULL;
END $$;
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON oversight_policy
  FOR EACH STATEMENT EXECUTE FUNCTION oversight_stamp_policies();
CREATE TRIGGER oversight_stamp AFTER UPDATE OF name, parent_id ON identity_team
  FOR EACH STATEMENT EXECUTE FUNCTION oversight_stamp_policies();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON oversight_levelsetting
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_level();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON oversight_agentcontrol
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_agent();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON oversight_agentbudget
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_agent();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON oversight_toolpolicy
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_agent();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON agents_toolgrant
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_agent();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OF name, server, kind, side_effect, data_classes, schema_hash ON agents_tool
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_tool();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON agents_tooloperation
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_operation();
"""
STAMPED = (
    "oversight_policy", "identity_team", "oversight_levelsetting", "oversight_agentcontrol", "oversight_agentbudget",
    "oversight_toolpolicy", "agents_toolgrant", "agents_tool", "agents_tooloperation",
)  # fmt: skip
UNSTAMPED = (
    "".join(f"DROP TRIGGER oversight_stamp ON {table};" for table in STAMPED)
    + """
DROP FUNCTION oversight_stamp_policies, oversight_stamp_agent, oversight_stamp_level, oversight_stamp_tool,
  oversight_stamp_operation, oversight_raise(text);
"""
)


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_revisions_and_risk_policy"),
        ("identity", "0002_ledger_rights"),
        ("oversight", "0001_initial"),
    ]

    operations = [
        apps.kit.migrating.Together(
            operations=[
                migrations.CreateModel(
                    name="AgentBudget",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[("calls", "Calls"), ("cost", "Cost of models")], max_length=6
                            ),
                        ),
                        ("most", models.PositiveBigIntegerField()),
                        ("window_s", models.PositiveIntegerField()),
                        ("reason", models.TextField(blank=True)),
                        ("set_at", models.DateTimeField(auto_now=True)),
                        (
                            "agent",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="budgets",
                                to="agents.agent",
                            ),
                        ),
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
                        "constraints": [
                            models.UniqueConstraint(
                                models.F("agent"),
                                models.F("kind"),
                                models.F("window_s"),
                                name="agent_has_one_budget_of_a_kind",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AgentControl",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("version", models.PositiveIntegerField(default=1)),
                        (
                            "mode",
                            models.CharField(
                                choices=[
                                    ("observe", "Observe: it goes on and is noted"),
                                    ("warn", "Warn: it goes on and people are told"),
                                    ("enforce", "Enforce: it is refused"),
                                ],
                                default="observe",
                                max_length=8,
                            ),
                        ),
                        ("reason", models.TextField(blank=True)),
                        ("set_at", models.DateTimeField(auto_now=True)),
                        (
                            "agent",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="control",
                                to="agents.agent",
                            ),
                        ),
                        (
                            "set_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.principal",
                            ),
                        ),
                    ],
                ),
                migrations.CreateModel(
                    name="Approval",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("version", models.PositiveIntegerField(default=1, editable=False)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("approve", "A person approves"),
                                    ("human_only", "A person carries it out"),
                                ],
                                default="approve",
                                max_length=10,
                            ),
                        ),
                        ("decision_id", models.UUIDField()),
                        ("tool_name", models.CharField(max_length=520)),
                        ("operation", models.CharField(blank=True, max_length=120)),
                        ("call_id", models.CharField(blank=True, max_length=255)),
                        ("conversation_id", models.CharField(blank=True, max_length=255)),
                        ("purpose", models.TextField(blank=True)),
                        ("on_behalf_of", models.CharField(blank=True, max_length=255)),
                        ("arguments", models.JSONField(default=dict)),
                        ("changed_arguments", models.JSONField(blank=True, null=True)),
                        ("digest", models.CharField(max_length=64)),
                        ("code", models.CharField(max_length=80)),
                        ("reason", models.TextField()),
                        ("risk", models.PositiveSmallIntegerField(default=0)),
                        ("needed", models.PositiveSmallIntegerField(default=1)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Waits for a person"),
                                    ("approved", "Approved"),
                                    ("denied", "Denied"),
                                    ("expired", "Nobody answered in time"),
                                    ("withdrawn", "Withdrawn by the agent"),
                                    ("used", "Approved, and the call was made"),
                                    ("done", "Carried out by a person"),
                                ],
                                default="pending",
                                max_length=10,
                            ),
                        ),
                        ("on_expiry", models.CharField(default="deny", max_length=8)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("expires_at", models.DateTimeField()),
                        ("usable_until", models.DateTimeField(blank=True, null=True)),
                        ("escalated_at", models.DateTimeField(blank=True, null=True)),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                        ("decision_reason", models.TextField(blank=True)),
                        ("seen", models.JSONField(default=dict)),
                        ("seen_digest", models.CharField(blank=True, max_length=64)),
                        ("used_at", models.DateTimeField(blank=True, null=True)),
                        ("used_decision_id", models.UUIDField(blank=True, null=True)),
                        (
                            "agent",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="approvals",
                                to="agents.agent",
                            ),
                        ),
                        (
                            "assignee",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="assigned_approvals",
                                to="identity.principal",
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
                            "requested_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.principal",
                            ),
                        ),
                        (
                            "standing",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="used_for",
                                to="oversight.standingapproval",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-risk", "created_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "pending")),
                                fields=("agent", "digest", "call_id"),
                                name="a_call_waits_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "used"), ("used_at__isnull", False)),
                                    models.Q(models.Q(("state", "used"), _negated=True), ("used_at", None)),
                                    _connector="OR",
                                ),
                                name="approval_is_used_once",
                            ),
                        ],
                        "indexes": [
                            models.Index(fields=["agent", "-created_at"], name="approval_by_agent"),
                            models.Index(
                                condition=models.Q(("state", "pending")),
                                fields=["-risk", "created_at"],
                                name="approval_waiting",
                            ),
                            models.Index(
                                condition=models.Q(("state", "pending")),
                                fields=["expires_at"],
                                name="approval_by_expiry",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ApprovalNote",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("text", models.TextField()),
                        ("written_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "approval",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="notes",
                                to="oversight.approval",
                            ),
                        ),
                        (
                            "author",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.principal",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["written_at", "pk"],
                    },
                ),
                migrations.CreateModel(
                    name="ApprovalVote",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("approves", models.BooleanField()),
                        ("reason", models.TextField(blank=True)),
                        ("open_s", models.FloatField(null=True)),
                        ("voted_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "approval",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="votes",
                                to="oversight.approval",
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
                        "constraints": [
                            models.UniqueConstraint(
                                models.F("approval"), models.F("person"), name="a_person_answers_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="GovernanceStamp",
                    fields=[
                        ("key", models.CharField(max_length=530, primary_key=True, serialize=False)),
                        ("value", models.BigIntegerField()),
                    ],
                ),
                migrations.CreateModel(
                    name="LevelSetting",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("tool", models.CharField(blank=True, max_length=520)),
                        ("operation", models.CharField(blank=True, max_length=120)),
                        (
                            "level",
                            models.CharField(
                                choices=[
                                    ("autonomous", "Autonomous"),
                                    ("notified", "A person is notified"),
                                    ("approves", "A person approves"),
                                    ("human_only", "A person acts"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("reason", models.TextField()),
                        ("set_at", models.DateTimeField(auto_now=True)),
                        (
                            "agent",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="level_settings",
                                to="agents.agent",
                            ),
                        ),
                        (
                            "set_by",
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
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="identity.team",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["tool", "operation", "id"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("agent", "team", "tool", "operation"),
                                name="oversight_level_is_set_once",
                                nulls_distinct=False,
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("agent", None), ("team", None), _connector="OR"),
                                name="oversight_level_is_of_an_agent_or_a_team",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("operation", ""), models.Q(("tool", ""), _negated=True), _connector="OR"
                                ),
                                name="an_operation_is_of_a_tool",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Policy",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("version", models.PositiveIntegerField(default=1, editable=False)),
                        ("slug", models.SlugField(max_length=80, unique=True)),
                        ("name", models.CharField(max_length=120)),
                        ("description", models.TextField(blank=True)),
                        (
                            "mode",
                            models.CharField(
                                choices=[
                                    ("shadow", "Shadow: noted, changes nothing"),
                                    ("warn", "Warn: people are told, the call goes on"),
                                    ("enforce", "Enforce"),
                                ],
                                default="shadow",
                                max_length=8,
                            ),
                        ),
                        ("candidate_percent", models.PositiveSmallIntegerField(default=0)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        ("retired_at", models.DateTimeField(blank=True, null=True)),
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
                            "active",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="oversight.policyversion",
                            ),
                        ),
                        (
                            "candidate",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="oversight.policyversion",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name_plural": "policies",
                        "ordering": ["name", "id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("candidate_percent__range", (0, 100))),
                                name="policy_is_rolled_out_to_0_to_100",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PolicyExample",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        ("question", models.JSONField()),
                        ("expected", models.CharField(max_length=8)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.principal",
                            ),
                        ),
                        (
                            "policy",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="examples",
                                to="oversight.policy",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["name", "id"],
                        "constraints": [
                            models.UniqueConstraint(
                                models.F("policy"), models.F("name"), name="policy_example_has_one_name"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PolicyVersion",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("form", models.JSONField(blank=True, null=True)),
                        ("text", models.TextField(max_length=20000)),
                        ("effect", models.CharField(max_length=8)),
                        ("outcome", models.CharField(max_length=8)),
                        ("words", models.TextField(blank=True)),
                        ("obligations", models.JSONField(default=list)),
                        ("counters", models.TextField(blank=True)),
                        ("needs_session", models.BooleanField(default=False)),
                        ("tool", models.CharField(blank=True, max_length=520)),
                        ("server", models.CharField(blank=True, max_length=255)),
                        ("agent", models.CharField(blank=True, max_length=80)),
                        ("team_name", models.CharField(blank=True, max_length=120)),
                        ("digest", models.CharField(max_length=64)),
                        (
                            "warnings",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), default=list, size=None
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("proposed", "Waits for a second person"),
                                    ("approved", "Approved"),
                                    ("refused", "Refused"),
                                ],
                                default="draft",
                                max_length=8,
                            ),
                        ),
                        ("reason", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("proposed_at", models.DateTimeField(blank=True, null=True)),
                        ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                        ("review_reason", models.TextField(blank=True)),
                        (
                            "author",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.principal",
                            ),
                        ),
                        (
                            "policy",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="versions",
                                to="oversight.policy",
                            ),
                        ),
                        (
                            "reviewer",
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
                        "ordering": ["-number"],
                        "constraints": [
                            models.UniqueConstraint(
                                models.F("policy"), models.F("number"), name="policy_version_has_one_number"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="StandingApproval",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("tool_name", models.CharField(max_length=520)),
                        ("operation", models.CharField(blank=True, max_length=120)),
                        ("limits", models.JSONField(default=dict)),
                        ("most_calls", models.PositiveIntegerField()),
                        ("used", models.PositiveIntegerField(default=0)),
                        ("until", models.DateTimeField()),
                        ("reason", models.TextField()),
                        ("given_at", models.DateTimeField(auto_now_add=True)),
                        ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        ("revoke_reason", models.TextField(blank=True)),
                        (
                            "agent",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="standing_approvals",
                                to="agents.agent",
                            ),
                        ),
                        (
                            "given_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="identity.principal",
                            ),
                        ),
                        (
                            "reviewed_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
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
                    ],
                    options={
                        "ordering": ["-given_at"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("used__lte", models.F("most_calls"))),
                                name="standing_approval_is_not_overdrawn",
                            )
                        ],
                    },
                ),
                migrations.AddField(
                    model_name="decision",
                    name="approval_id",
                    field=models.UUIDField(null=True),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="bundle",
                    field=models.CharField(blank=True, max_length=80),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="counted",
                    field=models.JSONField(default=dict),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="data_classes",
                    field=django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="digest",
                    field=models.CharField(blank=True, max_length=64),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="expires_at",
                    field=models.DateTimeField(null=True),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="findings",
                    field=models.JSONField(default=list),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="obligations",
                    field=models.JSONField(default=list),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="on_behalf_of",
                    field=models.CharField(blank=True, max_length=255),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="purpose",
                    field=models.CharField(blank=True, max_length=500),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="shadow",
                    field=models.JSONField(null=True),
                ),
                migrations.AddField(
                    model_name="decision",
                    name="team_id",
                    field=models.UUIDField(null=True),
                ),
                migrations.AddIndex(
                    model_name="decision",
                    index=models.Index(
                        condition=models.Q(("conversation_id", ""), _negated=True),
                        fields=["conversation_id", "id"],
                        name="decision_by_talk",
                    ),
                ),
                migrations.AddIndex(
                    model_name="decision",
                    index=models.Index(
                        condition=models.Q(("counted", {}), _negated=True),
                        fields=["team_id", "id"],
                        name="decision_that_counts",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(STAMPS, UNSTAMPED),
    ]

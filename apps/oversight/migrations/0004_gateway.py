"""MCP servers behind the gateway, and the definitions of their tools."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import apps.kit.ids
from apps.kit.migrating import Together

STAMP = """
CREATE FUNCTION oversight_stamp_definition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM oversight_raise(
    'tool:' || CASE WHEN server = '' THEN name ELSE replace(server, '/', '%2F') || '/' || name END)
  FROM agents_tool WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.tool_id ELSE NEW.tool_id END;
  RETURN NULL;
END $$;
CREATE TRIGGER oversight_stamp AFTER INSERT OR DELETE OR UPDATE OF state ON oversight_tooldefinition
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_definition();
"""
# Who may ask: whatever changes that for somebody raises their number.
ASKERS = """
CREATE FUNCTION oversight_stamp_principal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_TABLE_NAME = 'identity_principal' THEN
    PERFORM oversight_raise('principal:' || NEW.id);
  ELSE
    PERFORM oversight_raise('principal:' || CASE WHEN TG_OP = 'DELETE' THEN OLD.principal_id ELSE NEW.principal_id END);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER oversight_stamp AFTER UPDATE OF is_active, suspended_at, team_id ON identity_principal
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_principal();
CREATE TRIGGER oversight_stamp AFTER INSERT OR UPDATE OR DELETE ON identity_roleassignment
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_principal();
CREATE TRIGGER oversight_stamp AFTER DELETE OR UPDATE OF revoked_at, expires_at, scopes, secret_hash ON identity_apikey
  FOR EACH ROW EXECUTE FUNCTION oversight_stamp_principal();
"""
UNASKERS = """
DROP TRIGGER oversight_stamp ON identity_principal;
DROP TRIGGER oversight_stamp ON identity_roleassignment;
DROP TRIGGER oversight_stamp ON identity_apikey;
DROP FUNCTION oversight_stamp_principal();
"""
UNSTAMP = """
DROP TRIGGER oversight_stamp ON oversight_tooldefinition;
DROP FUNCTION oversight_stamp_definition();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_revisions_and_risk_policy"),
        ("identity", "0004_gateway_scope"),
        ("oversight", "0003_containment"),
    ]

    operations = [
        Together(
            [
                migrations.CreateModel(
                    name="McpUpstream",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        ("name", models.CharField(max_length=120)),
                        ("url", models.URLField(blank=True, max_length=500)),
                        (
                            "command",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=500),
                                blank=True,
                                default=list,
                                size=None,
                            ),
                        ),
                        (
                            "auth",
                            models.CharField(
                                choices=[
                                    ("none", "None"),
                                    ("bearer", "A secret"),
                                    ("oauth", "OAuth client credentials"),
                                ],
                                default="none",
                                max_length=8,
                            ),
                        ),
                        ("secret", models.TextField(blank=True)),
                        ("secret_variable", models.CharField(blank=True, max_length=60)),
                        ("client_id", models.CharField(blank=True, max_length=200)),
                        ("token_url", models.URLField(blank=True, max_length=500)),
                        ("oauth_scope", models.CharField(blank=True, max_length=300)),
                        (
                            "deadline_s",
                            models.PositiveIntegerField(
                                default=30,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(600),
                                ],
                            ),
                        ),
                        (
                            "most_at_once",
                            models.PositiveIntegerField(
                                default=32,
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(500),
                                ],
                            ),
                        ),
                        ("is_enabled", models.BooleanField(default=True)),
                        ("version", models.PositiveIntegerField(default=1, editable=False)),
                        ("last_seen_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("last_error", models.CharField(blank=True, editable=False, max_length=300)),
                        ("last_error_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                        "verbose_name": "MCP server",
                        "ordering": ["name", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="ToolDefinition",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.kit.ids.new_id, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("digest", models.CharField(max_length=64)),
                        ("definition", models.JSONField()),
                        (
                            "reasons",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=80), default=list, size=None
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pinned", "Pinned when first seen"),
                                    ("approved", "Approved"),
                                    ("held", "Held back"),
                                    ("changed", "Replaced"),
                                    ("refused", "Refused"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("first_seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("last_seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                        ("review_reason", models.TextField(blank=True)),
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
                            "tool",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="definitions",
                                to="agents.tool",
                            ),
                        ),
                        (
                            "upstream",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="definitions",
                                to="oversight.mcpupstream",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["tool__name", "-first_seen_at"],
                    },
                ),
            ]
        ),
        migrations.AddConstraint(
            model_name="mcpupstream",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("url", ""), models.Q(("command", []), _negated=True)),
                    models.Q(models.Q(("url", ""), _negated=True), ("command", [])),
                    _connector="OR",
                ),
                name="mcp_upstream_has_an_address_or_a_command",
            ),
        ),
        migrations.AddConstraint(
            model_name="tooldefinition",
            constraint=models.UniqueConstraint(
                models.F("upstream"), models.F("tool"), models.F("digest"), name="definition_is_known_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="tooldefinition",
            constraint=models.UniqueConstraint(
                models.F("upstream"),
                models.F("tool"),
                condition=models.Q(("state__in", ["pinned", "approved"])),
                name="one_definition_is_in_force",
            ),
        ),
        migrations.RunSQL(STAMP, UNSTAMP),
        migrations.RunSQL(ASKERS, UNASKERS),
    ]

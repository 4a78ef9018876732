"""Keys may have the scope gateway."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0003_suspended_principals"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="apikey",
            name="apikey_scopes_are_known",
        ),
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("ingest", "Report activity (OTLP)"),
                        ("decide", "Ask for decisions"),
                        ("read", "Read"),
                        ("write", "Change"),
                        ("report", "Report agents found in files"),
                        ("declare", "Declare agents from a repository"),
                        ("gateway", "Run an MCP gateway"),
                    ],
                    max_length=10,
                ),
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "scopes__contained_by",
                        ["ingest", "decide", "read", "write", "report", "declare", "gateway"],
                    ),
                    ("scopes__len__gt", 0),
                ),
                name="apikey_scopes_are_known",
            ),
        ),
    ]

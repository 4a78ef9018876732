"""Findings about stops that were not tried in time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0002_eu_ai_act"),
    ]

    operations = [
        migrations.AlterField(
            model_name="finding",
            name="kind",
            field=models.CharField(
                choices=[
                    ("drift.new_tool", "Tool outside the certified baseline"),
                    ("drift.model_changed", "Model changed since certification"),
                    ("certification.expired", "Certification expired"),
                    ("certification.outgrown", "Risk above what was certified"),
                    ("drift.outcome", "Outcome got worse"),
                    ("certification.departed", "Differs from its certified blueprint"),
                    ("drill.overdue", "Its stop was not tried in time"),
                ],
                max_length=40,
            ),
        ),
    ]

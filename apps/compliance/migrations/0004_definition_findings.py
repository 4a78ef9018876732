"""Findings tell that the definition of a tool changed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0003_overdue_drills"),
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
                    ("tool.definition_changed", "Definition of a tool changed"),
                    ("certification.departed", "Differs from its certified blueprint"),
                    ("drill.overdue", "Its stop was not tried in time"),
                ],
                max_length=40,
            ),
        ),
    ]

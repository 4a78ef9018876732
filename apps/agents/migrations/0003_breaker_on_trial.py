"""A third position of the breaker: on trial after a reset."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_revisions_and_risk_policy"),
    ]

    operations = [
        migrations.AlterField(
            model_name="agent",
            name="breaker_state",
            field=models.CharField(
                choices=[("armed", "Armed"), ("tripped", "Tripped"), ("on_trial", "On trial")],
                default="armed",
                max_length=10,
            ),
        ),
    ]

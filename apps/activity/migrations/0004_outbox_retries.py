"""An outbox row that fails is tried again later, not five times at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("activity", "0003_partition_any_table")]
    operations = [
        migrations.AddField("outboxitem", "try_after", models.DateTimeField(null=True)),
    ]

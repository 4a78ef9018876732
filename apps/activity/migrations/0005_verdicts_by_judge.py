"""Each judge's last word on a call is kept, so that a later one replaces its own and nobody else's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("activity", "0004_outbox_retries")]
    operations = [
        migrations.AddField(
            "toolcall",
            "verdicts",
            models.JSONField(
                blank=True,
                default=dict,
                help_text="What each judge said last: {judge: [outcome, reason, code]}.",
            ),
        ),
    ]

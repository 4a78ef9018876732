"""Principals whose keys open nothing but asking and reporting."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0002_ledger_rights"),
    ]

    operations = [
        migrations.AddField(
            model_name="principal",
            name="suspended_at",
            field=models.DateTimeField(
                blank=True, help_text="Its keys open nothing but asking and reporting since then.", null=True
            ),
        ),
    ]

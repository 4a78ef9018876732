from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("activity", "0007_replaced_calls"),
    ]

    operations = [
        migrations.AddField(
            model_name="toolcall",
            name="is_bound",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its agent was told by its own credential, or declared by a reporter of its team.",
            ),
        ),
    ]

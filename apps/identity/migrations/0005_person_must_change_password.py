from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("identity", "0004_report_scope")]
    operations = [
        migrations.AddField(
            model_name="person",
            name="must_change_password",
            field=models.BooleanField(
                default=False,
                help_text="Somebody else knows the password: it opens nothing but its own change.",
            ),
        ),
    ]

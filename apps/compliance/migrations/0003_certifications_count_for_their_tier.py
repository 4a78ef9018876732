from django.db import migrations, models

RECOUNT = """
UPDATE agents_agent SET certified_until = covered.until FROM (
    SELECT a.id, max(c.expires_at) AS until FROM agents_agent a
    LEFT JOIN compliance_certification c
        ON c.agent_id = a.id AND c.status = 'active' AND c.expires_at > now() AND c.tier >= a.tier
    WHERE a.certified_until IS NOT NULL GROUP BY a.id
) AS covered WHERE covered.id = agents_agent.id AND agents_agent.certified_until IS DISTINCT FROM covered.until
"""


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0002_eu_ai_act"),
        ("agents", "0006_keeping_the_record_true"),
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
                ],
                max_length=40,
            ),
        ),
        migrations.RunSQL(RECOUNT, migrations.RunSQL.noop),
    ]

"""An agent's principal belongs to the agent's team, also where the agent was moved before this was kept."""

from django.db import migrations

FOLLOW = """
UPDATE identity_principal AS acting SET team_id = agent.team_id FROM agents_agent AS agent
WHERE agent.principal_id = acting.id AND acting.team_id IS DISTINCT FROM agent.team_id
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0007_discovery_inbox"), ("identity", "0003_system_principal")]
    operations = [migrations.RunSQL(FOLLOW, migrations.RunSQL.noop)]

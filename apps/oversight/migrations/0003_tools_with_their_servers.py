"""Policies name a tool with its MCP server. What stood there as a plain name becomes what the agent was seen to
call by that name, and stays plain where it was seen with no server or not at all."""

import django.contrib.postgres.fields
from django.db import migrations, models

NAME_SERVERS = r"""
UPDATE oversight_toolpolicy AS policy SET allowed_tools = COALESCE((
    SELECT array_agg(DISTINCT CASE
        WHEN named ~ '^mcp__.+__.+' THEN regexp_replace(named, '^mcp__(.+?)__(.+)$', '\1/\2')
        WHEN COALESCE(seen.mcp_server, '') = '' THEN named
        ELSE replace(seen.mcp_server, '/', '%2F') || '/' || named END)
    FROM unnest(policy.allowed_tools) AS named
    LEFT JOIN agents_observedtool AS seen ON seen.agent_id = policy.agent_id AND seen.tool_name = named
), '{}')
"""


class Migration(migrations.Migration):
    dependencies = [
        ("oversight", "0002_decisions_by_day"),
        ("agents", "0006_keeping_the_record_true"),
    ]
    operations = [
        migrations.AlterField(
            model_name="toolpolicy",
            name="allowed_tools",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=520), default=list, null=True, size=None
            ),
        ),
        migrations.AlterField(
            model_name="decision", name="tool_name", field=models.CharField(max_length=520)
        ),
        migrations.RunSQL(NAME_SERVERS, migrations.RunSQL.noop),
    ]

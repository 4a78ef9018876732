"""Baselines name a tool with its MCP server, as it was seen when it was certified."""

from django.db import migrations

NAME_SERVERS = r"""
UPDATE compliance_certification AS held SET baseline = jsonb_set(held.baseline, '{tools}', COALESCE((
    SELECT jsonb_agg(DISTINCT CASE
        WHEN named ~ '^mcp__.+__.+' THEN regexp_replace(named, '^mcp__(.+?)__(.+)$', '\1/\2')
        WHEN COALESCE(seen.mcp_server, '') = '' THEN named
        ELSE replace(seen.mcp_server, '/', '%2F') || '/' || named END)
    FROM jsonb_array_elements_text(held.baseline -> 'tools') AS named
    LEFT JOIN agents_observedtool AS seen
        ON seen.agent_id = held.agent_id AND seen.tool_name = named AND seen.first_seen <= held.certified_at
), '[]'::jsonb)) WHERE held.baseline ? 'tools'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0003_certifications_count_for_their_tier"),
        ("oversight", "0003_tools_with_their_servers"),
    ]
    operations = [migrations.RunSQL(NAME_SERVERS, migrations.RunSQL.noop)]

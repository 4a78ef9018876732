"""The names that a policy may speak of: what its author can see in the registry."""

from __future__ import annotations

from apps.agents.models import Agent, Tool
from apps.agents.toolnames import ToolName
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.oversight.cedar.schema import Known


def known_to(actor: Principal) -> Known:
    """Three queries."""
    agents = (
        Agent.objects.visible_to(actor, Permission.POLICY_EDIT).on_record().values_list("slug", flat=True)
    )
    tools = Tool.objects.visible_to(actor).values_list("server", "name", "schema")
    return Known(
        agents=frozenset(agents),
        teams=frozenset(Team.objects.values_list("name", flat=True)),
        tools={str(ToolName(server, name)): schema for server, name, schema in tools},
    )

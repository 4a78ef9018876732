"""What agents may do: tool policies, decisions given, breaker trips, MCP servers behind the gateway."""

from apps.oversight.models.breaker import BreakerTrip
from apps.oversight.models.decisions import Decision
from apps.oversight.models.gateway import McpUpstream, ToolDefinition
from apps.oversight.models.tool_policies import BlueprintPolicy, ToolPolicy

__all__ = ["BlueprintPolicy", "BreakerTrip", "Decision", "McpUpstream", "ToolDefinition", "ToolPolicy"]

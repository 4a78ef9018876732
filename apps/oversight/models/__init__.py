"""What agents may do: policies, levels, decisions given, approvals, stops and their limits, kill switches,
containment, MCP servers behind the gateway."""

from apps.oversight.models.approvals import Approval, ApprovalNote, ApprovalVote, StandingApproval
from apps.oversight.models.breaker import BreakerRule, BreakerTrip
from apps.oversight.models.containment import Acknowledgement, ContainmentOrder, Drill, EnforcementPoint
from apps.oversight.models.control import AgentBudget, AgentControl, GovernanceStamp, LevelSetting, Mode
from apps.oversight.models.decisions import Decision
from apps.oversight.models.gateway import McpUpstream, ToolDefinition
from apps.oversight.models.kill_switches import KillSwitch
from apps.oversight.models.policies import Policy, PolicyExample, PolicyMode, PolicyVersion
from apps.oversight.models.tool_policies import BlueprintPolicy, ToolPolicy

__all__ = [
    "Acknowledgement", "AgentBudget", "AgentControl", "Approval", "ApprovalNote", "ApprovalVote", "BlueprintPolicy",
    "BreakerRule", "BreakerTrip", "ContainmentOrder", "Decision", "Drill", "EnforcementPoint", "GovernanceStamp", "KillSwitch",
    "LevelSetting", "McpUpstream", "Mode", "Policy", "PolicyExample", "PolicyMode", "PolicyVersion", "StandingApproval", "ToolDefinition",
    "ToolPolicy",
]  # fmt: skip

"""What agents may do: policies, levels, decisions given, approvals, breaker trips."""

from apps.oversight.models.approvals import Approval, ApprovalNote, ApprovalVote, StandingApproval
from apps.oversight.models.breaker import BreakerTrip
from apps.oversight.models.control import AgentBudget, AgentControl, GovernanceStamp, LevelSetting, Mode
from apps.oversight.models.decisions import Decision
from apps.oversight.models.policies import Policy, PolicyExample, PolicyMode, PolicyVersion
from apps.oversight.models.tool_policies import BlueprintPolicy, ToolPolicy

__all__ = [
    "AgentBudget", "AgentControl", "Approval", "ApprovalNote", "ApprovalVote", "BlueprintPolicy", "BreakerTrip",
    "Decision", "GovernanceStamp", "LevelSetting", "Mode", "Policy", "PolicyExample", "PolicyMode", "PolicyVersion",
    "StandingApproval", "ToolPolicy",
]  # fmt: skip

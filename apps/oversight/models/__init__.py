"""What agents may do: tool policies, decisions given, breaker trips and their limits, kill switches, containment."""

from apps.oversight.models.breaker import BreakerRule, BreakerTrip
from apps.oversight.models.containment import Acknowledgement, ContainmentOrder, Drill, EnforcementPoint
from apps.oversight.models.decisions import Decision
from apps.oversight.models.kill_switches import KillSwitch
from apps.oversight.models.tool_policies import BlueprintPolicy, ToolPolicy

__all__ = [
    "Acknowledgement", "BlueprintPolicy", "BreakerRule", "BreakerTrip", "ContainmentOrder", "Decision", "Drill",
    "EnforcementPoint", "KillSwitch", "ToolPolicy",
]  # fmt: skip

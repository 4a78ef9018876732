"""How an agent is held: its mode, levels of oversight, budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.agents.access import require_for
from apps.agents.models import Agent, OversightLevel
from apps.agents.services.registry import lock_agent
from apps.agents.toolnames import tool_named
from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, NotFound, StaleWrite, require_reason
from apps.oversight.models import AgentBudget, AgentControl, LevelSetting, Mode

ORDER = list(OversightLevel.values)


@dataclass(frozen=True)
class LevelChoice:
    """For an agent, a team or (both None) everybody; '' stands for every tool, every operation."""

    level: str
    reason: str
    agent: Agent | None = None
    team: Team | None = None
    tool: str = ""
    operation: str = ""


@transaction.atomic
def set_mode(
    agent: Agent, mode: str, *, actor: Principal, reason: str, version: int | None = None
) -> AgentControl:
    """What becomes of this agent's calls that nothing on record covers."""
    agent = lock_agent(agent)
    require_for(actor, Permission.POLICY_EDIT, agent)
    if mode not in Mode.values:
        raise InvalidInput("The mode was not set.", fields={"mode": f"One of {', '.join(Mode.values)}"})
    require_reason(reason, "Say why")
    known = AgentControl.objects.filter(agent=agent).first()
    if version is not None and version != (known.version if known else 0):
        raise StaleWrite("The mode was changed meanwhile; look at it again.")
    before = known.mode if known else Mode.OBSERVE
    control, _ = AgentControl.objects.update_or_create(
        agent=agent,
        defaults={
            "mode": mode, "reason": reason.strip(), "set_by": actor, "version": (known.version if known else 0) + 1,
        },
    )  # fmt: skip
    _record("oversight.mode.set", actor, ("agent", agent.pk), reason, {"before": str(before), "after": mode})
    return control


@transaction.atomic
def set_level(choice: LevelChoice, *, actor: Principal) -> LevelSetting:
    """How much a person is in the loop for these calls from now on."""
    _require_may_set(choice.agent, choice.team, actor)
    require_reason(choice.reason, "Say why this much, an auditor reads it")
    if choice.level not in ORDER:
        raise InvalidInput("The level was not set.", fields={"level": f"One of {', '.join(ORDER)}"})
    tool = str(tool_named(choice.tool)) if choice.tool.strip() else ""
    if choice.operation and not tool:
        raise InvalidInput("The level was not set.", fields={"operation": "Name the tool that has it"})
    where: dict[str, Any] = {
        "agent": choice.agent,
        "team": choice.team,
        "tool": tool,
        "operation": choice.operation.strip(),
    }
    before = LevelSetting.objects.filter(**where).first()
    setting, _ = LevelSetting.objects.update_or_create(
        **where, defaults={"level": choice.level, "reason": choice.reason.strip(), "set_by": actor}
    )
    detail = {
        "tool": tool, "operation": setting.operation, "before": before.level if before else "", "after": choice.level,
        "lowered": bool(before and ORDER.index(choice.level) < ORDER.index(before.level)),
    }  # fmt: skip
    _record("oversight.level.set", actor, _target(setting), choice.reason, detail)
    return setting


@transaction.atomic
def drop_level(setting: LevelSetting, *, actor: Principal, reason: str) -> None:
    """Back to what holds without it."""
    _require_may_set(setting.agent, setting.team, actor)
    require_reason(reason, "Say why")
    detail = {"tool": setting.tool, "operation": setting.operation, "before": setting.level}
    target = _target(setting)
    setting.delete()
    _record("oversight.level.dropped", actor, target, reason, detail)


@transaction.atomic
def set_budget(
    agent: Agent, kind: str, most: int, window_s: int, *, actor: Principal, reason: str
) -> AgentBudget:
    """At most so many calls, or millionths of a dollar for models, in a window that always ends now."""
    agent = lock_agent(agent)
    require_for(actor, Permission.POLICY_EDIT, agent)
    require_reason(reason, "Say why")
    fields = {}
    if kind not in AgentBudget.Kind.values:
        fields["kind"] = f"One of {', '.join(AgentBudget.Kind.values)}"
    if most < 0:
        fields["most"] = "0 or more"
    if not 60 <= window_s <= 31 * 86_400:
        fields["window_s"] = "60 seconds to 31 days"
    if fields:
        raise InvalidInput("The budget was not set.", fields=fields)
    budget, _ = AgentBudget.objects.update_or_create(
        agent=agent,
        kind=kind,
        window_s=window_s,
        defaults={"most": most, "reason": reason.strip(), "set_by": actor},
    )
    detail = {"kind": kind, "most": most, "window_s": window_s}
    _record("oversight.budget.set", actor, ("agent", agent.pk), reason, detail)
    return budget


@transaction.atomic
def drop_budget(agent: Agent, budget_id: int, *, actor: Principal, reason: str) -> None:
    agent = lock_agent(agent)
    require_for(actor, Permission.POLICY_EDIT, agent)
    require_reason(reason, "Say why")
    budget = AgentBudget.objects.filter(agent=agent, pk=budget_id).first()
    if budget is None:
        raise NotFound("The agent has no such budget.")
    detail = {"kind": budget.kind, "most": budget.most, "window_s": budget.window_s}
    budget.delete()
    _record("oversight.budget.dropped", actor, ("agent", agent.pk), reason, detail)


def _require_may_set(agent: Agent | None, team: Team | None, actor: Principal) -> None:
    if agent is not None:
        require_for(actor, Permission.POLICY_EDIT, agent)
    else:
        require(actor, Permission.POLICY_EDIT, team.pk if team else None)


def _target(setting: LevelSetting) -> tuple[str, object]:
    if setting.agent_id:
        return ("agent", setting.agent_id)
    return ("team", setting.team_id) if setting.team_id else ("installation", "levels")


def _record(
    action: str, actor: Principal, target: tuple[str, object], reason: str, detail: Mapping[str, object]
) -> None:
    record_act(action, actor=actor, target=target, reason=reason.strip(), detail=detail)

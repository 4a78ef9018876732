"""Setting the tools an agent may call."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.agents.services.registry import lock_agent
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, StaleWrite
from apps.oversight.models import ToolPolicy

MOST_TOOLS = 500


@transaction.atomic
def set_tool_policy(
    agent: Agent,
    allowed_tools: Iterable[str],
    *,
    actor: Principal,
    reason: str = "",
    version: int | None = None,
) -> ToolPolicy:
    """Allow exactly these tools from the next call on. `version` refuses a stale write (0: none yet)."""
    tools = _clean(allowed_tools)
    agent = lock_agent(agent)  # one policy writer per agent at a time
    require_for(actor, Permission.POLICY_EDIT, agent)
    policy = ToolPolicy.objects.filter(agent=agent).first()
    known = policy.version if policy else 0
    if version is not None and version != known:
        raise StaleWrite(f"The policy was changed meanwhile; it is at version {known} now.")
    before = policy.allowed_tools if policy else None
    if policy and before == tools:
        return policy
    policy, _ = ToolPolicy.objects.update_or_create(
        agent=agent, defaults={"allowed_tools": tools, "version": known + 1, "updated_by": actor}
    )
    record_act(
        "oversight.policy.set",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason,
        detail={"before": before, "after": tools, "version": policy.version},
    )
    return policy


@transaction.atomic
def drop_tool_policy(agent: Agent, *, actor: Principal, reason: str) -> None:
    """Stop limiting the agent's tools. Does nothing when there is no policy."""
    agent = lock_agent(agent)
    require_for(actor, Permission.POLICY_EDIT, agent)
    policy = ToolPolicy.objects.filter(agent=agent).first()
    if policy is None:
        return
    record_act(
        "oversight.policy.dropped",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason,
        detail={"before": policy.allowed_tools},
    )
    policy.delete()


def _clean(names: Iterable[str]) -> list[str]:
    tools = sorted({name.strip() for name in names if name.strip()})
    if len(tools) > MOST_TOOLS:
        raise InvalidInput("The policy was not set.", fields={"allowed_tools": f"At most {MOST_TOOLS} tools"})
    if any(len(name) > 255 for name in tools):
        raise InvalidInput(
            "The policy was not set.", fields={"allowed_tools": "A tool's name has at most 255 characters"}
        )
    return tools

"""Setting the tools an agent may call."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.agents.services.registry import lock_agent
from apps.agents.toolnames import LONGEST, tool_named
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, StaleWrite, require_reason
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
    """Allow exactly these tools from the next call on. `version` refuses a stale write (0: none yet).

    A plain name allows the tool of no server: one of an MCP server is named `server/tool`.
    """
    tools = clean_tools(allowed_tools)
    agent = lock_agent(agent)  # one policy writer per agent at a time
    require_for(actor, Permission.POLICY_EDIT, agent)
    policy = ToolPolicy.objects.filter(agent=agent).first()
    known = policy.version if policy else 0
    _require_version(policy, version)
    before = policy.allowed_tools if policy else None
    if policy and before == tools:
        return policy
    policy, _ = ToolPolicy.objects.update_or_create(
        agent=agent,
        defaults={"allowed_tools": tools, "version": known + 1, "updated_by": actor, "through": None},
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
def drop_tool_policy(agent: Agent, *, actor: Principal, reason: str, version: int | None = None) -> None:
    """Stop limiting the agent's tools. Does nothing when there is no policy. `version` refuses a stale write."""
    agent = lock_agent(agent)
    require_for(actor, Permission.POLICY_EDIT, agent)
    require_reason(reason, "Say why its tools are no longer limited")
    policy = ToolPolicy.objects.limiting().filter(agent=agent).first()
    _require_version(policy, version)
    if policy is None:
        return
    record_act(
        "oversight.policy.dropped",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason.strip(),
        detail={"before": policy.allowed_tools, "version": policy.version + 1},
    )
    policy.allowed_tools, policy.version, policy.updated_by = None, policy.version + 1, actor
    policy.through = None
    policy.save()


def _require_version(policy: ToolPolicy | None, version: int | None) -> None:
    known = policy.version if policy else 0
    if version is not None and version != known:
        raise StaleWrite(f"The policy was changed meanwhile; it is at version {known} now.")


def clean_tools(names: Iterable[str]) -> list[str]:
    """The names as policies keep them, sorted and each once. Raises InvalidInput for too many or too long ones."""
    tools = sorted({str(tool_named(name)) for name in names if name.strip()})
    if len(tools) > MOST_TOOLS:
        raise InvalidInput("The policy was not set.", fields={"allowed_tools": f"At most {MOST_TOOLS} tools"})
    if any(len(name) > LONGEST for name in tools):
        words = f"A server and its tool have at most {LONGEST} characters together"
        raise InvalidInput("The policy was not set.", fields={"allowed_tools": words})
    return tools

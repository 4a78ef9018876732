"""What a gateway needs to know: its servers with their secrets, which tools are as they were pinned, who may call what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max
from django.utils import timezone

from apps.agents.models import Agent
from apps.agents.toolnames import ToolName
from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import Conflict, NotFound, NotPermitted
from apps.kit.sealing import unseal
from apps.oversight.models import McpUpstream, ToolDefinition
from apps.oversight.rules import Objection, objection_to, standing_objection
from apps.oversight.services.upstreams import PURPOSE
from apps.oversight.situations import situation_of


@dataclass(frozen=True)
class Admission:
    """Who asks, and what of a server it may use now. `objection`: why it may do nothing at all."""

    agent: Agent
    tools: list[str]
    objection: Objection | None


def configuration_version(gateway: Principal) -> str:
    """Changes with everything `configuration_of` says; two queries, whatever there is."""
    upstreams = McpUpstream.objects.served_by(gateway)
    definitions = ToolDefinition.objects.filter(upstream__in=upstreams.order_by())
    marks = [_mark(upstreams), _mark(definitions)]
    return "-".join(f"{count}.{at.timestamp() if at else 0:.6f}" for count, at in marks)


def configuration_of(gateway: Principal) -> list[dict[str, Any]]:
    """Its servers, with their secrets in the clear: for a gateway only. Two queries."""
    upstreams = list(McpUpstream.objects.served_by(gateway).select_related("team").filter(is_enabled=True))
    tools = tools_by_upstream(upstreams)
    return [_told(one, tools[one.pk]) for one in upstreams]


def tools_by_upstream(upstreams: Collection[McpUpstream]) -> dict[UUID, dict[str, dict[str, Any]]]:
    """Of each server its tools by name: the digest in force ('' while there is none), and whether the tool is held back."""
    rows = ToolDefinition.objects.filter(upstream__in=upstreams).exclude(state="changed").order_by()
    found: dict[UUID, dict[str, dict[str, Any]]] = defaultdict(dict)
    for pk, name, digest, state in rows.values_list("upstream", "tool__name", "digest", "state"):
        tool = found[pk].setdefault(name, {"digest": "", "is_held": False})
        if state in ToolDefinition.IN_FORCE:
            tool["digest"] = digest
        else:
            tool["is_held"] = True
    return found


def admit(upstream: McpUpstream, agent: Agent, tools: Collection[str], *, actor: Principal) -> Admission:
    """Which of these tools the agent may call as things stand, without deciding on any call.

    Raises NotFound where the server serves other teams only, NotPermitted for a key that could not report what it did.
    """
    if upstream.team_id is not None and upstream.team_id != agent.team_id:
        raise NotFound("There is no such MCP server for this agent.", code="gateway.no_such_server")
    if not access_of(actor).allows_somewhere(Permission.INGEST):
        words = "Every call through the gateway is reported: give the key the scope ingest beside decide."
        raise NotPermitted(words, code="gateway.key_cannot_report")
    agent = Agent.objects.select_related("tool_policy").get(pk=agent.merged_into_id or agent.pk)
    situation, now = situation_of(agent), timezone.now()
    may = [name for name in tools if objection_to(situation, ToolName(upstream.slug, name), now) is None]
    return Admission(agent, may, standing_objection(situation, now))


def _mark(rows: Any) -> tuple[int, datetime | None]:
    found = rows.aggregate(count=Count("pk"), at=Max("changed_at"))
    return found["count"], found["at"]


def _told(upstream: McpUpstream, tools: dict[str, dict[str, Any]]) -> dict[str, Any]:
    secret, fault = _secret_of(upstream)
    return {
        "slug": upstream.slug, "url": upstream.url, "command": upstream.command, "auth": upstream.auth, "secret": secret,
        "secret_variable": upstream.secret_variable, "client_id": upstream.client_id, "token_url": upstream.token_url,
        "oauth_scope": upstream.oauth_scope, "deadline_s": upstream.deadline_s, "most_at_once": upstream.most_at_once,
        "team": upstream.team_id, "fault": fault, "tools": tools,
    }  # fmt: skip


def _secret_of(upstream: McpUpstream) -> tuple[str, str]:
    """The secret, and what is wrong with it: one that cannot be read must not take the other servers down."""
    if not upstream.secret:
        return "", ""
    try:
        return unseal(upstream.secret, PURPOSE), ""
    except Conflict as error:
        return "", error.message

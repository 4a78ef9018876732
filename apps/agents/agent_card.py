"""The A2A card of a registered agent: what other agents read before they call it (Agent2Agent protocol 1.0)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse

from apps.agents.models import Agent
from apps.kit.errors import Conflict

PROTOCOL_VERSION = "1.0"
BINDINGS = {"grpc": "GRPC", "grpcs": "GRPC"}
TEXT = "text/plain"


def agent_card(agent: Agent) -> dict[str, Any]:
    """The card. What the register knows beyond the protocol stands in one extension that nobody has to understand.

    Raises Conflict for an agent without an address: a card that leads nowhere is none. One query.
    """
    interfaces = [_interface(endpoint) for endpoint in agent.endpoints if "://" in endpoint]
    if not interfaces:
        raise Conflict(
            f"{agent.name} has no endpoint on record that others could call.",
            code="agents.no_endpoint",
            fields={"endpoints": "Enter an address such as https://agents.example.org/refunds"},
        )
    latest = agent.versions.first()
    return {
        "name": agent.name,
        "description": agent.purpose,
        "version": str(latest.number) if latest else "1",
        "supportedInterfaces": interfaces,
        "provider": {"organization": settings.ORGANISATION, "url": settings.PUBLIC_URL},
        "documentationUrl": f"{settings.PUBLIC_URL}{reverse('agents:detail', args=[agent.pk])}",
        "capabilities": {"extensions": [_standing(agent)]},
        "defaultInputModes": [TEXT],
        "defaultOutputModes": [TEXT],
        "skills": [
            {
                "id": agent.slug,
                "name": agent.name,
                "description": agent.purpose,
                "tags": agent.tags or ["agent"],
            }
        ],
    }


def _interface(endpoint: str) -> dict[str, str]:
    binding = BINDINGS.get(endpoint.partition("://")[0], "JSONRPC")
    return {"url": endpoint, "protocolBinding": binding, "protocolVersion": PROTOCOL_VERSION}


def _standing(agent: Agent) -> dict[str, Any]:
    standing = {
        "ref": agent.ref, "state": agent.state, "tier": agent.tier,
        "certifiedUntil": agent.certified_until.isoformat() if agent.certified_until else None,
        "team": agent.team.name if agent.team else None,
    }  # fmt: skip
    return {
        "uri": f"{settings.PUBLIC_URL}/a2a/standing/v1",
        "description": "Where the agent stands in the register of its organisation",
        "required": False,
        "params": {name: value for name, value in standing.items() if value is not None},
    }

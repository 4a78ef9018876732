"""Retirement ends everything an agent could act with."""

from __future__ import annotations

import pytest

from apps.agents.models import Tool
from apps.agents.services.grants import GrantRequest, grant_tool
from apps.identity.models import ApiKey, LedgerEntry
from apps.identity.roles import Role
from apps.lifecycle.services.moves import move_agent
from tests import factories

pytestmark = pytest.mark.django_db


def test_retiring_an_agent_revokes_its_credentials() -> None:
    agent, curator = factories.make_agent("registered", tier=2), factories.make_person(Role.CURATOR)
    client = factories.client_of(agent.principal, "decide", "read")
    other = factories.client_of(factories.make_agent("registered", tier=2).principal, "decide")
    tool = Tool.objects.create(name="refund_order")
    grant_tool(agent, GrantRequest(tool, "Its work"), actor=curator)
    assert client.post("/api/v1/decisions", {"tool": "refund_order"}).status_code == 200
    move_agent(agent, "retire", actor=curator, reason="Replaced.")
    assert client.post("/api/v1/decisions", {"tool": "refund_order"}).status_code == 401
    assert other.post("/api/v1/decisions", {"tool": "refund_order"}).status_code == 200
    agent.principal.refresh_from_db()
    assert not agent.principal.is_active
    assert not ApiKey.objects.filter(principal=agent.principal, revoked_at=None).exists()
    assert not agent.grants.active().exists()
    told = set(LedgerEntry.objects.values_list("action", flat=True))
    assert {"identity.api_key.revoked", "identity.principal.deactivated", "agents.grant.revoked"} <= told

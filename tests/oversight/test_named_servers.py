"""What policies and baselines said before tools were named with their servers keeps its meaning."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection
from django.utils import timezone

from apps.agents.services.discovery import ToolUse, record_tool_uses
from apps.compliance.models import Certification
from apps.oversight.models import ToolPolicy
from tests import factories

pytestmark = pytest.mark.django_db


def run(migration: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(import_module(migration).NAME_SERVERS)


def test_a_plain_name_becomes_what_the_agent_was_seen_to_call_by_it() -> None:
    agent, now = factories.make_agent("registered", tier=3), timezone.now()
    record_tool_uses([ToolUse(agent.pk, "alpha", server, 1, now, now) for server in ("good", "a/b")])
    record_tool_uses([ToolUse(agent.pk, "own", "", 1, now, now)])
    old = ["alpha", "own", "never_seen", "mcp__crm__find__all"]
    new = ["a%2Fb/alpha", "crm/find__all", "good/alpha", "never_seen", "own"]
    ToolPolicy.objects.create(agent=agent, allowed_tools=old, updated_by=agent.owner)
    held = factories.certify(agent)
    Certification.objects.filter(pk=held.pk).update(baseline={"tools": old, "models": ["m"]})
    record_tool_uses([ToolUse(agent.pk, "alpha", "later", 1, timezone.now(), timezone.now())])
    run("apps.compliance.migrations.0004_baselines_with_servers")
    held.refresh_from_db()
    assert (sorted(held.baseline["tools"]), held.baseline["models"]) == (new, ["m"])
    run("apps.oversight.migrations.0003_tools_with_their_servers")
    assert sorted(ToolPolicy.objects.get().allowed_tools or []) == sorted([*new, "later/alpha"])


def test_an_empty_policy_stays_empty() -> None:
    agent = factories.make_agent("registered", tier=3)
    ToolPolicy.objects.create(agent=agent, allowed_tools=[], updated_by=agent.owner)
    run("apps.oversight.migrations.0003_tools_with_their_servers")
    assert ToolPolicy.objects.get().allowed_tools == []

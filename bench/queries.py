"""Queries each page asks of the database, with few agents and with many: the number must not grow.

    python bench/queries.py           10 and 500 agents
    python bench/queries.py --quick   3 and 30

Runs the pages in this process on embedded servers of its own. Keys: one for each page (queries with the larger
fleet), `grows` (pages whose number grew).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django

import tests.services  # starts servers and sets the environment before Django loads

django.setup()

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext, setup_test_environment
from django.utils import timezone

from apps.activity.models import ToolCall
from apps.agents.models import Agent, Blueprint, ObservedTool
from apps.compliance.services.findings import FindingDraft, raise_finding
from apps.identity.models import Principal
from apps.identity.roles import Role
from bench.rig import arguments, result, say
from tests import factories

PAGES = {
    "home": "/", "feed": "/feed/", "agents": "/agents/", "discovery": "/discovery/", "findings": "/findings/",
    "certifications": "/certifications/", "ledger": "/ledger/", "people": "/people/", "keys": "/keys/",
    "blueprints": "/blueprints/", "blueprint": "/blueprints/{blueprint}/", "grants": "/agents/{agent}/grants/",
    "record": "/agents/{agent}/", "activity": "/agents/{agent}/activity/", "outcomes": "/outcomes/", "agent_outcomes": "/agents/{agent}/outcomes/", "tools": "/agents/{agent}/tools/",
    "risk": "/agents/{agent}/risk/", "ai_act": "/agents/{agent}/ai-act/", "risk_policies": "/risk-policy/",
    "quality": "/quality/", "rest_risk": "/api/v1/agents/{agent}/risk",
    "lifecycle": "/agents/{agent}/lifecycle/", "rest_agents": "/api/v1/agents", "rest_calls": "/api/v1/calls",
    "rest_findings": "/api/v1/findings", "rest_certifications": "/api/v1/certifications",
}  # fmt: skip


def make_fleet(size: int) -> Agent:
    """`size` agents, each with tools, a call, a finding and a certification; returns one of them."""
    source, now = factories.make_source(), timezone.now()
    officer = factories.make_person(Role.COMPLIANCE)
    blueprint = Blueprint.objects.create(name="Fleet", defaults={"framework": "crewai", "countries": ["FI"]})
    for number in reversed(range(size)):
        state = "registered" if number % 3 == 0 else "discovered"
        agent = factories.make_agent(state, tier=2, blueprint=blueprint)
        ObservedTool.objects.create(agent=agent, tool_name="lookup", calls=1, first_seen=now, last_seen=now)
        ToolCall.objects.create(
            position=number + 1, agent=agent, source_id=source.pk, trace_id=b"t" * 16, span_id=b"s" * 8, started_at=now,
            tool_name="lookup", outcome="allowed",
        )  # fmt: skip
        raise_finding(FindingDraft(agent, "drift.new_tool", "k", "high", "A new tool", "It called one."))
        factories.certify(agent, officer)
    return agent


def count(agent: Agent, actor: Principal) -> dict[str, int]:
    """Queries of each page for a signed-in administrator, with nothing remembered in the cache."""
    client, found = Client(), {}
    client.force_login(actor.person, backend="apps.identity.auth.PersonBackend")
    for name, path in PAGES.items():
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(path.format(agent=agent.pk, blueprint=agent.blueprint_id))
        if answer.status_code != 200:
            raise SystemExit(f"{path} answered {answer.status_code}")
        found[name] = len(asked)
    return found


def measured(size: int) -> dict[str, int]:
    """The counts with a fleet of this size; everything is undone."""
    with transaction.atomic():
        found = count(make_fleet(size), factories.make_person(Role.ADMINISTRATOR))
        transaction.set_rollback(True)
    return found


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    setup_test_environment()
    small, large = (3, 30) if given.quick else (10, 500)
    say(f"{small} agents")
    few = measured(small)
    say(f"{large} agents")
    many = measured(large)
    result(**many, grows=[name for name in PAGES if many[name] > few[name]])
    return 0


if __name__ == "__main__":
    assert tests.services
    sys.exit(main())

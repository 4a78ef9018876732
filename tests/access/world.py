"""One small world in which every address can be asked by everybody: team A has an agent, team B has none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from apps.activity.models import Alert, Erasure, ReadBack, ToolCall
from apps.agents.matching import Found
from apps.agents.models import (
    Agent,
    AgentMerge,
    AiActClassification,
    Blueprint,
    BlueprintGrant,
    Campaign,
    CampaignItem,
    CampaignMail,
    Candidate,
    Claim,
    Connector,
    CurationJob,
    CustomField,
    DataSource,
    Declaration,
    Dependency,
    ModelEndpoint,
    PredictiveModel,
    RiskPolicy,
    SavedView,
    System,
    Tool,
    ToolGrant,
)
from apps.agents.risk import STANDARD
from apps.agents.services.candidates import Origins, report_findings
from apps.compliance.models import BlueprintCertification, Certification, Finding, Framework
from apps.compliance.services.findings import FindingDraft, raise_finding
from apps.identity.models import ApiKey, LedgerEntry, Principal, WebhookDelivery, WebhookEndpoint
from apps.identity.roles import Role
from apps.kit.ids import new_id
from apps.oversight.models import (
    AgentBudget,
    Approval,
    BreakerTrip,
    ContainmentOrder,
    Decision,
    Drill,
    KillSwitch,
    LevelSetting,
    McpUpstream,
    Policy,
    PolicyExample,
    PolicyVersion,
    StandingApproval,
    ToolDefinition,
)
from tests import factories

PEOPLE = (
    "viewer", "owner", "other_owner", "curator", "operator", "compliance", "auditor", "administrator", "nobody",
)  # fmt: skip
MACHINES = ("agent_itself", "other_agent", "ingest_key", "report_key", "read_only_key")
ACTORS = ("anonymous", *PEOPLE, *MACHINES)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SKIPPED = {"admin"}  # the administration site has its own test


@dataclass
class World:
    """The actors and the things the addresses are about."""

    agent: Agent
    call: ToolCall
    finding: Finding
    certification: Certification
    key: ApiKey
    decision: Decision
    record: dict[str, Any]
    actors: dict[str, Principal] = field(default_factory=dict)
    clients: dict[tuple[str, bool], tuple[Any, str]] = field(default_factory=dict)

    def client(self, name: str, *, rest: bool) -> Any:
        """A client of this actor, made once, as it was at first; None where a machine has no business (pages)."""
        known = self.clients.get((name, rest))
        if known is None:
            made = self._make_client(name, rest=rest)
            known = self.clients[(name, rest)] = (made, made.cookies.output() if made else "")
        client, cookies = known
        if client is not None and client.cookies.output() != cookies:  # somebody signed out meanwhile
            self.clients.pop((name, rest))
            return self.client(name, rest=rest)
        return client

    def _make_client(self, name: str, *, rest: bool) -> Any:
        if name == "anonymous":
            return APIClient() if rest else Client()
        if not rest:
            return self._signed_in(name) if name in PEOPLE else None
        scopes = {"ingest_key": ("ingest",), "report_key": ("report",), "read_only_key": ("read",)}.get(
            name, ("read", "write", "decide", "ingest", "report")
        )
        return factories.client_of(self.actors[name], *scopes)

    def arguments(self, names: set[str], route: str) -> dict[str, Any]:
        """What stands in the address, by parameter and resource."""
        nested = next((pk for part, pk in self.record.items() if f"/{part}/<" in route), None)
        by_resource = {
            "people": self.actors["viewer"].pk, "teams": self.agent.team_id, "api-keys": self.key.pk,
            "certifications": self.certification.pk, "findings": self.finding.pk, "decisions": self.decision.pk,
            "calls": self.call.pk, "webhooks": self.record["webhooks"], "agents": self.agent.pk,
            "ledger/entries": LedgerEntry.objects.order_by("pk").values_list("pk", flat=True)[0], "ledger/checkpoints": 1,
        }  # fmt: skip
        resource = next((pk for part, pk in by_resource.items() if route.startswith(f"api/v1/{part}/")), None)
        values = {
            "agent_id": self.agent.pk, "call_id": self.call.pk, "finding_id": self.finding.pk, "key_id": self.key.pk,
            "certification_id": self.certification.pk, "entry_id": by_resource["ledger/entries"], "key": "eu-ai-act",
            "pk": nested or resource or self.agent.pk, "kind": "csv", "name": "framework", "verb": "cancel",
            "job_id": self.record["jobs"], "view_id": self.record["views"], "merge_id": self.record["merges"],
            "tool_id": self.record["tools"], "campaign_id": self.record["campaigns"], "claim_id": self.record["claims"], "mail_id": self.record["mails"],
            "person_id": self.actors["viewer"].pk, "team_id": self.agent.team_id, "code": "AIA-STOP",
            "blueprint_id": self.record["blueprints"], "grant_id": self.record["grants"], "role_id": self.actors["viewer"].roles.values_list("pk", flat=True)[0],
            "policy_id": self.record["risk-policies"],
            "at": 0, "conversation": self.call.conversation_id, "number": 1, "webhook_id": self.record["webhooks"], "delivery_id": self.record["deliveries"],
            "connector_id": self.record["connectors"], "trip_id": self.record["trips"], "switch_id": self.record["switches"], "cause": "errors", "tier": 3,
            "level_id": self.record["levels"], "budget_id": self.record["budgets"], "example_id": self.record["examples"],
            "approval_id": self.record["approvals"], "standing_id": self.record["standing-approvals"],
            "upstream_id": self.record["mcp-upstreams"], "definition_id": self.record["definitions"],
            "alert_id": self.record["alerts"], "of": "spans", "erasure_id": self.record["erasures"],
        }  # fmt: skip
        for part, others in self._by_route().items():
            if part in f"^{route}":
                values |= others
        return {name: values[name] for name in names}

    def _by_route(self) -> dict[str, dict[str, Any]]:
        """What a parameter of the same name means elsewhere, by a part of the address; the later one wins."""
        of_blueprint = {
            "grant_id": self.record["blueprint-grants"],
            "certification_id": self.record["blueprint-certifications"],
        }
        return {
            "^blueprints/": of_blueprint,
            "api/v1/blueprints/<uuid:blueprint_id>/grants": {"pk": self.record["blueprint-grants"]},
            "api/v1/blueprints/<uuid:blueprint_id>/certifications": {
                "pk": self.record["blueprint-certifications"]
            },
            "/policies/<uuid:policy_id>": {"policy_id": self.record["policies"]},
            "^policies/<uuid:policy_id>": {"policy_id": self.record["policies"]},
            "^policies/<uuid:policy_id>/act": {"policy_id": self.record["policies"], "verb": "roll-back"},
            "^custom-fields/": {"key": self.record["custom-fields"]},
            "^catalogue/": {"kind": "tool", "pk": self.record["tools"]},
            "^risk-policy/": {"verb": "discard"},
            "/ai-act/<": {"verb": "begin"},
            "^webhooks/": {"verb": "test"},
            "mcp-servers/": {"verb": "enable"},
            "/definitions/<": {"verb": "approve"},
            "^graph/": {"kind": "json"},
        }

    def _signed_in(self, name: str) -> Client:
        client = Client()
        client.force_login(self.actors[name].person, backend="apps.identity.auth.PersonBackend")
        return client


def make_world() -> World:
    ours, theirs = factories.make_team("Team A"), factories.make_team("Team B")
    agent = factories.make_agent("registered", tier=3, team=ours, name="order_agent")
    certification = factories.certify(agent)
    agent.refresh_from_db()
    source = factories.make_source(ours)
    now = timezone.now()
    call = ToolCall.objects.create(
        position=1, agent=agent, source_id=source.pk, trace_id=b"t" * 16, span_id=b"s" * 8, started_at=now,
        tool_name="lookup_order", outcome="allowed", conversation_id="run-of-the-order-agent",
    )  # fmt: skip
    finding = raise_finding(
        FindingDraft(agent, "drift.new_tool", "k", "high", "A new tool", "It called one.")
    )
    assert finding is not None
    decision = Decision.objects.create(
        agent=agent, asked_by=agent.principal, tool_name="lookup_order", outcome="allow", code="policy.none",
        reason="No tool policy limits this agent.", decided_at=now,
    )  # fmt: skip
    key = factories.make_key(source, ["ingest"]).key
    world = World(agent, call, finding, certification, key, decision, make_record(agent))
    world.actors = {
        "viewer": factories.make_person(Role.VIEWER, ours),
        "owner": agent.owner,
        "other_owner": factories.make_person(Role.OWNER, theirs),
        "nobody": factories.make_person(),
        "agent_itself": agent.principal,
        "other_agent": factories.make_agent(team=theirs).principal,
        "ingest_key": source,
        "report_key": factories.make_source(ours),
        "read_only_key": factories.make_person(Role.ADMINISTRATOR),
    } | {
        role.value: factories.make_person(role)
        for role in (Role.CURATOR, Role.OPERATOR, Role.COMPLIANCE, Role.AUDITOR, Role.ADMINISTRATOR)
    }
    return world


def make_record(agent: Agent) -> dict[str, Any]:
    """One of each thing of the register, by the name its address has."""
    tool = Tool.objects.create(name="lookup_order", server="orders")
    model = ModelEndpoint.objects.create(provider="openai", model="gpt-4o")
    edge = Dependency.objects.create(
        source_kind="agent", source_id=agent.pk, target_kind="model", target_id=model.pk, relation="calls", origin="declared",
    )  # fmt: skip
    grant = ToolGrant.objects.create(agent=agent, tool=tool, reason="Its work", granted_by=agent.owner)
    now = timezone.now()
    Declaration.objects.create(
        agent=agent, repository="https://git.example.org/orders", path="chancery.yaml", key="name:order_agent",
        body={"tools": [{"name": "orders/lookup_order", "grant": True}]}, declared_by=agent.owner, declared_at=now, applied_at=now,
    )  # fmt: skip
    claim = Claim.objects.create(
        agent=agent, field="framework", origin="imported", source="x", value="crewai"
    )
    job = CurationJob.objects.create(kind="bulk_edit", actor=agent.owner, title="Set framework")
    view = SavedView.objects.create(owner=agent.owner, name="Mine", query="kept=mine")
    duplicate = factories.make_agent("registered", tier=1, team=agent.team, name="duplicate")
    merge = AgentMerge.objects.create(kept=agent, merged=duplicate, actor=agent.owner, reason="Same")
    campaign = Campaign.objects.create(title="Q4", due_on=timezone.localdate(), created_by=agent.owner)
    CampaignItem.objects.create(campaign=campaign, agent=agent, asked=agent.owner)
    mail = CampaignMail.objects.create(campaign=campaign, person=agent.owner, step=1, state="failed")
    blueprint = Blueprint.objects.create(name="Ours", team=agent.team)
    given = BlueprintCertification.objects.create(
        blueprint=blueprint, framework=Framework.objects.get(key="eu-ai-act"), tier=3, evidence="Trial",
        certified_by=agent.owner, certified_at=timezone.now(), expires_at=timezone.now() + timedelta(days=90),
    )  # fmt: skip
    to_all = BlueprintGrant.objects.create(
        blueprint=blueprint, tool=tool, reason="Their work", granted_by=agent.owner
    )
    CustomField.objects.create(key="vendor", label="Vendor", kind="text")
    AiActClassification.objects.create(agent=agent, questionnaire="2026-11", begun_by=agent.owner)
    webhook = make_webhook(agent)
    upstream = McpUpstream.objects.create(
        slug="orders", name="Orders", url="https://mcp.example.org/mcp", team=agent.team, created_by=agent.owner, is_enabled=False,
    )  # fmt: skip
    held = ToolDefinition.objects.create(
        upstream=upstream, tool=tool, digest="0" * 64, definition={"name": "lookup_order"}, state="held"
    )
    alert = Alert.objects.create(
        agent=agent, detector="new_tool", cause="new_tool: export", severity="high", reason="export was never called.",
        score=7.0, first_at=now, last_at=now,
    )  # fmt: skip
    erasure = Erasure.objects.create(
        state="ready", reason="Asked for", asked_by=agent.owner, digests=["0" * 40]
    )
    seen = {"tool": "export", "argument": "id", "field": "result.id", "server": "", "of": "conversation"}
    stops = make_stops(agent)
    rule = {"within_s": 60, "observed": seen, "condition": {"test": "exists"}}
    ReadBack.objects.create(tool=tool, number=1, rule=rule, declared_by=agent.owner)
    return stops | make_control(agent) | {
        "mcp-upstreams": upstream.pk, "definitions": held.pk,
        "alerts": alert.pk, "erasures": erasure.pk,
        "blueprints": blueprint.pk, "blueprint-grants": to_all.pk, "blueprint-certifications": given.pk, "custom-fields": "vendor",
        "jobs": job.pk, "views": view.pk, "merges": merge.pk, "campaigns": campaign.pk, "mails": mail.pk,
        "connectors": Connector.objects.create(name="CMDB", url="https://cmdb.example.org", created_by=agent.owner).pk,
        "webhooks": webhook.pk, "deliveries": webhook.deliveries.get().pk,
        "tools": tool.pk, "models": model.pk, "dependencies": edge.pk, "grants": grant.pk, "claims": claim.pk,
        "predictive-models": PredictiveModel.objects.create(name="churn").pk,
        "data-sources": DataSource.objects.create(name="orders").pk,
        "systems": System.objects.create(name="core").pk,
        "discoveries": make_candidate(agent).pk,
        "risk-policies": RiskPolicy.objects.create(name="Draft", rules=STANDARD.as_json(), created_by=agent.owner).pk,
    }  # fmt: skip


def make_control(agent: Agent) -> dict[str, Any]:
    """A policy with a draft, an example, a level, a budget, a call that waits, a consent."""
    by, now = agent.owner, timezone.now()
    policy = Policy.objects.create(slug="cap", name="Cap", team=agent.team)
    text = "forbid(principal, action, resource);"
    PolicyVersion.objects.create(
        policy=policy, number=1, text=text, effect="forbid", outcome="deny", digest="0" * 64, author=by
    )
    example = PolicyExample.objects.create(
        policy=policy, name="One", question={"tool": "lookup_order"}, expected="deny", created_by=by
    )
    level = LevelSetting.objects.create(agent=agent, level="notified", reason="We watch.", set_by=by)
    budget = AgentBudget.objects.create(agent=agent, kind="calls", most=10, window_s=3600, set_by=by)
    approval = Approval.objects.create(
        agent=agent, requested_by=agent.principal, decision_id=new_id(), tool_name="lookup_order", digest="0" * 64, code="x",
        reason="Waits.", expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    standing = StandingApproval.objects.create(
        agent=agent,
        tool_name="lookup_order",
        most_calls=5,
        until=now + timedelta(days=1),
        reason="Small.",
        given_by=by,
    )
    return {
        "policies": policy.pk, "examples": example.pk, "levels": level.pk, "budgets": budget.pk, "approvals": approval.pk,
        "standing-approvals": standing.pk,
    }  # fmt: skip


def make_stops(agent: Agent) -> dict[str, Any]:
    """A stop that has ended, a kill switch of the agent's team that was released, a drill."""
    now, by = timezone.now(), agent.owner
    trip = BreakerTrip.objects.create(
        agent=agent, cause="person", reason="Odd", tripped_at=now, tripped_by=by, reset_at=now, reset_by=by
    )
    switch = KillSwitch.objects.create(
        scope="team",
        team=agent.team,
        reason="Odd",
        pulled_at=now,
        pulled_by=by,
        released_at=now,
        released_by=by,
    )
    order = ContainmentOrder.objects.create(kind="drill", scope="agent", agent=agent, reason="Odd", at=now)
    drill = Drill.objects.create(agent=agent, order=order, state="production", started_at=now, started_by=by)
    return {"trips": trip.pk, "switches": switch.pk, "kill-switches": switch.pk, "drills": drill.pk}


def make_webhook(agent: Agent) -> WebhookEndpoint:
    """An endpoint of the agent's team, and a test that was delivered to it."""
    endpoint = WebhookEndpoint.objects.create(
        name="Chat",
        url="https://hooks.example.org/a",
        events=["agents.*"],
        team=agent.team,
        created_by=agent.owner,
    )
    WebhookDelivery.objects.create(
        endpoint=endpoint, action="webhook.test", message_id="msg_1", cause="test", state="delivered"
    )
    return endpoint


def make_candidate(agent: Agent) -> Candidate:
    """Something found in a repository, in the inbox of the agent's team."""
    found = Found("crewai-code", "crewai", "agent", 0.9, "crew.py:3", name="Found agent")
    origins = Origins("repository_scan", "https://git.example.org/orders", agent.team)
    return report_findings([found], origins, actor=factories.make_person(Role.CURATOR))[0].candidate


@cache
def endpoints() -> dict[str, tuple[str, set[str]]]:
    """Every address of the project: name -> (route, parameters)."""
    return dict(sorted(_walk(get_resolver(), "", "")))


def _walk(resolver: URLResolver, prefix: str, space: str) -> Any:
    for part in resolver.url_patterns:
        route = prefix + str(part.pattern)
        if isinstance(part, URLPattern):
            yield f"{space}{part.name}", (route, set(part.pattern.converters))
        elif part.namespace not in SKIPPED:
            yield from _walk(part, route, f"{space}{part.namespace}:" if part.namespace else space)

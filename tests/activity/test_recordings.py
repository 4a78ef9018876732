"""Bodies recorded from real clients: each accepted, each tool call in them there once and told right."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from django.db.models import Sum

from apps.activity.models import CallKey, Span, ToolCall
from apps.agents.models import ObservedModel
from apps.identity.roles import Role
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.policies import set_tool_policy
from tests import factories
from tests.activity.otlp import drain, post

pytestmark = pytest.mark.django_db(transaction=True)
OK_THEN_FAILED = Counter({("lookup_order", "ok"): 1, ("refund_order", "error"): 1})
GENAI = ("pydantic-ai", "pydantic-ai-gzip", "google-adk", "google-adk-content2", "google-adk-hardfail", "autogen",
         "strands", "langchain-openinference", "langchain-traceloop", "openai-agents-openinference",
         "openai-agents-oi-chat", "crewai")  # fmt: skip
WITHOUT_CALL_ID = {"crewai": 2, "google-adk-hardfail": 1}
WITHOUT_ARGUMENTS = {"google-adk", "google-adk-hardfail", "autogen"}
CONVERSATION = {"strands": "sess-42", "langchain-openinference": "sess-42", "google-adk": "sess-42"}


@pytest.fixture
def fixtures(data_folder: Path) -> Path:
    folder = data_folder.parent / "fixtures"
    if not folder.exists():
        pytest.skip(f"no recorded client traffic at {folder}")
    return folder


def replay(folder: Path, twice: bool = False, token: str = "") -> list[int]:
    """Post every body of a client in order; returns the statuses."""
    token = token or factories.make_key(factories.make_source(), ["ingest"]).token
    statuses = []
    for file in sorted(folder.glob("*.bin")) * (2 if twice else 1):
        meta = json.loads(file.with_suffix(".meta.json").read_text())
        if not meta["path"].startswith("/v1/"):
            continue
        kept = {
            k.replace("-", "_"): v
            for k, v in meta["headers"].items()
            if k in ("content-type", "content-encoding")
        }
        statuses.append(post(file.read_bytes(), token, path=meta["path"], **kept).status_code)
    drain()
    return statuses


BLOCKED = {
    # what telemetry makes of a call that was refused before it ran: looks well, looks failed, or is not told at all
    "pydantic-ai-blocked": {("lookup_order", "ok"), ("refund_order", "ok")},
    "openai-agents-oi-blocked": {("lookup_order", "ok"), ("refund_order", "ok")},
    "google-adk-blocked": {("lookup_order", "ok"), ("refund_order", "error")},
    "langchain-oi-blocked": {("lookup_order", "ok")},
    "strands-blocked": {("lookup_order", "ok")},
    "openai-v2": set(),
    "openai-v2-latest": set(),
}


@pytest.mark.parametrize("client", BLOCKED)
def test_telemetry_alone_tells_of_refusals_what_each_client_tells(client: str, fixtures: Path) -> None:
    replay(fixtures / client, twice=True)
    assert set(ToolCall.objects.values_list("tool_name", "status")) == BLOCKED[client]
    named = "order-desk" if client.startswith("openai-v2") else "order_agent"
    assert set(ObservedModel.objects.values_list("agent__name", flat=True)) == {named}


@pytest.mark.parametrize("client", ["pydantic-ai-blocked", "google-adk-blocked", "openai-agents-oi-blocked"])
def test_a_call_that_was_refused_here_is_blocked_whatever_its_telemetry_says(
    client: str, fixtures: Path
) -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    replay(fixtures / client, token=token)
    call = ToolCall.objects.select_related("agent").get(tool_name="refund_order")
    assert call.status != "denied"
    admin = factories.make_person(Role.ADMINISTRATOR)
    set_tool_policy(call.agent, ["lookup_order"], reason="", version=0, actor=admin)
    question = Question("refund_order", call_id=call.call_id)
    assert decide(call.agent, question, actor=admin).outcome == "deny"
    ToolCall.objects.all().delete()
    CallKey.objects.all().delete()
    Span.objects.all().delete()
    replay(fixtures / client, token=token)
    again = ToolCall.objects.get(tool_name="refund_order")
    assert (again.status, again.outcome, again.outcome_code) == (
        "denied",
        "blocked",
        "policy.tool_not_allowed",
    )


def test_openais_own_traces_are_read(fixtures: Path) -> None:
    replay(fixtures / "openai-agents-native", twice=True)
    calls = list(ToolCall.objects.select_related("agent"))
    assert Counter((call.tool_name, call.status) for call in calls) == Counter(
        {("lookup_order", "ok"): 2, ("refund_order", "error"): 2}
    )
    assert {(call.agent.name, call.agent_name, call.conversation_id) for call in calls} == {
        ("order_agent", "order_agent", "group-42")
    }
    assert {call.arguments["order_id"] for call in calls} == {"A-17"}
    assert next(call.error_message for call in calls if call.status == "error").startswith("Tool execution")


@pytest.mark.parametrize("order", [("hooks", "otlp"), ("otlp", "hooks")])
@pytest.mark.parametrize(
    ("client", "folder", "tool", "agent"),
    [("claude-code", "claude-code", "Bash", "claude-code"),
     ("codex", "codex-hook", "exec_command", "codex_exec /root")],
)  # fmt: skip
def test_hooks_and_telemetry_tell_of_one_call(
    order: tuple[str, str], client: str, folder: str, tool: str, agent: str, fixtures: Path
) -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    for what in order:
        if what == "otlp":
            replay(fixtures / folder, token=token)
        else:
            assert set(hooks(fixtures, client, "allow", token)) == {200}
    call = ToolCall.objects.select_related("agent").get()
    assert (call.tool_name, call.status, call.agent.name, call.ran) == (tool, "ok", agent, True)
    assert {"hook", "log"} <= set(call.sources)


def hooks(fixtures: Path, client: str, what: str, token: str) -> list[int]:
    lines = (fixtures / "hooks" / f"{client}-hooks-{what}.jsonl").read_bytes().splitlines()
    told = [
        post(line, token, path=f"/v1/hooks/{client}", content_type="application/json").status_code
        for line in lines
        if line.strip()
    ]
    drain()
    return told


def test_metrics_of_tokens_and_cost_are_kept(fixtures: Path) -> None:
    replay(fixtures / "claude-code", twice=True)
    kept = Span.objects.filter(signal="metric")
    assert Counter(kept.values_list("name", flat=True)) == {
        "claude_code.cost.usage": 1,
        "claude_code.token.usage": 4,
    }
    sums = kept.aggregate(Sum("input_tokens"), Sum("output_tokens"))
    assert sums == {"input_tokens__sum": 224, "output_tokens__sum": 46}
    cost = kept.get(name="claude_code.cost.usage")
    assert (cost.attributes["otel.metric"]["value"], cost.request_model) == (0.002171, "claude-fake-1")


def test_every_recorded_body_is_accepted(fixtures: Path) -> None:
    for folder in sorted(path for path in fixtures.iterdir() if list(path.glob("*.meta.json"))):
        assert set(replay(folder)) <= {200}, folder.name


@pytest.mark.parametrize("client", GENAI)
def test_each_call_is_there_once_with_tool_status_agent_and_error(client: str, fixtures: Path) -> None:
    replay(fixtures / client, twice=True)
    calls = list(ToolCall.objects.select_related("agent"))
    assert Counter((call.tool_name, call.status) for call in calls) == OK_THEN_FAILED
    assert {call.agent.name for call in calls} == {"order_agent"}
    assert {call.service_name for call in calls} == {"order-desk"}
    failed = next(call for call in calls if call.status == "error")
    assert failed.error_type or failed.error_message
    assert sum(not call.call_id for call in calls) == WITHOUT_CALL_ID.get(client, 0)
    if client not in WITHOUT_ARGUMENTS:
        assert {call.arguments["order_id"] for call in calls} == {"A-17"}
    if client in CONVERSATION:
        assert {call.conversation_id for call in calls} == {CONVERSATION[client]}


def test_smolagents_calls_are_each_real_runs(fixtures: Path) -> None:
    replay(fixtures / "smolagents", twice=True)
    counted = Counter(ToolCall.objects.values_list("tool_name", "status", "agent__name"))
    assert counted == {("lookup_order", "ok", "order_agent"): 1, ("refund_order", "error", "order_agent"): 3}


def test_claude_code_reports_one_call_in_spans_and_logs(fixtures: Path) -> None:
    replay(fixtures / "claude-code", twice=True)
    call = ToolCall.objects.get()
    assert (call.tool_name, call.status, call.agent.name, call.sources) == (
        "Bash",
        "ok",
        "claude-code",
        ["log", "span"],
    )
    assert call.conversation_id == "954b2d92-7abc-4a63-8da8-6db6e746aa62"


def test_claude_codes_mcp_tools_lose_their_prefix_and_keep_their_server(fixtures: Path) -> None:
    replay(fixtures / "claude-code-mcp", twice=True)
    calls = ToolCall.objects.order_by("started_at").values_list("tool_name", "mcp_server", "status")
    assert list(calls) == [("lookup_order", "orders", "ok"), ("refund_order", "orders", "error")]


def test_a_call_refused_in_claude_code_is_blocked(fixtures: Path) -> None:
    replay(fixtures / "claude-agent-sdk", twice=True)
    call = ToolCall.objects.get()
    told = (call.tool_name, call.status, call.outcome, call.agent.name)
    assert told == ("Bash", "denied", "blocked", "claude-code")


def test_codex_is_read_from_its_logs(fixtures: Path) -> None:
    replay(fixtures / "codex", twice=True)
    call = ToolCall.objects.get()
    assert (call.tool_name, call.status, call.agent_name, call.agent.name) == (
        "exec_command",
        "ok",
        "/root",
        "codex_exec /root",
    )
    assert call.arguments == {"cmd": "echo hello-from-tool"}
    assert list(ObservedModel.objects.values_list("model", "calls")) == [("gpt-fake", 2)]

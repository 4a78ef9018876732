"""Bodies recorded from real clients: each accepted, each tool call in them there once and told right."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from apps.activity.models import ToolCall
from apps.agents.models import ObservedModel
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


def replay(folder: Path, twice: bool = False) -> list[int]:
    """Post every OTLP body of a client in order; returns the statuses."""
    token = factories.make_key(factories.make_source(), ["ingest"]).token
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


def test_every_recorded_body_is_accepted(fixtures: Path) -> None:
    for folder in sorted(path for path in fixtures.iterdir() if list(path.glob("*.meta.json"))):
        if folder.name in ("openai-agents-native",):
            continue  # not OTLP: OpenAI's own trace form
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
    assert (call.tool_name, call.status, call.outcome) == ("Bash", "denied", "blocked")


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

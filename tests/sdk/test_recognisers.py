"""What a file declares is found, with name, model, tools and servers; what only looks like it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chancery_sdk.scan import RECOGNISERS, Finding, recognise
from chancery_sdk.scan.source import Source
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sdk.programs import PROGRAMS
from tests.sdk.variants import DECLARED, case


def value_of(finding: Finding, key: str) -> Any:
    if key.startswith("extra."):
        return finding.extra.get(key.removeprefix("extra."))
    value = getattr(finding, key)
    return set(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [*DECLARED, *PROGRAMS],
    ids=lambda one: one if isinstance(one, str) and len(one) < 60 else "",
)
def test_a_file_tells_what_it_declares(path: str, text: str, expected: list[dict[str, Any]]) -> None:
    found = recognise(path, text)
    said = [{key: value_of(one, key) for key in wanted} for one, wanted in zip(found, expected, strict=False)]
    assert said == expected
    assert len(found) == len(expected), [one.name for one in found]
    assert all(0 < one.confidence <= 1 and one.place.startswith(f"{path}:") for one in found)


LOOKALIKES = [
    case("Jenkinsfile.groovy", "pipeline { agent { label 'x' } }"),
    case("charts/agent/values.yaml", "agents:\n  image: {repository: datadog/agent}\n  enabled: true\n"),
    case(
        "deploy/datadog.yaml",
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: datadog-agent}\nspec: {template: {spec: {containers: [{image: datadog/agent, env: [{name: LLM_OBS}]}]}}}\n",
    ),
    case("deploy/web.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: agent-portal}\nspec: {template: {spec: {containers: [{image: acme/agent-portal}]}}}\n"),
    case("crds/agents.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: agents.kagent.dev}\nspec: {names: {kind: Agent}}\n"),
    case("azure.yml", "pool: {vmImage: ubuntu}\njobs: [{job: a, agent: x}]\n"),
    case("src/agents/lifecycle.py", "from agents import Agent\nx = Agent(name='doc')\n"),
    case("lib/base.py", "class BaseAgent:\n    name: str\n"),
    case("http.py", "import requests\nHEADERS = {'User-Agent': 'x'}\nrequests.get('u', headers=HEADERS)\n"),
    case("helper.py", "from agents import Runner\nfrom openai import OpenAI\nclient = OpenAI()\nclient.chat.completions.create(model='gpt-4o')\n"),
    case("other.py", "from people import Agent\nagent = Agent(name='007')\n"),
    case("tool.py", "from strands import tool\n@tool\ndef x() -> str: ...\n"),
    case("package.json", '{"name": "x", "dependencies": {"@openai/agents": "1"}, "mcpServers": {}}'),
    case("requirements.txt", "crewai\n"),
    case("docs/agents/index.md", "---\ntitle: Agents\ndescription: About agents\n---\n"),
    case("agents/README.md", "---\nname: x\ndescription: y\n---\n"),
    case(".claude/skills/x/SKILL.md", "---\nname: x\ndescription: y\n---\n"),
    case(".claude/agents/notes.md", "# Notes\nNo head.\n"),
    case("appPackage/manifest.json", '{"name": {"short": "x"}, "copilotAgents": {"declarativeAgents": [{"id": "a", "file": "b.json"}]}}'),
    case("flow.json", '{"nodes": [{"name": "HTTP", "type": "n8n-nodes-base.httpRequest"}], "connections": {}}'),
    case("app.yml", "app: {mode: workflow, name: x}\nworkflow: {graph: {nodes: [{data: {type: llm, title: y}}]}}\n"),
    case("kb.tf", 'resource "aws_bedrockagent_knowledge_base" "x" { name = "kb" }\n'),
    case("stack.yaml", "Resources: {Role: {Type: AWS::IAM::Role}}\n"),
    case("openapi.json", '{"openapi": "3.1.0", "servers": [{"url": "https://x"}], "info": {"title": "agents"}}'),
    case("prompts/agent.yaml", "system_prompt: You are an expert\nplanning: {initial: x}\n"),
    case("users.csv", "name,email\nAgent Smith,smith@example.org\n"),
    case("accounts.csv", "App name,Client ID\nPayroll export,1\nJenkins build agent,2\n"),
    case("config.toml", '[servers.web]\nhost = "x"\n'),
    case("src/app.ts", 'import { Agent } from "http";\nconst agent = new Agent({ keepAlive: true });\n'),
    case("workflows/ci.md", "---\non: push\n---\n"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "expected"), LOOKALIKES, ids=[path for path, _, _ in LOOKALIKES])
def test_what_only_looks_like_an_agent_is_passed_over(path: str, text: str, expected: list[Any]) -> None:
    assert recognise(path, text) == expected


HOSTILE = [
    ("bomb.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True))),
    ("deep.yaml", "[" * 5000),
    ("deep.json", "[" * 100_000),
    ("deep.py", "x = " + "(" * 500 + "1" + ")" * 500),
    ("chain.py", "from agents import Agent\nx = Agent(name=" + "a." * 3000 + "b)"),
    ("loop.py", "from agents import Agent\na = b\nb = a\nx = Agent(name=a, model=b, tools=a)\n"),
    ("tag.yaml", "a: !!python/object/apply:os.system ['touch /tmp/chancery-was-here']\n"),
    ("broken.tf", 'resource "aws_bedrockagent_agent" "x" {'),
    ("broken.toml", "[[["),
    ("binary.json", "\ufeff\x01\x02"),
    ("quote.json", '{"a": "' + "\\" * 50_001),
    ("brackets.ts", 'import { Agent } from "@mastra/core/agent";\nconst a = new Agent(' + "{" * 50_000),
    ("spaces.cs", "using Microsoft.SemanticKernel;\n" + " new ChatCompletionAgent" * 2000),
    ("dashes.md", "---\n" * 50_000),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text"), HOSTILE, ids=[path for path, _ in HOSTILE])
def test_hostile_text_is_read_within_bounds_and_never_raises(path: str, text: str) -> None:
    assert all(isinstance(one, Finding) for one in recognise(path, text))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([None, 1, "x"]),
    st.just({"": None}),
)


def mutated(value: Any, data: st.DataObject) -> Any:
    """The value with some parts replaced by what nobody would write there."""
    if data.draw(st.integers(0, 9)) == 0:
        return data.draw(ODD)
    if isinstance(value, dict):
        return {key: mutated(item, data) for key, item in value.items()}
    return [mutated(item, data) for item in value] if isinstance(value, list) else value


SHAPED = [
    (path, Source(path, text)) for path, text, _ in DECLARED if path.endswith((".json", ".yaml", ".yml"))
]


@pytest.mark.parametrize(("path", "source"), SHAPED, ids=[path for path, _ in SHAPED])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_recogniser_stumbles_over_a_document_of_an_odd_shape(
    path: str, source: Source, data: st.DataObject
) -> None:
    documents = [json.dumps(mutated(one, data)) for one in source.documents]
    text = documents[0] if path.endswith(".json") else "\n---\n".join(documents)
    odd = Source(path, text)
    for recogniser in RECOGNISERS.values():
        recogniser(odd)


def test_nothing_secret_of_a_client_configuration_is_kept() -> None:
    text = '{"mcpServers": {"a": {"command": "x", "args": ["--key", "s3cret"], "env": {"K": "s3cret"}}, "b": {"url": "https://h/?k=s3cret", "headers": {"A": "s3cret"}}}}'
    assert "s3cret" not in str(recognise(".mcp.json", text))


def test_code_below_tests_is_only_possible() -> None:
    text = "from agents import Agent\na = Agent(name='x')\n"
    assert recognise("tests/test_a.py", text)[0].confidence < recognise("app/a.py", text)[0].confidence

"""Agents in Kubernetes manifests: custom resources of agent platforms, and workloads with the signs of one.

Formats: https://kagent.dev/docs, https://docs.stacklok.com/toolhive, https://github.com/agentregistry-dev/agentregistry,
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from chancery_sdk.scan.documents import line_of, walk
from chancery_sdk.scan.finding import LIKELY, POSSIBLE, Finding, Role, names_of, text_of
from chancery_sdk.scan.source import Source

YAML: Final = (".yaml", ".yml", ".json")
WORKLOADS: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "Rollout", "Service"}
)
# Environment variables that only a program calling a language model has.
MODEL_KEYS: Final = re.compile(
    r"^(OPENAI_API_KEY|OPENAI_BASE_URL|OPENAI_MODEL|ANTHROPIC_\w+|AZURE_OPENAI_\w+|AWS_BEDROCK\w*|BEDROCK_\w+|"
    r"GEMINI_API_KEY|GOOGLE_GENAI_\w+|MISTRAL_API_KEY|GROQ_API_KEY|COHERE_API_KEY|LANGSMITH_\w+|LANGCHAIN_\w+|"
    r"LANGFUSE_\w+|OLLAMA_\w+|LITELLM_\w+|HUGGINGFACE\w*_TOKEN|OPENROUTER_API_KEY|DEEPSEEK_API_KEY|"
    r"CREWAI_\w+|AGENT_(NAME|MODEL|PROMPT)|MODEL_NAME|LLM_\w+|MCP_SERVER\w*)$"
)
MODEL_NAMES: Final = re.compile(r"^(\w+_)?(MODEL|MODEL_ID|MODEL_NAME|LLM|DEPLOYMENT_NAME)$")
AGENT_IMAGE: Final = re.compile(
    r"(^|[/_.-])(ai-?agents?|agents?|assistant|copilot|langgraph|crewai|autogen|adk|mcp)([:@/_.-]|$)"
)
# Agents that watch hosts or run builds: never this kind.
OTHER_AGENTS: Final = re.compile(
    r"datadog|newrelic|elastic|beats?/|jenkins|azp|vsts|buildkite|zabbix|wazuh|splunk|dynatrace|cloudwatch|grafana|"
    r"prometheus|fluent|otel|opentelemetry|instana|puppet|cilium|calico|istio|gitlab|teamcity|bamboo|nessus|"
    r"falcon|qualys|node-agent|vault-agent|ssm-agent|kube|konnectivity|anchore|sysdig|appdynamics|logdna|vector|argo"
)  # fmt: skip


def read_manifests(source: Source) -> list[Finding]:
    """Every resource of a manifest, list or export, in its order."""
    if source.suffix not in YAML:
        return []
    found: list[Finding] = []
    for document in source.mappings:
        group = str(document.get("apiVersion", "")).partition("/")[0]
        if not isinstance(document.get("metadata"), dict) or not group:
            continue
        reader = GROUPS.get(group)
        found += reader(source, document) if reader else _workload(source, document)
    return found


def _kagent(source: Source, document: dict[str, Any]) -> list[Finding]:
    """Agent and SandboxAgent (v1alpha1 to v1alpha3); MCPServer and RemoteMCPServer are servers."""
    kind, spec = str(document.get("kind")), _mapping(document.get("spec"))
    if kind in ("MCPServer", "RemoteMCPServer", "ToolServer"):
        return [_server(source, document, "kagent-crd", "kagent")]
    if not kind.endswith("Agent"):
        return []
    inner = _mapping(spec.get("declarative"))
    tools = _dicts(inner.get("tools") or spec.get("tools"))
    servers = [_mapping(tool.get("mcpServer")) for tool in tools]
    named = [name for server in servers for name in _list(server.get("toolNames"))]
    agents = [
        _mapping(tool.get("agent")).get("name") or _mapping(tool.get("agent")).get("ref") for tool in tools
    ]
    reference = text_of(inner.get("modelConfig") or spec.get("modelConfig") or spec.get("modelConfigRef"))
    kept = {"type": text_of(spec.get("type")), "model_ref": reference, "sub_agents": list(names_of(agents))}
    return [
        Finding(
            "kagent-crd", "kagent", name=_name(document), tools=names_of(named),
            mcp_servers=names_of(server.get("name") or server.get("toolServer") for server in servers),
            description=text_of(spec.get("description")) or "", place=source.at(line_of(document)),
            extra=_extra(document, spec) | {key: value for key, value in kept.items() if value},
        )
    ]  # fmt: skip


def _toolhive(source: Source, document: dict[str, Any]) -> list[Finding]:
    kinds = ("MCPServer", "MCPRemoteProxy", "VirtualMCPServer")
    return (
        [_server(source, document, "toolhive-mcpserver-crd", "toolhive")]
        if str(document.get("kind")) in kinds
        else []
    )


def _registry(source: Source, document: dict[str, Any]) -> list[Finding]:
    kind, spec = document.get("kind"), _mapping(document.get("spec"))
    if kind == "MCPServer":
        return [_server(source, document, "agentregistry-yaml", "agentregistry")]
    if kind != "Agent":
        return []
    return [
        Finding(
            "agentregistry-yaml", "agentregistry", name=_name(document), model=text_of(spec.get("modelName")),
            mcp_servers=names_of(item.get("name") for item in _dicts(spec.get("mcpServers"))),
            description=text_of(spec.get("description")) or "", place=source.at(line_of(document)),
            extra=_extra(document, spec),
        )
    ]  # fmt: skip


def _ark(source: Source, document: dict[str, Any]) -> list[Finding]:
    """Other operators whose resources are called Agent or MCPServer and hold a prompt, a model or tools."""
    kind, spec = str(document.get("kind")), _mapping(document.get("spec"))
    if kind == "MCPServer":
        return [_server(source, document, "agent-crd", str(document["apiVersion"]).partition("/")[0])]
    signs = {
        "prompt",
        "systemPrompt",
        "systemMessage",
        "instructions",
        "instruction",
        "model",
        "modelRef",
        "llm",
    }
    if kind not in ("Agent", "AIAgent", "LLMAgent", "AgentDeployment") or not signs & spec.keys():
        return []
    model = spec.get("model") or spec.get("modelRef")
    return [
        Finding(
            "agent-crd", str(document["apiVersion"]).partition("/")[0], name=_name(document),
            model=text_of(_mapping(model).get("name") if isinstance(model, dict) else model),
            tools=names_of(tool.get("name") for tool in _dicts(spec.get("tools"))),
            description=text_of(spec.get("description")) or "", confidence=LIKELY + 0.15,
            place=source.at(line_of(document)), extra=_extra(document, spec),
        )
    ]  # fmt: skip


GROUPS: Final = {
    "kagent.dev": _kagent,
    "toolhive.stacklok.dev": _toolhive,
    "ar.dev": _registry,
    "agentregistry.dev": _registry,
    "ark.mckinsey.com": _ark,
    "acp.humanlayer.dev": _ark,
    "runtime.agentic-layer.ai": _ark,
    "langop.io": _ark,
}


def _server(source: Source, document: dict[str, Any], kind: str, framework: str) -> Finding:
    spec = _mapping(document.get("spec"))
    said = text_of(spec.get("description")) if framework == "kagent" else None
    address = text_of(spec.get("url"))
    return Finding(
        kind, framework, name=_name(document), mcp_servers=names_of([_name(document)]), role=Role.MCP_SERVER,
        description=said or "", place=source.at(line_of(document)),
        extra=_extra(document, spec) | ({"url": address} if address else {}),
    )  # fmt: skip


def _workload(source: Source, document: dict[str, Any]) -> list[Finding]:
    """A workload whose containers call a language model, or whose image says what it is."""
    if str(document.get("kind")) not in WORKLOADS:
        return _ark(source, document)
    containers = list(_containers(_mapping(document.get("spec"))))
    environment = {name: value for container in containers for name, value in _environment(container)}
    images = names_of(container.get("image") for container in containers)
    name = _name(document) or ""
    if any(OTHER_AGENTS.search(word.lower()) for word in (*images, name)):
        return []
    keys = sorted(key for key in environment if MODEL_KEYS.match(key))
    confidence = _confidence(keys, images, name)
    if not confidence:
        return []
    model = next((value for key, value in environment.items() if MODEL_NAMES.match(key) and value), None)
    return [
        Finding(
            "kubernetes-workload", "kubernetes", name=name, model=model, confidence=confidence,
            description=text_of(_mapping(document["metadata"].get("annotations")).get("description")) or "",
            place=source.at(line_of(document)),
            extra=_extra(document, {}) | {"images": list(images), "signs": keys, "type": document["kind"]},
        )
    ]  # fmt: skip


def _confidence(keys: list[str], images: tuple[str, ...], name: str) -> float:
    says_agent = any(AGENT_IMAGE.search(word.lower()) for word in (*images, name))
    if keys and says_agent:
        return LIKELY + 0.15
    if keys:
        return LIKELY if len(keys) > 1 else POSSIBLE + 0.1
    return 0.0


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    job = _mapping(_mapping(spec.get("jobTemplate")).get("spec"))
    template = _mapping(_mapping((job or spec).get("template")).get("spec")) or spec
    yield from _dicts(template.get("initContainers"))
    yield from _dicts(template.get("containers"))


def _environment(container: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Names, with the literal value where it cannot be a secret."""
    for item in _dicts(container.get("env")):
        name = str(item.get("name"))
        yield name, text_of(item.get("value")) if MODEL_NAMES.match(name) else None


DECLARED_ID: Final = re.compile(r"(?:^|,)\s*chancery\.agent\.id=([\w-]+)")


def _declared_id(document: dict[str, Any]) -> str:
    """The agent this resource says it runs: an annotation, a label, or a resource attribute of its telemetry."""
    metadata = _mapping(document.get("metadata"))
    for place in (_mapping(metadata.get("annotations")), _mapping(metadata.get("labels"))):
        if said := text_of(place.get("chancery.dev/agent")):
            return said
    for part in walk(_mapping(document.get("spec"))):
        found = (
            DECLARED_ID.search(text_of(part.get("value")) or "")
            if part.get("name") == "OTEL_RESOURCE_ATTRIBUTES"
            else None
        )
        if found:
            return found[1]
    return ""


def _extra(document: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    namespace = text_of(document["metadata"].get("namespace"))
    images = [_mapping(spec.get(key)).get("image") for key in ("byo", "source", "deployment")] + [
        spec.get("image")
    ]
    kept: dict[str, Any] = {"namespace": namespace} if namespace else {}
    if declared := _declared_id(document):
        kept["declared_id"] = declared
    return kept | ({"images": list(names_of(images))} if names_of(images) else {})


def _name(document: dict[str, Any]) -> str | None:
    metadata = _mapping(document.get("metadata"))
    return text_of(metadata.get("name") or metadata.get("generateName"))


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

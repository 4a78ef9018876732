"""Agents declared in YAML: CrewAI, cagent, Semantic Kernel, Google ADK, and Agent Framework.

Formats: https://docs.crewai.com/concepts/agents, https://github.com/docker/cagent,
https://learn.microsoft.com/semantic-kernel/frameworks/agent/agent-templates, https://google.github.io/adk-docs/agents/config
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chancery_sdk.scan.documents import line_of
from chancery_sdk.scan.finding import LIKELY, Finding, names_of, text_of
from chancery_sdk.scan.source import Source

YAML: Final = (".yaml", ".yml")
SK_KINDS: Final = frozenset(
    {"chat_completion_agent", "openai_assistant", "openai_responses", "azure_assistant", "azure_openai_assistant",
     "azure_responses", "foundry_agent", "azureai_agent", "azure_ai_agent", "bedrock_agent", "copilot_studio_agent",
     "openai_agent", "azure_openai_responses", "prompt"}
)  # fmt: skip
ADK_CLASSES: Final = frozenset({"LlmAgent", "LoopAgent", "SequentialAgent", "ParallelAgent", "BaseAgent"})


def read_crewai_agents(source: Source) -> list[Finding]:
    """`agents.yaml`: a mapping of name to role, goal and backstory. In a list the entry has its name itself."""
    if source.suffix not in YAML:
        return []
    return [
        Finding(
            "crewai-agents-yaml", "crewai", name=name, model=_model(item.get("llm")), tools=_names(item.get("tools")),
            description=f"{text_of(item['role'])}: {text_of(item['goal'])}", place=source.at(line_of(item)),
        )
        for document in source.mappings
        for name, item in _entries(document, "agents")
        if text_of(item.get("role")) and text_of(item.get("goal"))
    ]  # fmt: skip


def read_crewai_tasks(source: Source) -> list[Finding]:
    """`tasks.yaml`: agents that tasks are given to, by name only."""
    if source.suffix not in YAML:
        return []
    found: dict[str, Finding] = {}
    for document in source.mappings:
        for task, item in _entries(document, "tasks"):
            name = text_of(item.get("agent"))
            if name and text_of(item.get("description")) and "expected_output" in item:
                found.setdefault(
                    name,
                    Finding(
                        "crewai-tasks-yaml", "crewai", name=name, tools=(), confidence=LIKELY + 0.15,
                        place=source.at(line_of(item)), extra={"task": task},
                    ),
                )  # fmt: skip
    return list(found.values())


def _entries(document: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and mapping of each entry, at the top or below `key`, as mapping or list."""
    inner = document.get(key)
    if isinstance(inner, list):
        for item in inner:
            if isinstance(item, dict) and (name := text_of(item.get("name") or item.get("id"))):
                yield name, item
        return
    for name, item in (inner if isinstance(inner, dict) else document).items():
        if isinstance(item, dict):
            yield name, item


def read_cagent(source: Source) -> list[Finding]:
    """cagent: `agents` by name, each with a model and an instruction; models may be named in `models`."""
    if source.suffix not in YAML:
        return []
    found = []
    for document in source.mappings:
        agents, models = document.get("agents"), document.get("models")
        named = models if isinstance(models, dict) else {}
        if not isinstance(agents, dict) or not any(_is_cagent(item) for item in agents.values()):
            continue
        found += [_cagent(source, name, item, named) for name, item in agents.items() if _is_cagent(item)]
    return found


def _is_cagent(item: object) -> bool:
    return (
        isinstance(item, dict)
        and "model" in item
        and bool({"instruction", "toolsets", "sub_agents", "description"} & item.keys())
    )


def _cagent(source: Source, name: str, item: dict[str, Any], models: dict[str, Any]) -> Finding:
    toolsets = _dicts(item.get("toolsets"))
    return Finding(
        "cagent-yaml",
        "cagent",
        name=name,
        model=_cagent_model(text_of(item.get("model")), models),
        tools=names_of(tool.get("type") for tool in toolsets if tool.get("type") != "mcp"),
        mcp_servers=names_of(_cagent_server(tool) for tool in toolsets if tool.get("type") == "mcp"),
        description=text_of(item.get("description")) or "",
        place=source.at(line_of(item)),
        extra={"sub_agents": list(_names(item.get("sub_agents")))},
    )


def _cagent_model(reference: str | None, models: dict[str, Any]) -> str | None:
    named = models.get(reference or "")
    if not isinstance(named, dict):
        return reference
    provider, model = text_of(named.get("provider")), text_of(named.get("model"))
    return "/".join(part for part in (provider, model) if part) or reference


def _cagent_server(tool: dict[str, Any]) -> object:
    remote = tool.get("remote")
    address = remote.get("url") if isinstance(remote, dict) else None
    arguments = [
        str(part)
        for part in (tool["args"] if isinstance(tool.get("args"), list) else [])
        if not str(part).startswith("-")
    ]
    return (
        tool.get("ref")
        or tool.get("name")
        or address
        or (arguments[-1] if arguments else tool.get("command"))
    )


def read_semantic_kernel(source: Source) -> list[Finding]:
    """Semantic Kernel's and Agent Framework's declarative agents: `type` (or `kind`) says which service runs it."""
    if source.suffix not in YAML:
        return []
    return [_sk_agent(source, document) for document in source.mappings if _is_sk_agent(document)]


def _is_sk_agent(document: dict[str, Any]) -> bool:
    if not text_of(document.get("name")) or "apiVersion" in document:
        return False
    kind = str(document.get("type") or document.get("kind") or "").lower()
    return kind in SK_KINDS and ("instructions" in document or isinstance(document.get("model"), dict))


def _sk_agent(source: Source, document: dict[str, Any]) -> Finding:
    model = document.get("model")
    identifier = text_of(model.get("id") if isinstance(model, dict) else model)
    is_reference = "${" in (identifier or "") or (identifier or "").startswith("=")
    return Finding(
        "semantic-kernel-yaml",
        "semantic-kernel",
        name=text_of(document["name"]),
        model=None if is_reference else identifier,
        tools=names_of(
            tool.get("id") or tool.get("name") or tool.get("type") or tool.get("kind")
            for tool in _dicts(document.get("tools"))
        ),
        description=text_of(document.get("description")) or "",
        place=source.at(line_of(document)),
        extra={"kind_value": document.get("type") or document.get("kind")}
        | ({"model_ref": identifier} if is_reference else {}),
    )


def read_adk_config(source: Source) -> list[Finding]:
    """Google ADK's Agent Config."""
    if source.suffix not in YAML:
        return []
    return [_adk(source, document) for document in source.mappings if _is_adk(source, document)]


def _is_adk(source: Source, document: dict[str, Any]) -> bool:
    if not text_of(document.get("name")) or "apiVersion" in document:
        return False
    stated = text_of(document.get("agent_class")) or ""
    by_head = "instruction" in document and "model" in document and "description" in document
    return stated.rpartition(".")[2] in ADK_CLASSES or (
        by_head and (source.name.startswith("root_agent") or "AgentConfig" in source.text[:400])
    )


def _adk(source: Source, document: dict[str, Any]) -> Finding:
    children = _dicts(document.get("sub_agents"))
    return Finding(
        "google-adk-yaml", "google-adk", name=text_of(document["name"]), model=_model(document.get("model")),
        tools=names_of(tool.get("name") for tool in _dicts(document.get("tools"))),
        description=text_of(document.get("description")) or "", place=source.at(line_of(document)),
        extra={"sub_agents": list(names_of(child.get("config_path") or child.get("code") for child in children))},
    )  # fmt: skip


def read_general_agents(source: Source) -> list[Finding]:
    """YAML or JSON in which several entries or the document itself pair instructions with a model and a name.

    For the many small formats that look alike (AutoGen Studio, Letta, PraisonAI, Eliza and an enterprise's own).
    """
    if source.suffix not in (*YAML, ".json"):
        return []
    found = []
    for document in source.mappings:
        if "apiVersion" in document or "openapi" in document:
            continue
        named = [(text_of(document.get("name")), document), *_entries(document, "agents")]
        found += [_general(source, name, item) for name, item in named if name and _is_general(item)]
    return found


def _is_general(item: dict[str, Any]) -> bool:
    words = {"instructions", "system_prompt", "systemPrompt", "system_message", "instruction"} & item.keys()
    model = {"model", "llm", "model_id", "llm_config", "model_client", "modelProvider"} & item.keys()
    return bool(words) and bool(model) and any(text_of(item[word]) for word in words)


def _general(source: Source, name: str, item: dict[str, Any]) -> Finding:
    servers = item.get("mcp_servers") or item.get("mcpServers")
    return Finding(
        "agent-config", "unknown", name=name, model=_model(item.get("model") or item.get("llm") or item.get("model_id")),
        tools=_names(item.get("tools")), mcp_servers=names_of(servers) if isinstance(servers, (list, dict)) else (),
        description=text_of(item.get("description")) or "", confidence=LIKELY,
        place=source.at(line_of(item) or source.line_with(name)),
    )  # fmt: skip


def _model(value: object) -> str | None:
    if isinstance(value, dict):
        value = next(
            (value[key] for key in ("id", "name", "model", "model_id", "model_name") if value.get(key)), None
        )
    return text_of(value)


def _names(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return names_of(
        (item.get("name") or item.get("id") or item.get("type")) if isinstance(item, dict) else item
        for item in items
    )


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

"""Descriptions of agents and servers in JSON: A2A cards, MCP registry entries, M365 declarative agents, LangGraph.

Formats: https://a2a-protocol.org/latest/specification (AgentCard, 0.2 to 1.0),
https://github.com/modelcontextprotocol/registry (server.json),
https://learn.microsoft.com/microsoft-365-copilot/extensibility/declarative-agent-manifest-1.6,
https://docs.langchain.com/langsmith/cli (langgraph.json), https://oracle.github.io/agent-spec
"""

from __future__ import annotations

import re
from typing import Any, Final

from chancery_sdk.scan.documents import line_of
from chancery_sdk.scan.finding import DECLARED, LIKELY, Finding, Role, names_of, text_of
from chancery_sdk.scan.source import Source

CARD_KEYS: Final = frozenset(
    {"defaultInputModes", "defaultOutputModes", "supportedInterfaces", "preferredTransport", "protocolVersion",
     "capabilities", "url", "additionalInterfaces", "securitySchemes", "default_input_modes", "default_output_modes"}
)  # fmt: skip

# How a registry entry says where its server comes from, in the schemas of 2025 and later.
WAY_KEYS: Final = frozenset(
    {"registry_name", "registryType", "registry_type", "transport", "transport_type", "type", "url"}
)


def read_a2a_card(source: Source) -> list[Finding]:
    """Agent cards, alone, in a list or below a key, in JSON or YAML."""
    found = []
    for value in _candidates(source):
        if _is_card(value):
            found.append(_card(source, value))
    return found


def _candidates(source: Source) -> list[dict[str, Any]]:
    """The documents, the items of lists and the mappings one level below: cards come in exports too."""
    top: list[Any] = source.documents if source.suffix in (".json", ".yaml", ".yml") else []
    top = [item for value in top for item in (value if isinstance(value, list) else [value])]
    mappings = [value for value in top if isinstance(value, dict)]
    below: list[Any] = []
    for value in mappings:
        for item in () if _is_card(value) else value.values():
            below.extend(item if isinstance(item, list) else [item])
    return mappings + [value for value in below if isinstance(value, dict)]


def _is_card(value: dict[str, Any]) -> bool:
    skills = value.get("skills")
    are_skills = isinstance(skills, list) and all(
        isinstance(skill, dict) and "id" in skill for skill in skills
    )
    return are_skills and text_of(value.get("name")) is not None and len(CARD_KEYS & value.keys()) >= 2


def _card(source: Source, card: dict[str, Any]) -> Finding:
    name = text_of(card["name"])
    return Finding(
        "a2a-agent-card",
        "a2a",
        name=name,
        description=text_of(card.get("description")) or "",
        place=source.at(line_of(card) or source.line_with('"name"')),
        extra={
            "skills": list(names_of(skill.get("id") for skill in card["skills"])),
            "url": _address(card),
            "version": text_of(card.get("version")) or "",
        },
    )


def _address(card: dict[str, Any]) -> str:
    interfaces = card.get("supportedInterfaces")
    first = interfaces[0] if isinstance(interfaces, list) and interfaces else {}
    return text_of(card.get("url")) or text_of(first.get("url") if isinstance(first, dict) else None) or ""


def read_mcp_server(source: Source) -> list[Finding]:
    """The MCP registry's `server.json`, alone or in an answer of a registry."""
    value = source.json if source.suffix == ".json" else None
    listed = value.get("servers") if isinstance(value, dict) else None
    entries = (
        [item.get("server", item) for item in listed if isinstance(item, dict)]
        if isinstance(listed, list)
        else [value]
    )
    return [_server(source, entry) for entry in entries if isinstance(entry, dict) and _is_server(entry)]


def _is_server(value: dict[str, Any]) -> bool:
    name, schema = text_of(value.get("name")) or "", text_of(value.get("$schema")) or ""
    ways = [item for key in ("packages", "remotes") for item in _dicts(value.get(key))]
    is_reached = any(WAY_KEYS & item.keys() for item in ways)
    return "/" in name and (("modelcontextprotocol" in schema and "server" in schema) or is_reached)


def _server(source: Source, entry: dict[str, Any]) -> Finding:
    name = text_of(entry["name"])
    return Finding(
        "mcp-server-json",
        "mcp-server",
        name=name,
        mcp_servers=names_of([name]),
        description=text_of(entry.get("description")) or "",
        role=Role.MCP_SERVER,
        place=source.at(source.line_with(name)),
        extra={"version": text_of(entry.get("version")) or "", "url": _repository(entry)},
    )


def _repository(entry: dict[str, Any]) -> str:
    repository = entry.get("repository")
    return text_of(repository.get("url")) or "" if isinstance(repository, dict) else ""


def read_declarative_agent(source: Source) -> list[Finding]:
    """A Microsoft 365 Copilot declarative agent; the app's manifest only points at one and declares none."""
    value = source.json if source.suffix == ".json" else None
    if not isinstance(value, dict) or not text_of(value.get("name")):
        return []
    schema = (text_of(value.get("$schema")) or "").lower()
    by_schema = "declarative-agent" in schema or "declarative-copilot" in schema
    by_keys = "instructions" in value and bool(
        {"conversation_starters", "actions", "capabilities"} & value.keys()
    )
    if not (by_schema or (by_keys and "declarative" in source.name)):
        return []
    return [
        Finding(
            "m365-declarative-agent", "m365-copilot", name=text_of(value["name"]),
            tools=names_of(item.get("id") for item in _dicts(value.get("actions"))),
            description=text_of(value.get("description")) or "", place=source.at(source.line_with('"name"')),
            extra={"capabilities": list(names_of(item.get("name") for item in _dicts(value.get("capabilities"))))},
        )
    ]  # fmt: skip


def read_langgraph_config(source: Source) -> list[Finding]:
    """`langgraph.json`: each graph is an agent by name, with the place of its code."""
    value = source.json if source.suffix == ".json" else None
    graphs = value.get("graphs") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(graphs, dict):
        return []
    entries = {
        name: text_of(item.get("path") if isinstance(item, dict) else item) for name, item in graphs.items()
    }
    is_config = "langgraph" in source.name or bool(
        {"dependencies", "node_version", "python_version"} & value.keys()
    )
    if not is_config or not all(entry and re.search(r"\.\w+:\w+|:\w+", entry) for entry in entries.values()):
        return []
    return [
        Finding(
            "langgraph-json", "langgraph", name=name, place=source.at(source.line_with(f'"{name}"')),
            description=_graph_description(graphs[name]), extra={"entry": entry},
        )
        for name, entry in entries.items()
    ]  # fmt: skip


def _graph_description(graph: object) -> str:
    return (text_of(graph.get("description")) or "") if isinstance(graph, dict) else ""


def read_agent_spec(source: Source) -> list[Finding]:
    """Open Agent Spec: components of type Agent, with references (`$component_ref`) resolved within the document."""
    found = []
    for document in source.mappings:
        if "agentspec_version" not in document and "component_type" not in document:
            continue
        referenced = document.get("$referenced_components")
        known = referenced if isinstance(referenced, dict) else {}
        components = [document, *(item for item in known.values() if isinstance(item, dict))]
        found += [_spec_agent(source, item, known) for item in components if _is_spec_agent(item)]
    return found


def _is_spec_agent(component: dict[str, Any]) -> bool:
    kind = text_of(component.get("component_type")) or ""
    return kind.endswith("Agent") or kind in ("Swarm", "ManagerWorkers")


def _spec_agent(source: Source, component: dict[str, Any], known: dict[str, Any]) -> Finding:
    def resolved(value: object) -> dict[str, Any]:
        reference = value.get("$component_ref") if isinstance(value, dict) else None
        target = known.get(reference) if isinstance(reference, str) else value
        return target if isinstance(target, dict) else {}

    tools = [resolved(item) for item in _dicts(component.get("tools"))]
    boxes = [resolved(item) for item in _dicts(component.get("toolboxes"))]
    remote = [tool for tool in tools if str(tool.get("component_type", "")).startswith("MCP")]
    llm = resolved(component.get("llm_config"))
    return Finding(
        "open-agent-spec",
        "open-agent-spec",
        name=text_of(component.get("name")),
        model=text_of(llm.get("model_id")),
        tools=names_of(tool.get("name") for tool in tools),
        mcp_servers=names_of(
            box.get("name") for box in boxes + [resolved(tool.get("client_transport")) for tool in remote]
        ),
        description=text_of(component.get("description")) or "",
        confidence=DECLARED if "agentspec_version" in component else LIKELY,
        place=source.at(line_of(component) or source.line_with('"name"')),
        extra={"ctype": component.get("component_type")},
    )


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

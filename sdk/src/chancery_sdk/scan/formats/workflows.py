"""Agents in exports of workflow builders: n8n, Dify, Flowise, Langflow.

Formats: https://docs.n8n.io/workflows/export-import, https://docs.dify.ai (DSL), https://docs.flowiseai.com, https://docs.langflow.org
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from chancery_sdk.scan.documents import line_of
from chancery_sdk.scan.finding import Finding, Role, names_of, text_of
from chancery_sdk.scan.source import Source

N8N_AGENTS: Final = re.compile(r"langchain\.(agent|agentTool|openAiAssistant|agentV\d+)$|\.agent$")
FLOWISE_AGENT_CATEGORIES: Final = frozenset({"Agents", "Multi Agents"})
FLOWISE_AGENT_NODES: Final = frozenset({"seqAgent", "agentAgentflow"})


def read_n8n(source: Source) -> list[Finding]:
    """Nodes of the agent type with what is connected to them: `ai_languageModel`, `ai_tool`."""
    value = source.json if source.suffix == ".json" else None
    workflows = value if isinstance(value, list) else [value]
    return [
        _n8n_agent(source, workflow, node)
        for workflow in workflows
        if isinstance(workflow, dict) and isinstance(workflow.get("connections"), dict)
        for node in _dicts(workflow.get("nodes"))
        if N8N_AGENTS.search(str(node.get("type"))) and not node.get("disabled")
    ]


def _n8n_agent(source: Source, workflow: dict[str, Any], node: dict[str, Any]) -> Finding:
    name = text_of(node.get("name"))
    nodes = {str(item.get("name")): item for item in _dicts(workflow.get("nodes"))}
    models = [nodes.get(other, {}) for other in _connected(workflow, name, "ai_languageModel")]
    tools = list(_connected(workflow, name, "ai_tool"))
    clients = [tool for tool in tools if "mcpClient" in str(nodes.get(tool, {}).get("type"))]
    said = [model for item in models if (model := _n8n_model(item))]
    default = next((str(item.get("type", "")).rpartition(".")[2] for item in models), "")
    return Finding(
        "n8n-workflow",
        "n8n",
        name=name,
        model=said[0] if said else None,
        tools=names_of(tool for tool in tools if tool not in clients),
        mcp_servers=names_of(clients),
        description=text_of(_mapping(node.get("parameters")).get("toolDescription")) or "",
        place=source.at(source.line_with(f'"name": "{name}"', f'"{name}"')),
        extra={"workflow": text_of(workflow.get("name")) or ""}
        | ({} if said or not default else {"model_ref": f"default:{default}"}),
    )


def _connected(workflow: dict[str, Any], target: str | None, kind: str) -> Iterator[str]:
    """Names of the nodes whose output of this kind leads into the target."""
    for name, outputs in workflow["connections"].items():
        for group in _list(_mapping(outputs).get(kind)):
            if any(end.get("node") == target for end in _dicts(group)):
                yield str(name)


def _n8n_model(node: dict[str, Any]) -> str | None:
    parameters = _mapping(node.get("parameters"))
    for key in ("model", "modelName", "modelId", "deploymentName"):
        value = parameters.get(key)
        text = text_of(value.get("value") if isinstance(value, dict) else value)
        if text and "{{" not in text:
            return text.removeprefix("=")
    return None


def read_dify(source: Source) -> list[Finding]:
    """Dify's DSL: the app and its agent nodes; an app of mode `agent-chat` is an agent itself."""
    if source.suffix not in (".yml", ".yaml", ".json"):
        return []
    found: list[Finding] = []
    for document in source.mappings:
        app = _mapping(document.get("app"))
        if text_of(app.get("mode")) and ("workflow" in document or "model_config" in document):
            found += _dify_app(source, document, app)
    return found


def _dify_app(source: Source, document: dict[str, Any], app: dict[str, Any]) -> list[Finding]:
    config = _mapping(document.get("model_config"))
    nodes = [
        _mapping(node.get("data"))
        for node in _dicts(_mapping(_mapping(document.get("workflow")).get("graph")).get("nodes"))
    ]
    agents = [node for node in nodes if node.get("type") == "agent"]
    mode, name = text_of(app["mode"]), text_of(app.get("name"))
    is_agent = mode == "agent-chat" or bool(_mapping(config.get("agent_mode")).get("enabled"))
    if not agents and not is_agent:
        return []
    models = [_mapping(node.get("model")).get("name") for node in nodes if node.get("type") == "llm"]
    head = Finding(
        "dify-dsl",
        "dify",
        name=name,
        model=text_of(_mapping(config.get("model")).get("name")) or next(iter(names_of(models)), None),
        tools=_dify_tools(_mapping(config.get("agent_mode")).get("tools")),
        description=text_of(app.get("description")) or "",
        role=Role.AGENT if is_agent and not agents else Role.APP,
        place=source.at(line_of(app)),
        extra={"mode": mode},
    )
    return [head, *(_dify_node(source, node, name) for node in agents)]


def _dify_node(source: Source, node: dict[str, Any], app: str | None) -> Finding:
    parameters = _mapping(node.get("agent_parameters"))
    model = _mapping(_mapping(parameters.get("model")).get("value"))
    return Finding(
        "dify-dsl", "dify", name=text_of(node.get("title")), model=text_of(model.get("model") or model.get("name")),
        tools=_dify_tools(_mapping(parameters.get("tools")).get("value")), description=text_of(node.get("desc")) or "",
        place=source.at(line_of(node)), extra={"parent": app},
    )  # fmt: skip


def _dify_tools(value: object) -> tuple[str, ...]:
    return names_of(tool.get("tool_name") for tool in _dicts(value) if tool.get("enabled") is not False)


def read_flowise(source: Source) -> list[Finding]:
    """Flowise: nodes of the agent categories; edges and inputs name their model and tools."""
    value = source.json if source.suffix == ".json" else None
    if not isinstance(value, dict) or not isinstance(value.get("edges"), list):
        return []
    nodes = {str(node.get("id")): _mapping(node.get("data")) for node in _dicts(value.get("nodes"))}
    flow = {
        "nodes": nodes,
        "edges": _dicts(value["edges"]),
        "description": text_of(value.get("description")) or "",
    }
    return [_flowise_agent(source, flow, node) for node, data in nodes.items() if _is_flowise_agent(data)]


def _is_flowise_agent(data: dict[str, Any]) -> bool:
    if "inputAnchors" not in data and "inputParams" not in data:
        return False
    return (
        str(data.get("category")) in FLOWISE_AGENT_CATEGORIES or str(data.get("name")) in FLOWISE_AGENT_NODES
    )


def _flowise_agent(source: Source, flow: dict[str, Any], node: str) -> Finding:
    data, nodes = flow["nodes"][node], flow["nodes"]
    inputs = _mapping(data.get("inputs"))
    label = text_of(data.get("label"))
    name = next(
        (text for key in ("workerName", "supervisorName", "agentName") if (text := text_of(inputs.get(key)))),
        label,
    )
    tools = [nodes[other] for other in _flowise_sources(flow, node, "tools") if other in nodes]
    mcp = [tool for tool in tools if "mcp" in str(tool.get("name", "")).lower()]
    return Finding(
        "flowise-json",
        "flowise",
        name=name,
        model=_flowise_model(flow, node),
        tools=names_of([tool.get("name") for tool in tools if tool not in mcp] + _selected(inputs)),
        mcp_servers=names_of(tool.get("name") for tool in mcp),
        description=text_of(data.get("description")) or flow["description"],
        place=source.at(source.line_with(f'"{node}"')),
        extra={"node": data.get("name")},
    )


def _flowise_sources(flow: dict[str, Any], node: str, anchor: str) -> list[str]:
    edges = [
        str(edge.get("source")) for edge in flow["edges"]
        if edge.get("target") == node and f"-input-{anchor}" in str(edge.get("targetHandle"))
    ]  # fmt: skip
    inputs = _mapping(flow["nodes"][node].get("inputs")).get(anchor)
    listed = re.findall(r"\{\{(\w+)\.data", str(inputs))
    return list(dict.fromkeys([*listed, *edges]))


def _flowise_model(flow: dict[str, Any], node: str, depth: int = 3) -> str | None:
    """The model connected to the node, or to its supervisor when it has none of its own."""
    inputs = _mapping(flow["nodes"].get(node, {}).get("inputs"))
    own = text_of(_mapping(inputs.get("agentModelConfig")).get("modelName"))
    if own:
        return own
    for other in _flowise_sources(flow, node, "model") if node in flow["nodes"] else []:
        given = _mapping(flow["nodes"].get(other, {}).get("inputs"))
        if model := text_of(given.get("modelName") or given.get("model") or given.get("customModel")):
            return model
    leads = _flowise_sources(flow, node, "supervisor") if node in flow["nodes"] and depth else []
    return next((model for lead in leads if (model := _flowise_model(flow, lead, depth - 1))), None)


def _selected(inputs: dict[str, Any]) -> list[object]:
    """Tools chosen inside an agentflow node."""
    return [tool.get("agentSelectedTool") for tool in _dicts(inputs.get("agentTools"))]


def read_langflow(source: Source) -> list[Finding]:
    """Langflow: components of type Agent, whose template holds the model; edges into `tools` name the tools."""
    value = source.json if source.suffix == ".json" else None
    data = _mapping(_mapping(value).get("data"))
    nodes = {str(node.get("id")): _mapping(node.get("data")) for node in _dicts(data.get("nodes"))}
    agents = [
        node for node, item in nodes.items() if str(item.get("type", "")).endswith("Agent") and "node" in item
    ]
    return [_langflow_agent(source, nodes, _dicts(data.get("edges")), node) for node in agents]


def _langflow_agent(
    source: Source, nodes: dict[str, dict[str, Any]], edges: list[dict[str, Any]], node: str
) -> Finding:
    inner = _mapping(nodes[node].get("node"))
    template = _mapping(inner.get("template"))
    model = _mapping(template.get("model_name") or template.get("model")).get("value")
    ends = [
        str(edge.get("source")) for edge in edges
        if edge.get("target") == node and "tools" in str(edge.get("targetHandle"))
    ]  # fmt: skip
    return Finding(
        "langflow-json", "langflow", name=text_of(inner.get("display_name")) or node, model=text_of(model),
        tools=names_of(nodes.get(end, {}).get("type") for end in ends), description=text_of(inner.get("description")) or "",
        place=source.at(source.line_with(f'"{node}"')),
    )  # fmt: skip


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

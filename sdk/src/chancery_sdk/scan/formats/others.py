"""Agents in the files of further tools: Goose, Amazon Q, Kiro, Continue, Roo, AutoGen components, Letta, agentic workflows.

Formats: https://block.github.io/goose/docs/guides/recipes, https://docs.aws.amazon.com/amazonq (custom agents),
https://docs.continue.dev/reference, https://docs.roocode.com/features/custom-modes,
https://microsoft.github.io/autogen (component configuration), https://docs.letta.com/guides/agents/agent-file,
https://github.com/github/gh-aw
"""

from __future__ import annotations

from typing import Any, Final

from chancery_sdk.scan.documents import Unreadable, line_of, read_yaml, walk
from chancery_sdk.scan.finding import DECLARED, LIKELY, Finding, Role, names_of, text_of
from chancery_sdk.scan.formats.clients import servers_in
from chancery_sdk.scan.source import Source

YAML: Final = (".yaml", ".yml")
HUMANS: Final = ("UserProxyAgent", "UserProxy")


def read_goose(source: Source) -> list[Finding]:
    """A recipe: a title with instructions or a prompt, and extensions or parameters."""
    if source.suffix not in (*YAML, ".json"):
        return []
    return [
        Finding(
            "goose-recipe", "goose", name=text_of(one["title"]), description=text_of(one.get("description")) or "",
            model=text_of(_mapping(one.get("settings")).get("goose_model")), confidence=DECLARED,
            mcp_servers=names_of(item.get("name") for item in _dicts(one.get("extensions")) if item.get("type") != "builtin"),
            tools=names_of(item.get("name") for item in _dicts(one.get("extensions")) if item.get("type") == "builtin"),
            place=source.at(line_of(one) or source.line_with('"title"')),
        )
        for one in source.mappings
        if text_of(one.get("title"))
        and ("instructions" in one or "prompt" in one)
        and ("extensions" in one or "activities" in one or "sub_recipes" in one)
        and "openapi" not in one
    ]  # fmt: skip


def read_cli_agent(source: Source) -> list[Finding]:
    """Custom agents of Amazon Q and Kiro in JSON: a name, a prompt, tools, servers of their own."""
    value = source.json if source.suffix == ".json" else None
    if not isinstance(value, dict) or not text_of(value.get("name")):
        return []
    schema = text_of(value.get("$schema")) or ""
    is_home = "cli-agents" in source.folders or (
        {".kiro", ".amazonq"} & set(source.folders) and "agents" in source.folders
    )
    if (
        not (is_home or "agent-v1" in schema)
        or not {"prompt", "tools", "allowedTools", "mcpServers"} & value.keys()
    ):
        return []
    framework = "kiro" if ".kiro" in source.folders else "amazon-q"
    tools = value.get("tools")
    return [
        Finding(
            f"{framework}-agent", framework, name=text_of(value["name"]), model=text_of(value.get("model")),
            tools=names_of(tools if isinstance(tools, list) else []), mcp_servers=names_of(servers_in(value)),
            description=text_of(value.get("description")) or "", place=source.at(source.line_with('"name"')),
        )
    ]  # fmt: skip


def read_continue(source: Source) -> list[Finding]:
    """Continue's `config.yaml` and blocks: models and MCP servers under a name and a schema."""
    if source.suffix not in YAML:
        return []
    found = []
    for one in source.mappings:
        servers = _dicts(one.get("mcpServers"))
        if (
            text_of(one.get("schema")) == "v1"
            and text_of(one.get("name"))
            and (servers or _dicts(one.get("models")))
        ):
            models = names_of(item.get("model") for item in _dicts(one.get("models")))
            found.append(
                Finding(
                    "continue-config", "continue", name=text_of(one["name"]), model=next(iter(models), None),
                    mcp_servers=names_of(item.get("name") for item in servers), role=Role.AGENT if models else Role.MCP_CLIENT,
                    description=text_of(one.get("description")) or "", place=source.at(line_of(one)),
                )
            )  # fmt: skip
    return found


def read_roo_modes(source: Source) -> list[Finding]:
    """Roo Code's custom modes, JSON or YAML without a suffix."""
    if source.name not in (".roomodes", "custom_modes.yaml", "custom_modes.json"):
        return []
    try:
        documents = read_yaml(source.text)
    except Unreadable:
        return []
    return [
        Finding(
            "roo-mode", "roo-code", name=text_of(mode.get("name")) or text_of(mode.get("slug")),
            tools=names_of(group if isinstance(group, str) else None for group in _list(mode.get("groups"))),
            description=text_of(mode.get("description")) or text_of(mode.get("whenToUse")) or "",
            place=source.at(line_of(mode)),
        )
        for document in documents
        if isinstance(document, dict)
        for mode in _dicts(document.get("customModes"))
    ]  # fmt: skip


def read_autogen_component(source: Source) -> list[Finding]:
    """Serialised AutoGen components: agents by `component_type`, wherever they stand in a team."""
    value = source.json if source.suffix == ".json" else None
    if value is None or '"component_type"' not in source.text:
        return []
    return [
        _component(source, one)
        for one in walk(value)
        if one.get("component_type") == "agent" and isinstance(one.get("config"), dict)
    ]


def _component(source: Source, one: dict[str, Any]) -> Finding:
    config, provider = one["config"], str(one.get("provider", "")).rpartition(".")[2]
    client = _mapping(_mapping(config.get("model_client")).get("config"))
    name = text_of(config.get("name")) or text_of(one.get("label")) or provider
    return Finding(
        "autogen-component", "autogen", name=name, model=text_of(client.get("model")),
        tools=names_of(_mapping(tool.get("config")).get("name") or tool.get("label") for tool in _dicts(config.get("tools"))),
        description=text_of(config.get("description")) or text_of(one.get("description")) or "",
        role=Role.HUMAN_PROXY if provider in HUMANS else Role.AGENT,
        place=source.at(source.line_with(f'"name": "{name}"', name)),
    )  # fmt: skip


def read_letta(source: Source) -> list[Finding]:
    """Letta's agent file: one agent, or several with their tools by reference."""
    value = _mapping(source.json) if source.suffix in (".af", ".json") else {}
    agents = _dicts(value.get("agents")) or ([value] if "agent_type" in value else [])
    tools = {str(tool.get("id")): tool.get("name") for tool in _dicts(value.get("tools"))}
    return [
        Finding(
            "letta-agent-file", "letta", name=text_of(one["name"]),
            model=text_of(_mapping(one.get("llm_config")).get("model")) or text_of(one.get("model")),
            tools=names_of([*(tools.get(str(key)) for key in _list(one.get("tool_ids"))), *(tool.get("name") for tool in _dicts(one.get("tools")))]),
            description=text_of(one.get("description")) or "", place=source.at(source.line_with('"name"')),
        )
        for one in agents
        if text_of(one.get("name")) and "agent_type" in one and ("llm_config" in one or "model" in one or "system" in one)
    ]  # fmt: skip


def read_agentic_workflow(source: Source) -> list[Finding]:
    """GitHub Agentic Workflows: Markdown below `.github/workflows` with a trigger and what an engine needs."""
    if source.suffix != ".md" or source.folders[-2:] != (".github", "workflows"):
        return []
    head = source.front_matter or {}
    if "on" not in head or not {"engine", "tools", "safe-outputs", "permissions"} & head.keys():
        return []
    engine = head.get("engine")
    servers = head.get("mcp-servers")
    return [
        Finding(
            "agentic-workflow", "github-agentic-workflows", name=text_of(head.get("name")) or source.pure.stem,
            model=text_of(_mapping(engine).get("model")), tools=names_of(_mapping(head.get("tools"))),
            mcp_servers=names_of(_mapping(servers)), description=text_of(head.get("description")) or "",
            confidence=DECLARED if engine else LIKELY, place=source.at(1),
        )
    ]  # fmt: skip


def read_yaml_client(source: Source) -> list[Finding]:
    """MCP servers a program may use, in its YAML settings (LibreChat, fast-agent, mcp-agent)."""
    if source.suffix not in YAML:
        return []
    found = []
    for one in source.mappings:
        servers = servers_in(one) if "apiVersion" not in one else {}
        if servers:
            place = source.at(source.line_with("mcpServers", "mcp_servers", "servers"))
            found.append(
                Finding("mcp-yaml", "mcp", mcp_servers=names_of(servers), role=Role.MCP_CLIENT, place=place)
            )
    return found


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

"""Which MCP servers a client may use, and agents in the settings of coding tools (JSON and TOML).

Formats: https://modelcontextprotocol.io, https://code.visualstudio.com/docs/copilot/chat/mcp-servers,
https://developers.openai.com/codex/config, https://opencode.ai/docs/config, https://geminicli.com/docs/extensions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chancery_sdk.scan.finding import DECLARED, LIKELY, Finding, Role, names_of, text_of
from chancery_sdk.scan.source import Source

JSON_SUFFIXES: Final = (".json", ".jsonc", ".json5")
SERVER_KEYS: Final = ("mcpServers", "mcp_servers", "context_servers", "mcp-servers")
HOMES: Final = {
    ".vscode": ("vscode-mcp", "vscode"),
    ".cursor": ("mcp-json", "cursor"),
    ".gemini": ("gemini-settings", "gemini-cli"),
    ".roo": ("mcp-json", "roo-code"),
    ".kiro": ("mcp-json", "kiro"),
    ".amazonq": ("mcp-json", "amazon-q"),
    ".codeium": ("mcp-json", "windsurf"),
    ".zed": ("mcp-json", "zed"),
}
LAUNCHES: Final = frozenset({"command", "url", "httpUrl", "serverUrl", "type", "args", "image", "disabled"})


def read_json_client(source: Source) -> list[Finding]:
    """`.mcp.json`, `claude_desktop_config.json`, `.vscode/mcp.json`, a plugin manifest, editors' settings."""
    value = source.json if source.suffix in JSON_SUFFIXES else None
    if not isinstance(value, dict) or source.name in ("package.json", "package-lock.json", "server.json"):
        return []
    servers = servers_in(value) or _bare_servers(source, value)
    if not servers:
        return []
    kind, framework = _client_of(source, value)
    return [
        Finding(
            kind, framework, mcp_servers=names_of(servers), role=Role.MCP_CLIENT, confidence=DECLARED,
            place=source.at(source.line_with(*SERVER_KEYS, '"servers"')), extra={"launch": _launches(servers)},
        )
    ]  # fmt: skip


def servers_in(value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping of server name to how it is reached, wherever a client keeps it; {} when there is none."""
    below = [value, *(part for key in ("mcp", "amp", "settings") if isinstance(part := value.get(key), dict))]
    for place in below:
        for key in (*SERVER_KEYS, "servers") if place is not value else SERVER_KEYS:
            if _are_servers(place.get(key)):
                return dict(place[key])
    dotted = next((item for key, item in value.items() if key.endswith((".mcpServers", "mcp.servers"))), None)
    return dict(dotted) if isinstance(dotted, dict) and _are_servers(dotted) else {}


def _bare_servers(source: Source, value: dict[str, Any]) -> dict[str, Any]:
    """VS Code's form, whose key `servers` alone says little: the file must be an mcp.json."""
    servers = value.get("servers")
    return servers if "mcp" in source.name and isinstance(servers, dict) and _are_servers(servers) else {}


def _are_servers(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(item, dict) and LAUNCHES & item.keys() for item in value.values())


def _client_of(source: Source, value: dict[str, Any]) -> tuple[str, str]:
    if source.name == "claude_desktop_config.json":
        return "claude-desktop-config", "claude-desktop"
    for part in reversed(source.folders):
        if part in HOMES:
            return HOMES[part]
    return ("vscode-mcp", "vscode") if "servers" in value and "mcp" in source.name else ("mcp-json", "mcp")


def _launches(servers: Mapping[str, Any]) -> dict[str, str]:
    """How each server is reached: address or program. Arguments and environment may hold secrets and are left out."""
    kept = {}
    for name, item in servers.items():
        said = text_of(item.get("url") or item.get("httpUrl") or item.get("serverUrl")) or text_of(
            item.get("command")
        )
        if said:
            kept[str(name)] = said.partition("?")[0][:200]
    return kept


def read_gemini_extension(source: Source) -> list[Finding]:
    value = source.json if source.name == "gemini-extension.json" else None
    if not isinstance(value, dict):
        return []
    servers = value.get("mcpServers")
    return [
        Finding(
            "gemini-extension", "gemini-cli", name=text_of(value.get("name")),
            mcp_servers=names_of(servers) if isinstance(servers, dict) else (),
            description=text_of(value.get("description")) or "", role=Role.MCP_CLIENT, place=source.at(1),
        )
    ]  # fmt: skip


def read_opencode(source: Source) -> list[Finding]:
    """`opencode.json`: its agents, and its MCP servers when it declares any."""
    value = source.json if source.name in ("opencode.json", "opencode.jsonc", ".opencode.json") else None
    if not isinstance(value, dict):
        return []
    found = [
        _opencode_agent(source, name, item)
        for name, item in _mapping(value.get("agent")).items()
        if isinstance(item, dict)
    ]
    servers = _mapping(value.get("mcp")) or _mapping(value.get("mcpServers"))
    if servers:
        place = source.at(source.line_with('"mcp"'))
        found.append(
            Finding(
                "opencode-config",
                "opencode",
                mcp_servers=names_of(servers),
                role=Role.MCP_CLIENT,
                place=place,
            )
        )
    return found


def _opencode_agent(source: Source, name: str, item: dict[str, Any]) -> Finding:
    tools = names_of(tool for tool, allowed in _mapping(item.get("tools")).items() if allowed is True)
    return Finding(
        "opencode-agent", "opencode", name=name, model=text_of(item.get("model")), tools=tools,
        description=text_of(item.get("description")) or "", place=source.at(source.line_with(f'"{name}"')),
    )  # fmt: skip


def read_codex(source: Source) -> list[Finding]:
    """Codex: `config.toml` with MCP servers or agents, and one TOML file for each custom agent."""
    if source.suffix != ".toml" or source.name in ("pyproject.toml", "cargo.toml"):
        return []
    value = source.toml
    servers = _mapping(value.get("mcp_servers"))
    if ".codex" in source.folders and text_of(value.get("name")) and "developer_instructions" in value:
        return [_codex_agent(source, str(value["name"]), value)]
    found = [
        _codex_agent(source, name, item)
        for name, item in _mapping(value.get("agents")).items()
        if isinstance(item, dict) and ".codex" in source.folders
    ]
    if _are_servers(servers):
        place = source.at(source.line_with("[mcp_servers"))
        found.append(
            Finding("codex-config", "codex", mcp_servers=names_of(servers), role=Role.MCP_CLIENT, place=place)
        )
    return found or _codex_agent_elsewhere(source, value)


def _codex_agent_elsewhere(source: Source, value: dict[str, Any]) -> list[Finding]:
    """An agent file outside `.codex`: a name with developer instructions and what only Codex has."""
    own = {"developer_instructions", "sandbox_mode", "model_reasoning_effort", "nickname_candidates"}
    if text_of(value.get("name")) and len(own & value.keys()) >= 2:
        return [_codex_agent(source, str(value["name"]), value, LIKELY)]
    return []


def _codex_agent(source: Source, name: str, item: dict[str, Any], confidence: float = DECLARED) -> Finding:
    return Finding(
        "codex-config", "codex", name=text_of(item.get("name")) or name, model=text_of(item.get("model")),
        mcp_servers=names_of(_mapping(item.get("mcp_servers"))), description=text_of(item.get("description")) or "",
        confidence=confidence, place=source.at(source.line_with(f'"{name}"', name)),
    )  # fmt: skip


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

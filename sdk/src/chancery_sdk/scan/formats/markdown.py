"""Agents and instructions in Markdown: Claude Code, Copilot, opencode, Cursor, Gemini; AGENTS.md and its kin.

Formats: https://code.claude.com/docs/en/sub-agents, https://docs.github.com/en/copilot/reference/custom-agents-configuration,
https://opencode.ai/docs/agents, https://agents.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from chancery_sdk.scan.finding import DECLARED, LIKELY, Finding, Role, names_of, text_of
from chancery_sdk.scan.source import Source

SUFFIXES: Final = (".md", ".mdc", ".markdown")
INSTRUCTIONS: Final = frozenset(
    {
        "agents.md",
        "claude.md",
        "claude.local.md",
        "gemini.md",
        "copilot-instructions.md",
        "agent.md",
        "agents.override.md",
    }
)
RULES_FILES: Final = frozenset({".cursorrules", ".windsurfrules", ".clinerules", ".goosehints"})
# The folder of a tool that keeps agents in Markdown below it: kind and framework.
HOMES: Final = {
    ".claude": ("claude-code-agent", "claude-code"),
    ".github": ("copilot-agent", "github-copilot"),
    ".copilot": ("copilot-agent", "github-copilot"),
    ".opencode": ("opencode-agent", "opencode"),
    "opencode": ("opencode-agent", "opencode"),
    ".cursor": ("cursor-agent", "cursor"),
    ".gemini": ("gemini-agent", "gemini-cli"),
    ".qwen": ("qwen-agent", "qwen-code"),
    ".factory": ("factory-droid", "factory"),
    ".kiro": ("kiro-agent", "kiro"),
}
AGENT_FOLDERS: Final = frozenset({"agents", "agent", "droids", "subagents"})
# A head with one of these belongs to something that is read, not run: a page of a documentation site, a skill, a rule.
NOT_AGENTS: Final = frozenset(
    {"title", "layout", "permalink", "sidebar_position", "sidebar_label", "nav_order", "date", "slug", "applyto", "globs",
     "category", "weight", "author", "hide_table_of_contents", "pagetitle", "toc", "draft", "canonical"}
)  # fmt: skip


def read_instructions(source: Source) -> list[Finding]:
    """AGENTS.md, CLAUDE.md and their kin: a coding agent works in this folder by these words."""
    is_rule = source.name in RULES_FILES or (source.suffix == ".mdc" and ".cursor" in source.folders)
    if source.name not in INSTRUCTIONS and not is_rule:
        return []
    if source.name == "agent.md" and source.front_matter:
        return []
    return [
        Finding(
            "agents-md", "agents.md", role=Role.INSTRUCTIONS, place=source.at(1),
            confidence=DECLARED if source.text.strip() else LIKELY, mcp_servers=(),
        )
    ]  # fmt: skip


def read_agent(source: Source) -> list[Finding]:
    """A Markdown file whose head declares an agent."""
    if (
        source.suffix not in SUFFIXES
        or source.name in INSTRUCTIONS
        or source.name in ("readme.md", "skill.md")
    ):
        return []
    head = source.front_matter
    known = _kind_of(source, head)
    if known is None:
        return []
    kind, framework, confidence = known
    head = head or {}
    stem = re.sub(r"\.(agent|chatmode|md|mdc|markdown)", "", source.pure.name)
    models = _list(head.get("model"))
    return [
        Finding(
            kind,
            framework,
            name=text_of(head.get("name")) or stem,
            model=models[0] if models else None,
            tools=_tools(head),
            mcp_servers=_servers(
                head.get("mcp-servers") or head.get("mcpServers") or head.get("mcp_servers")
            ),
            description=text_of(head.get("description")) or "",
            confidence=confidence,
            place=source.at(1),
            extra={"mode": head["mode"]} if isinstance(head.get("mode"), str) else {},
        )
    ]


def _kind_of(source: Source, head: dict[str, Any] | None) -> tuple[str, str, float] | None:
    if source.name.endswith((".agent.md", ".chatmode.md")):
        return "copilot-agent", "github-copilot", DECLARED
    folder = next((at for at, part in enumerate(source.folders) if part in AGENT_FOLDERS), None)
    if folder is None or head is None or not text_of(head.get("description")):
        return None
    if {key.lower() for key in head} & NOT_AGENTS:
        return None
    for part in reversed(source.folders[:folder]):
        if part in HOMES:
            return (*HOMES[part], DECLARED)
    return _outside_a_home(source, head)


def _outside_a_home(source: Source, head: dict[str, Any]) -> tuple[str, str, float] | None:
    """`agents/` of a plugin or a collection: Claude Code's form, which always has a name; opencode's has a mode."""
    if text_of(head.get("name")) and source.folders[-1] not in ("docs", "documentation"):
        return "claude-code-agent", "claude-code", DECLARED if "plugins" in source.folders else LIKELY
    if text_of(head.get("mode")) in ("primary", "subagent", "all"):
        return "opencode-agent", "opencode", LIKELY
    return None


def _tools(head: dict[str, Any]) -> tuple[str, ...]:
    """A list, a text with commas, or opencode's mapping of tool to allowed or not."""
    tools = head.get("tools")
    if isinstance(tools, dict):
        return names_of(name for name, allowed in tools.items() if allowed is True)
    return tuple(_list(tools))


def _list(value: object) -> list[str]:
    if isinstance(value, str):
        value = re.split(r",(?![^(]*\))", value.strip().removeprefix("[").removesuffix("]"))
    items: Iterable[object] = value if isinstance(value, list) else ()
    return list(names_of(item.strip().strip("'\"") for item in items if isinstance(item, str)))


def _servers(value: object) -> tuple[str, ...]:
    """A mapping by name, a list of names, or a list of mappings."""
    if isinstance(value, dict):
        return names_of(value)
    found: list[object] = []
    for item in value if isinstance(value, list) else _list(value):
        found.extend(item if isinstance(item, dict) and "name" not in item else [_name(item)])
    return names_of(found)


def _name(item: object) -> object:
    return item.get("name") if isinstance(item, dict) else item

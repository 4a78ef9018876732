"""How a tool is written, in policies, decisions, verdicts and baselines: one reading for all of them.

`server/tool` is a tool of an MCP server, a plain name a tool of no server. Frameworks write the first as
`mcp__server__tool`; telemetry tells server and name apart. A slash within a server's name is written %2F.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "mcp__"
LONGEST = 520  # a server and a tool of 255 characters each, and a slash


class ToolName(NamedTuple):
    """A tool and the MCP server it is of; '' for one of no server."""

    server: str
    tool: str

    def __str__(self) -> str:
        return f"{self.server.replace('/', '%2F')}/{self.tool}" if self.server else self.tool


def tool_named(name: str, server: str = "") -> ToolName:
    """What `name` means. A server in the name itself outweighs the one told beside it."""
    name = name.strip()
    if name.startswith(PREFIX):
        own, _, tool = name.removeprefix(PREFIX).partition("__")
        if own and tool:
            return ToolName(own, tool)
    if server:
        return ToolName(server, name)
    head, _, tail = name.partition("/")
    return ToolName(head.replace("%2F", "/"), tail) if head and tail else ToolName("", name)

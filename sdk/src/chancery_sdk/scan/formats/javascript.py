"""Agents in TypeScript and JavaScript, read as text: creations by what known packages export.

References: https://openai.github.io/openai-agents-js, https://mastra.ai/docs, https://langchain-ai.github.io/langgraphjs,
https://ai-sdk.dev/docs, https://modelcontextprotocol.io
"""

from __future__ import annotations

import re
from typing import Final

from chancery_sdk.scan.finding import LIKELY, POSSIBLE, Finding, Role, names_of
from chancery_sdk.scan.source import Source

SUFFIXES: Final = (".ts", ".tsx", ".js", ".mjs", ".cjs", ".mts")
# Package prefix -> framework
PACKAGES: Final = {
    "@openai/agents": "openai-agents", "@mastra/": "mastra", "@langchain/": "langgraph", "langchain": "langchain",
    "deepagents": "langgraph", "ai": "ai-sdk", "@google/adk": "google-adk", "@voltagent/": "voltagent",
    "@strands-agents/": "strands", "beeai-framework": "beeai", "@modelcontextprotocol/sdk": "mcp-server",
    "@anthropic-ai/claude-agent-sdk": "claude-agent-sdk", "@inngest/agent-kit": "agent-kit", "llamaindex": "llama-index",
    "@llamaindex/": "llama-index", "fastmcp": "mcp-server", "agents": "cloudflare-agents", "@microsoft/agents": "m365-agents",
}  # fmt: skip
IMPORTED: Final = re.compile(r"""import\s+(?:type\s+)?([^;'"]*?)\s*from\s*['"]([^'"]+)['"]""")
CREATED: Final = re.compile(
    r"(?:(?:const|let|var)\s+(\w+)[^=;\n]{0,200}=\s*|(\w+)\s*:\s*|(?:return|export\s+default)\s+)?(?:await\s+)?"
    r"(?:new\s+(\w+)|(?<![\w.])(create\w*Agent|createSupervisor|createSwarm|createTeam|defineAgent|agent))\s*(?:<[^()]{0,200}>)?\s*(\()"
)
COMMENTS: Final = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
MODEL: Final = re.compile(
    r"""\b(?:model|llm|modelName|modelId)\s*:\s*(?:await\s+)?(?:(?:new\s+)?[\w.]+\s*\(\s*(?:\{[^}]*?\bmodel(?:Name|Id)?\s*:\s*)?)?['"]([^'"]+)['"]"""
)
SERVERS: Final = frozenset({"McpServer", "Server", "FastMCP"})
FAKE: Final = re.compile(r"(^|/)(tests?|__tests__|fixtures)/|\.(test|spec)\.\w+$")


def read_javascript(source: Source) -> list[Finding]:
    if source.suffix not in SUFFIXES or not any(package in source.text for package in PACKAGES):
        return []
    text = COMMENTS.sub(lambda found: found[1] or " ", source.text)
    exported = _imports(text)
    found = [
        one for match in CREATED.finditer(text) if (one := _made(source, text, match, exported)) is not None
    ]
    agents = [one for one in found if one.role == Role.AGENT]
    return agents or found


def _imports(text: str) -> dict[str, str]:
    """Local name -> framework, for names imported from a known package."""
    names: dict[str, str] = {}
    for clause, package in IMPORTED.findall(text):
        framework = next(
            (
                said
                for prefix, said in PACKAGES.items()
                if package == prefix or package.startswith(prefix.rstrip("/") + "/")
            ),
            None,
        )
        for part in re.split(r"[{},]", clause) if framework else ():
            local = part.strip().removeprefix("type ").split(" as ")[-1].strip()
            if local:
                names[local] = str(framework)
    return names


def _made(source: Source, text: str, match: re.Match[str], exported: dict[str, str]) -> Finding | None:
    maker = match[3] or match[4]
    framework = exported.get(maker)
    if framework is None or not (
        maker in SERVERS or maker.endswith("Agent") or maker.startswith("create") or maker == "agent"
    ):
        return None
    if (maker in SERVERS) != (framework == "mcp-server"):
        return None
    body = _balanced(text, match.start(5))
    first = re.match(r"""\(\s*['"]([^'"]+)['"]""", body)
    stated = _text(body, "name") or _text(body, "id") or (first[1] if first else None)
    name = stated or match[1] or match[2] or source.pure.stem
    is_server = framework == "mcp-server"
    model = MODEL.search(body)
    return Finding(
        "mcp-server-code" if is_server else "javascript-agent",
        framework,
        name=name,
        model=None if is_server or not model else model[1],
        tools=() if is_server else names_of(_tools(text, body)),
        mcp_servers=names_of([name]) if is_server else (),
        description=_text(body, "description") or _text(body, "handoffDescription") or "",
        role=Role.MCP_SERVER if is_server else Role.AGENT,
        confidence=POSSIBLE if FAKE.search(source.path) else LIKELY + 0.2,
        place=source.at(source.line_with(f"'{name}'", f'"{name}"', f"{match[1]} =" if match[1] else None)),
    )


def _text(body: str, key: str) -> str | None:
    """A literal given at the first level of the argument object."""
    found = re.search(rf"""(?:^\(\s*\{{|,|\{{)\s*{key}\s*:\s*(?:'([^'\n]*)'|"([^"\n]*)"|`([^`]*)`)""", body)
    return next((said for said in found.groups() if said is not None), None) if found else None


def _tools(text: str, body: str) -> list[str]:
    """Names in `tools: [a, b()]` or `tools: { a, b: c }`, through a variable where one is named."""
    found = re.search(r"\btools\s*(?::\s*([\[{])|:\s*(\w+)|(?=[,}]))", body)
    if not found:
        return []
    if not found[1]:
        name = found[2] or "tools"
        declared = re.search(rf"\b(?:const|let|var)\s+{re.escape(name)}\b[^=;\n]{{0,100}}=\s*([\[{{])", text)
        return _members(_balanced(text, declared.start(1))) if declared else []
    return _members(_balanced(body, found.start(1)))


def _members(inner: str) -> list[str]:
    """The names of the members at the first level of a list or an object."""
    flat, depth = "", 0
    for letter in inner[1:-1]:
        depth -= letter in ")]}"
        flat += letter if depth == 0 else ""
        depth += letter in "([{"
    names = [re.match(r"\s*(?:\.\.\.)?(?:new\s+)?['\"]?([\w.]+)", part) for part in flat.split(",")]
    return [name[1].rpartition(".")[2] for name in names if name]


def _balanced(text: str, start: int) -> str:
    """The bracket that opens at `start`, at most 6,000 characters."""
    depth = 0
    for at in range(start, min(len(text), start + 6_000)):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0:
            return text[start : at + 1]
    return text[start : start + 6_000]

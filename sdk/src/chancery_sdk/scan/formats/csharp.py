"""Semantic Kernel and Agent Framework agents in C#, read as text: object creations with an initialiser.

Reference: https://learn.microsoft.com/semantic-kernel/frameworks/agent
"""

from __future__ import annotations

import re
from typing import Final

from chancery_sdk.scan.finding import READ, Finding, names_of
from chancery_sdk.scan.source import Source

USES: Final = re.compile(
    r"^\s*(?:global\s+)?using\s+(Microsoft\.SemanticKernel|Microsoft\.Agents|AutoGen)", re.MULTILINE
)
COMMENTS: Final = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
TYPES: Final = (
    r"(?:ChatCompletionAgent|OpenAIAssistantAgent|OpenAIResponseAgent|AzureAIAgent|BedrockAgent|CopilotStudioAgent|"
    r"ChatClientAgent|AssistantAgent|OpenAIChatAgent)"
)
CREATED: Final = re.compile(
    rf"(?:\bnew\s+({TYPES})|\b({TYPES})\??\s+\w+\s*=\s*new)\s*(?:\([^(){{}};]*\))?\s*\{{"
)
CALLED: Final = re.compile(r"\.(?:CreateAIAgent|AsAIAgent|CreateAgentAsync|CreateAIAgentAsync)\s*\(")
CONSTANT: Final = re.compile(
    r'\b(?:const\s+|static\s+|readonly\s+|var\s+|string\s+)+(\w+)\s*=\s*"((?:\\.|[^"\\])*)"'
)
VARIABLE: Final = re.compile(r"(\w+)\s*=\s*(?:await\s+)?[\w.()\s]*$")
PLUGIN: Final = re.compile(
    r"(?:CreateFromType|AddFromType|ImportPluginFromType)<(\w+)>|AIFunctionFactory\.Create\(\s*(\w+)"
)


def read_csharp(source: Source) -> list[Finding]:
    if source.suffix != ".cs" or not USES.search(source.text):
        return []
    text = COMMENTS.sub(lambda found: found[1] or " ", source.text)
    constants = dict(CONSTANT.findall(text))
    found = [_agent(source, text, match, "{", "}", constants) for match in CREATED.finditer(text)]
    found += [_agent(source, text, match, "(", ")", constants) for match in CALLED.finditer(text)]
    return [one for one in found if one is not None]


def _agent(
    source: Source, text: str, match: re.Match[str], opens: str, closes: str, constants: dict[str, str]
) -> Finding | None:
    body = _balanced(text, match.end() - 1, opens, closes)
    name = _value(body, r"[Nn]ame", constants)
    variable = VARIABLE.search(
        text[max(0, match.start() - 120) : match.start()] + ("" if match[0].startswith(".") else "x = ")
    )
    stated = name or (re.search(r"(\w+)\s*=\s*new", match[0]) or [None, None])[1]
    if stated is None and opens == "(" and "instructions" not in body.lower():
        return None
    following = text[match.end() : match.end() + len(body) + 1500]
    return Finding(
        "semantic-kernel-code",
        "semantic-kernel",
        name=stated or (variable[1] if variable else source.pure.stem),
        tools=names_of(first or second for first, second in PLUGIN.findall(body)),
        description=_value(body, r"[Dd]escription", constants) or "",
        confidence=READ,
        place=source.at(source.line_with(stated)),
        extra={"mentions_plugins": "Plugins.Add" in following} if "Plugins.Add" in following else {},
    )


def _value(body: str, key: str, constants: dict[str, str]) -> str | None:
    """The literal or constant given as `Name = ...` or `name: ...`."""
    found = re.search(rf'\b{key}\s*[=:]\s*(?:"((?:\\.|[^"\\])*)"|([\w.]+))', body)
    if not found:
        return None
    return found[1] if found[1] is not None else constants.get(found[2].rpartition(".")[2])


def _balanced(text: str, start: int, opens: str, closes: str) -> str:
    """The text of the bracket that opens at `start`, at most 4,000 characters."""
    depth = 0
    for at in range(start, min(len(text), start + 4_000)):
        depth += (text[at] == opens) - (text[at] == closes)
        if depth == 0:
            return text[start : at + 1]
    return text[start : start + 4_000]

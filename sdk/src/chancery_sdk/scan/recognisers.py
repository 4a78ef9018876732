"""The recognisers, in the order in which they are asked. The first that finds something tells what a file is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from chancery_sdk.scan.finding import Finding
from chancery_sdk.scan.formats import (
    accounts,
    cards,
    clients,
    cloud,
    csharp,
    javascript,
    kubernetes,
    markdown,
    others,
    specs,
    workflows,
)
from chancery_sdk.scan.python.agents import read_python
from chancery_sdk.scan.source import Source

Recogniser = Callable[[Source], list[Finding]]

RECOGNISERS: Final[Mapping[str, Recogniser]] = {
    "instructions for coding agents": markdown.read_instructions,
    "agents in Markdown": markdown.read_agent,
    "Gemini extension": clients.read_gemini_extension,
    "opencode": clients.read_opencode,
    "Codex": clients.read_codex,
    "A2A agent card": cards.read_a2a_card,
    "MCP registry": cards.read_mcp_server,
    "Microsoft 365 declarative agent": cards.read_declarative_agent,
    "LangGraph configuration": cards.read_langgraph_config,
    "Open Agent Spec": cards.read_agent_spec,
    "n8n": workflows.read_n8n,
    "Flowise": workflows.read_flowise,
    "Langflow": workflows.read_langflow,
    "Dify": workflows.read_dify,
    "Amazon Q and Kiro": others.read_cli_agent,
    "AutoGen components": others.read_autogen_component,
    "Letta": others.read_letta,
    "Roo Code": others.read_roo_modes,
    "GitHub Agentic Workflows": others.read_agentic_workflow,
    "MCP client configuration": clients.read_json_client,
    "Kubernetes": kubernetes.read_manifests,
    "CloudFormation": cloud.read_cloudformation,
    "Terraform": cloud.read_terraform,
    "CrewAI agents": specs.read_crewai_agents,
    "CrewAI tasks": specs.read_crewai_tasks,
    "cagent": specs.read_cagent,
    "Semantic Kernel": specs.read_semantic_kernel,
    "Google ADK": specs.read_adk_config,
    "Continue": others.read_continue,
    "Goose": others.read_goose,
    "MCP client settings in YAML": others.read_yaml_client,
    "agent configuration": specs.read_general_agents,
    "service accounts": accounts.read_accounts,
    "C#": csharp.read_csharp,
    "TypeScript and JavaScript": javascript.read_javascript,
    "Python": read_python,
}


UNFORESEEN: Final = (RecursionError, AttributeError, TypeError, ValueError, LookupError)


def recognise(path: str, text: str) -> list[Finding]:
    """What the file at `path` declares, by its path and text alone. Never raises for what stands in the text."""
    source = Source(path, text)
    for recogniser in RECOGNISERS.values():
        try:
            found = recogniser(source)
        except UNFORESEEN:  # nested or shaped as no one foresaw: one odd file must not end a scan
            continue
        if found:
            return found
    return []

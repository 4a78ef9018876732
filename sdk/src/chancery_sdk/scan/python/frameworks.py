"""Which constructor of which module makes an agent: one table for all frameworks.

A class of a known module whose name ends in `Agent` counts too, so that a new one of a known framework is seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Framework:
    """`modules` are dotted prefixes; `makers` the callables beyond `*Agent` that make one.

    `positional` names the leading positional arguments; `kind` is the sort of file, `name` the framework.
    """

    kind: str
    name: str
    modules: tuple[str, ...]
    makers: frozenset[str] = frozenset()
    positional: tuple[str, ...] = ("name",)
    is_generic_module: bool = False


def _of(
    kind: str, name: str, modules: str, makers: str = "", positional: str = "name", **more: bool
) -> Framework:
    return Framework(
        kind, name, tuple(modules.split()), frozenset(makers.split()), tuple(positional.split()), **more
    )


FRAMEWORKS: Final = (
    _of("openai-agents-sdk", "openai-agents", "agents", "Agent RealtimeAgent SandboxAgent", is_generic_module=True),
    _of("pydantic-ai", "pydantic-ai", "pydantic_ai", positional="model"),
    _of("google-adk", "google-adk", "google.adk google_adk", "Workflow"),
    _of("crewai", "crewai", "crewai crewai_tools", "", "role goal"),
    _of("autogen", "autogen", "autogen_agentchat autogen_core autogen_ext autogen ag2 autogenstudio",
        "GroupChatManager MultimodalWebSurfer FileSurfer MagenticOneCoderAgent"),
    _of("smolagents", "smolagents", "smolagents", "", "tools model"),
    _of("strands", "strands", "strands strands_agents", "", "model"),
    _of("semantic-kernel-code", "semantic-kernel", "semantic_kernel", ""),
    _of("agent-framework", "agent-framework", "agent_framework", "", "chat_client"),
    _of("agno", "agno", "agno phi", "Team Workflow Assistant"),
    _of("langgraph-code", "langgraph", "langgraph langgraph_supervisor langgraph_swarm deepagents langgraph_bigtool",
        "create_react_agent create_supervisor create_swarm create_deep_agent async_create_deep_agent create_agent",
        "model tools"),
    _of("langchain-code", "langchain", "langchain langchain_classic langchain_experimental langchain_community",
        "create_agent create_react_agent create_tool_calling_agent create_openai_functions_agent create_sql_agent "
        "create_openai_tools_agent create_structured_chat_agent create_json_chat_agent create_pandas_dataframe_agent "
        "create_csv_agent create_xml_agent create_self_ask_with_search_agent initialize_agent "
        "create_python_agent", "model tools"),
    _of("llama-index-code", "llama-index", "llama_index",
        "ReActAgent FunctionAgent AgentWorkflow AgentRunner CodeActAgent", "", ),
    _of("haystack-code", "haystack", "haystack haystack_experimental", ""),
    _of("dspy-code", "dspy", "dspy", "ReAct", "signature tools"),
    _of("camel-code", "camel", "camel", "Workforce", "system_message"),
    _of("metagpt-code", "metagpt", "metagpt", "Role"),
    _of("mcp-agent-code", "mcp-agent", "mcp_agent fast_agent", "Orchestrator"),
    _of("beeai-code", "beeai", "beeai_framework bee_agent", ""),
    _of("letta-code", "letta", "letta letta_client memgpt", ""),
    _of("marvin-code", "marvin", "marvin controlflow", ""),
    _of("atomic-agents-code", "atomic-agents", "atomic_agents", "AtomicAgent", "config"),
    _of("swarm-code", "swarm", "swarm swarms", ""),
    _of("claude-agent-sdk", "claude-agent-sdk", "claude_agent_sdk claude_code_sdk", "AgentDefinition ClaudeSDKClient",
        "description"),
    _of("browser-use-code", "browser-use", "browser_use", "", "task model"),
    _of("praisonai-code", "praisonai", "praisonaiagents praisonai", "PraisonAIAgents"),
    _of("open-agent-spec-code", "open-agent-spec", "pyagentspec wayflowcore", ""),
    _of("livekit-code", "livekit", "livekit", "AgentSession VoicePipelineAgent", ""),
    _of("qwen-agent-code", "qwen-agent", "qwen_agent", "Assistant ReActChat FnCallAgent", "llm"),
    _of("agentscope-code", "agentscope", "agentscope", ""),
    _of("griptape-code", "griptape", "griptape", ""),
    _of("upsonic-code", "upsonic", "upsonic", "", "model"),
    _of("vertex-agent-code", "vertex-ai", "vertexai", "LangchainAgent LanggraphAgent LlamaIndexQueryPipelineAgent"),
    _of("azure-ai-agents-code", "azure-ai-agents", "azure.ai.agents azure.ai.projects", ""),
    _of("uagents-code", "uagents", "uagents", ""),
    _of("transformers-agents", "transformers-agents", "transformers", "ReactCodeAgent ReactJsonAgent CodeAgent", "tools model"),
    _of("julep-code", "julep", "julep", ""),
    _of("llama-stack-code", "llama-stack", "llama_stack_client llama_stack", "", "client"),
)  # fmt: skip

# Makers whose first argument is not what their framework's others take.
POSITIONAL: Final = {
    "create_swarm": ("agents",),
    "create_supervisor": ("agents",),
    "initialize_agent": ("tools", "model"),
}
# Class methods that make an agent: ReActAgent.from_tools(...)
FACTORIES: Final = re.compile(r"^(from_\w+|create|create_agent|acreate|build|initialize)$")
# Bases and helpers that end in `Agent` and make none.
NOT_MAKERS: Final = frozenset({"UserAgent", "TransferToAgent", "get_agent", "AIAgent"})
HUMAN: Final = ("UserProxyAgent", "UserProxy", "HumanAgent", "HumanProxy")
ORCHESTRATION: Final = ("GroupChatManager",)
MODEL_CLIENTS: Final = frozenset(
    {"openai", "anthropic", "google", "litellm", "mistralai", "boto3", "ollama", "groq", "cohere", "together",
     "langchain_openai", "langchain_anthropic", "langchain_core", "huggingface_hub", "fireworks", "aisuite", "instructor"}
)  # fmt: skip


def framework_of(dotted: str) -> Framework | None:
    """The framework of a dotted module path, the longest prefix winning."""
    best, longest = None, 0
    for framework in FRAMEWORKS:
        for module in framework.modules:
            if (dotted == module or dotted.startswith(f"{module}.")) and len(module) > longest:
                best, longest = framework, len(module)
    return best


def makes_agent(framework: Framework, callable_name: str) -> bool:
    if callable_name in NOT_MAKERS or callable_name.startswith("_"):
        return False
    if framework.is_generic_module:  # people call packages of their own `agents` too
        return callable_name in framework.makers
    return callable_name in framework.makers or (
        callable_name.endswith("Agent") and callable_name[0].isupper()
    )

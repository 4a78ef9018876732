"""Programs written from the documentation of each framework, with the agents they make."""

from __future__ import annotations

from tests.sdk.variants import Case, case

PROGRAMS: list[Case] = [
    case(
        "app/desk.py",
        """
        from agents import Agent, Runner, function_tool, handoff
        from agents.mcp import MCPServerStreamableHttp

        MODEL = "gpt-5-mini"

        @function_tool
        def refund(order: str) -> str: ...

        billing = Agent(name="Billing", handoff_description="Knows bills", tools=[refund], model=MODEL)
        server = MCPServerStreamableHttp(params={"url": "https://mcp.example.org"}, name="crm")
        triage = Agent(name="Triage", instructions="x", handoffs=[handoff(billing)], mcp_servers=[server])
        """,
        {
            "name": "Billing",
            "framework": "openai-agents",
            "model": "gpt-5-mini",
            "tools": {"refund"},
            "description": "Knows bills",
        },
        {"name": "Triage", "extra.sub_agents": ["billing"], "mcp_servers": {"crm"}, "model": None},
    ),
    case(
        "service.py",
        """
        import os
        import pydantic_ai as ai
        from pydantic_ai.mcp import MCPServerStdio

        class Support:
            model = os.getenv("MODEL", "openai:gpt-4o")

            def __init__(self) -> None:
                self.agent = ai.Agent(self.model, toolsets=[MCPServerStdio("uvx", args=["mcp-run-python", "stdio"])])

        helper = ai.Agent("anthropic:claude-sonnet-4-0", name="helper")

        @helper.tool_plain(retries=2)
        def clock() -> str: ...
        """,
        {"name": "agent", "model": "openai:gpt-4o", "mcp_servers": {"mcp-run-python"}},
        {"name": "helper", "model": "anthropic:claude-sonnet-4-0", "tools": {"clock"}},
    ),
    case(
        "adk/agent.py",
        """
        from google.adk.agents import LlmAgent, SequentialAgent
        from google.adk.models.lite_llm import LiteLlm
        from google.adk.tools import FunctionTool, agent_tool
        from google.adk.tools.agent_tool import AgentTool
        from google.adk.tools.mcp_tool import MCPToolset, StdioConnectionParams
        from mcp import StdioServerParameters
        from . import tools

        greeter = LlmAgent(model=LiteLlm(model="openai/gpt-4o"), name="greeter", description="Greets",
                           tools=[FunctionTool(func=tools.greet), agent_tool.AgentTool(agent=other)])
        files = LlmAgent(model="gemini-2.5-pro", name="files", tools=[MCPToolset(connection_params=StdioConnectionParams(
            server_params=StdioServerParameters(command="npx", args=["-y", "@acme/files@1.2.0", "/tmp"])))])
        root_agent = SequentialAgent(name="pipeline", sub_agents=[greeter, files])
        """,
        {"name": "greeter", "model": "openai/gpt-4o", "tools": {"greet", "other"}, "description": "Greets"},
        {"name": "files", "model": "gemini-2.5-pro", "mcp_servers": {"@acme/files"}, "tools": set()},
        {"name": "pipeline", "extra.sub_agents": ["greeter", "files"]},
    ),
    case(
        "crew.py",
        """
        from crewai import Agent, Task, Crew, LLM
        from crewai_tools import SerperDevTool, ScrapeWebsiteTool

        llm = LLM(model="anthropic/claude-3-5-sonnet")
        search = SerperDevTool()
        researcher = Agent(role="Researcher", goal="Find", backstory="b", tools=[search, ScrapeWebsiteTool()], llm=llm)
        """,
        {
            "name": "researcher",
            "model": "anthropic/claude-3-5-sonnet",
            "tools": {"search", "ScrapeWebsiteTool"},
            "extra.alt_names": ["Researcher"],
        },
    ),
    case(
        "chat.py",
        """
        from autogen import AssistantAgent, UserProxyAgent, GroupChat, GroupChatManager
        config_list = [{"model": "gpt-4", "api_key": "x"}]
        coder = AssistantAgent("coder", llm_config={"config_list": config_list})
        user = UserProxyAgent(name="user_proxy", human_input_mode="ALWAYS")
        manager = GroupChatManager(groupchat=GroupChat(agents=[coder, user], messages=[]), name="manager")
        """,
        {"name": "coder", "model": "gpt-4", "role": "agent"},
        {"name": "user_proxy", "role": "human_proxy"},
        {"name": "manager", "role": "orchestration_proxy"},
    ),
    case(
        "small.py",
        """
        from smolagents import ToolCallingAgent, LiteLLMModel, tool
        agent = ToolCallingAgent([lookup], LiteLLMModel("ollama_chat/qwen3"), name="finder", description="Finds")
        """,
        {"name": "finder", "model": "ollama_chat/qwen3", "tools": {"lookup"}, "description": "Finds"},
    ),
    case(
        "strand.py",
        """
        from strands import Agent
        from strands.models.bedrock import BedrockModel
        from strands_tools import calculator

        def create_desk(model_id: str = "amazon.nova-lite-v1:0"):
            tools = [calculator]
            tools.append(extra)
            return Agent(model=BedrockModel(model_id=model_id), tools=tools, system_prompt="x")
        """,
        {"name": "create_desk", "model": "amazon.nova-lite-v1:0", "tools": {"calculator", "extra"}},
    ),
    case(
        "kernel.py",
        """
        from semantic_kernel.agents import ChatCompletionAgent
        from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
        agent = ChatCompletionAgent(service=OpenAIChatCompletion(ai_model_id="gpt-4o"), name="Menu", plugins=[MenuPlugin()])
        """,
        {"name": "Menu", "model": "gpt-4o", "tools": {"MenuPlugin"}, "framework": "semantic-kernel"},
    ),
    case(
        "team.py",
        """
        from agno.agent import Agent
        from agno.models.anthropic import Claude
        from agno.team import Team
        from agno.tools.yfinance import YFinanceTools
        finance = Agent(name="Finance", model=Claude(id="claude-sonnet-4-0"), tools=[YFinanceTools(stock_price=True)])
        desk = Team(name="Desk", members=[finance], model=Claude(id="claude-sonnet-4-0"))
        """,
        {"name": "Finance", "model": "claude-sonnet-4-0", "tools": {"YFinanceTools"}},
        {"name": "Desk", "extra.sub_agents": ["finance"]},
    ),
    case(
        "graph.py",
        """
        from langgraph.graph import StateGraph, START
        from langgraph.prebuilt import ToolNode
        from langchain.chat_models import init_chat_model
        llm = init_chat_model("openai:gpt-4.1").bind_tools([search, book])
        builder = StateGraph(State).add_node("chat", chat).add_node("tools", ToolNode([search, book]))
        graph = builder.compile(checkpointer=memory)
        graph.name = "Booking"
        """,
        {"name": "Booking", "framework": "langgraph", "model": "openai:gpt-4.1", "tools": {"search", "book"}},
    ),
    case(
        "react.py",
        """
        from langchain.agents import create_agent
        agent = create_agent("anthropic:claude-sonnet-4-5", tools=[get_weather], name="weather")
        """,
        {"name": "weather", "model": "anthropic:claude-sonnet-4-5", "tools": {"get_weather"}},
    ),
    case(
        "index.py",
        """
        from llama_index.core.agent.workflow import FunctionAgent
        from llama_index.llms.openai import OpenAI
        agent = FunctionAgent(name="Calc", description="Multiplies", tools=[multiply], llm=OpenAI(model="gpt-4o-mini"))
        """,
        {"name": "Calc", "framework": "llama-index", "model": "gpt-4o-mini", "tools": {"multiply"}},
    ),
    case(
        "handmade/agent.py",
        """
        import anthropic
        client = anthropic.Anthropic()

        class DeskAgent:
            \"\"\"Answers tickets.\"\"\"
            def run(self, messages):
                tools = [{"name": "look_up", "input_schema": {}}]
                return client.messages.create(model="claude-3-haiku", tools=tools, messages=messages)
        """,
        {
            "name": "DeskAgent",
            "framework": "custom",
            "model": "claude-3-haiku",
            "tools": {"look_up"},
            "description": "Answers tickets.",
        },
    ),
    case(
        "deploy.py",
        """
        import boto3
        client = boto3.client("bedrock-agent")
        client.create_agent(agentName="claims", foundationModel="anthropic.claude-v2", instruction="x")
        """,
        {"name": "claims", "model": "anthropic.claude-v2"},
    ),
    case(
        "mcp_server.py",
        """
        from mcp.server.fastmcp import FastMCP
        mcp = FastMCP("weather", instructions="Tells")

        @mcp.tool()
        def forecast(city: str) -> str: ...
        """,
        {"name": "weather", "role": "mcp_server", "tools": {"forecast"}, "mcp_servers": {"weather"}},
    ),
    case(
        "client.py",
        """
        from langchain_mcp_adapters.client import MultiServerMCPClient
        client = MultiServerMCPClient({"math": {"command": "python", "args": ["m.py"]}, "web": {"url": "https://w.example.org"}})
        """,
        {"role": "mcp_client_config", "mcp_servers": {"math", "web"}},
    ),
    case(
        "src/Desk.cs",
        """
        using Microsoft.SemanticKernel.Agents;
        const string DeskName = "Desk";
        // new ChatCompletionAgent() { Name = "Old" };
        ChatCompletionAgent agent = new() { Name = DeskName, Description = "Helps", Kernel = kernel };
        var other = new OpenAIAssistantAgent(definition, client) { Name = "Other" };
        """,
        {"name": "Desk", "description": "Helps", "framework": "semantic-kernel"},
        {"name": "Other"},
    ),
    case(
        "src/mastra/agents/weather.ts",
        """
        import { Agent } from "@mastra/core/agent";
        import { openai } from "@ai-sdk/openai";
        // const old = new Agent({ name: "Old" });
        export const weatherAgent = new Agent({
          name: "Weather Agent", instructions: `name: "trap"`, model: openai("gpt-4o"), tools: { weatherTool, maps: mapTool },
        });
        """,
        {"name": "Weather Agent", "framework": "mastra", "model": "gpt-4o", "tools": {"weatherTool", "maps"}},
    ),
    case(
        "src/agent.ts",
        """
        import { createReactAgent } from "@langchain/langgraph/prebuilt";
        const tools = [search, new Calculator()];
        export const agent = createReactAgent({ llm: new ChatOpenAI({ model: "gpt-4o-mini" }), tools });
        """,
        {
            "name": "agent",
            "framework": "langgraph",
            "model": "gpt-4o-mini",
            "tools": {"search", "Calculator"},
        },
    ),
    case(
        "server.ts",
        """
        import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
        const server = new McpServer({ name: "files", version: "1.0.0" });
        """,
        {"name": "files", "role": "mcp_server"},
    ),
    case(
        "chess.py",
        """
        from autogen_core import SingleThreadedAgentRuntime
        from autogen_core.tools import FunctionTool
        from agents import PlayerAgent
        from clients import client_from_env

        async def main(runtime):
            def look() -> str: ...
            tools = [FunctionTool(look, name="board", description="x")]
            await PlayerAgent.register(runtime, "White", lambda: PlayerAgent(description="Plays", tools=tools))
        """,
        {"name": "White", "framework": "autogen", "tools": {"look"}, "description": "Plays"},
    ),
    case(
        "assistant.py",
        """
        from semantic_kernel.agents import AzureAssistantAgent
        async def main():
            client = AzureAssistantAgent.create_client()
            definition = await client.beta.assistants.create(model="gpt-4o", name="Host", instructions="x")
            agent = AzureAssistantAgent(client=client, definition=definition, plugins=[Menu()])
        """,
        {"name": "Host", "model": "gpt-4o", "tools": {"Menu"}},
    ),
    case(
        "swarm.py",
        """
        from langchain.agents import create_agent
        from langgraph_swarm import create_handoff_tool, create_swarm
        to_b = create_handoff_tool(agent_name="b")
        a = create_agent("openai:gpt-4o", tools=[look, to_b], name="a")
        app = create_swarm([a], default_active_agent="a").compile()
        """,
        {"name": "a", "model": "openai:gpt-4o", "tools": {"look", "to_b"}},
        {"model": None, "extra.sub_agents": ["a"]},
    ),
    case(
        "hosted.py",
        """
        from agents import Agent, HostedMCPTool
        poet = Agent(name="Poet")
        lead = Agent(name="Lead", tools=[poet.as_tool(tool_name="write_poem", tool_description="x"),
                                         HostedMCPTool(tool_config={"type": "mcp", "server_label": "wiki", "server_url": "u"})])
        """,
        {"name": "Poet"},
        {"name": "Lead", "tools": {"write_poem"}, "mcp_servers": {"wiki"}},
    ),
]

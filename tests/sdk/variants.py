"""Files written from the documentation of each format, with what they declare: path, text, expected entries."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

Case = tuple[str, str, list[dict[str, Any]]]


def case(path: str, text: str, *expected: dict[str, Any]) -> Case:
    return path, dedent(text).lstrip("\n"), list(expected)


DECLARED: list[Case] = [
    case(
        ".claude/agents/db/migrator.md",
        """
        ---
        name: migrator
        description: Writes migrations: carefully
        tools: Read, Bash(git diff:*, git log:*), mcp__pg__query
        mcpServers:
          - pg
          - search: {command: uvx, args: [search-mcp]}
        model: haiku
        ---
        You write migrations.
        """,
        {"name": "migrator", "framework": "claude-code", "model": "haiku"},
    ),
    case(
        "packages/tools/agents/reviewer.md",
        """
        ---
        name: reviewer
        description: Reviews
        ---
        """,
        {"name": "reviewer", "framework": "claude-code", "role": "agent"},
    ),
    case(
        "team/planner.agent.md",
        """
        ---
        description: 'Plans work'
        tools: ['search', "edit/editFiles", 'github/*']
        model: ['GPT-5 (copilot)', 'Claude Sonnet 4.5']
        ---
        """,
        {
            "name": "planner",
            "framework": "github-copilot",
            "tools": {"search", "edit/editFiles", "github/*"},
            "model": "GPT-5 (copilot)",
        },
    ),
    case(
        ".github/chatmodes/architect.chatmode.md",
        "---\ndescription: Draws plans\n---\nPlan.",
        {"name": "architect", "framework": "github-copilot"},
    ),
    case(
        ".opencode/agent/docs.md",
        """
        ---
        description: Writes docs
        mode: primary
        model: anthropic/claude-sonnet-4-5
        tools:
          write: true
          bash: false
        ---
        """,
        {"name": "docs", "framework": "opencode", "model": "anthropic/claude-sonnet-4-5", "tools": {"write"}},
    ),
    case("services/api/CLAUDE.md", "# Rules\n", {"role": "coding_agent_instructions", "name": None}),
    case(".github/copilot-instructions.md", "Use tabs.", {"role": "coding_agent_instructions"}),
    case(
        "opencode.jsonc",
        """
        {
          // agents of this project
          "$schema": "https://opencode.ai/config.json",
          "agent": {"review": {"description": "Reviews", "model": "openai/gpt-5", "tools": {"write": false, "grep": true}}},
          "mcp": {"jira": {"type": "remote", "url": "https://jira.example.org/mcp"}},
        }
        """,
        {"name": "review", "model": "openai/gpt-5", "tools": {"grep"}},
        {"role": "mcp_client_config", "mcp_servers": {"jira"}},
    ),
    case(
        ".cursor/mcp.json",
        '{"mcpServers": {"figma": {"url": "https://figma.example.org/sse?token=x"}, "fs": {"command": "npx", "args": ["-y", "fs"]}}}',
        {"role": "mcp_client_config", "mcp_servers": {"figma", "fs"}, "framework": "cursor"},
    ),
    case(
        ".vscode/settings.json",
        '{"editor.tabSize": 2, "mcp": {"servers": {"pg": {"command": "pg-mcp"}}}}',
        {"role": "mcp_client_config", "mcp_servers": {"pg"}, "framework": "vscode"},
    ),
    case(
        "home/.gemini/settings.json",
        '{"theme": "x", "mcpServers": {"a": {"httpUrl": "https://a.example.org"}}}',
        {"framework": "gemini-cli", "mcp_servers": {"a"}},
    ),
    case(
        "codex/config.toml",
        """
        model = "gpt-5-codex"
        [mcp_servers.docs]
        command = "npx"
        args = ["-y", "docs-mcp"]
        [mcp_servers."issue.tracker"]
        url = "https://issues.example.org"
        """,
        {"framework": "codex", "mcp_servers": {"docs", "issue.tracker"}},
    ),
    case(
        ".codex/agents/scout.toml",
        'name = "scout"\ndescription = "Reads"\nmodel = "gpt-5-mini"\ndeveloper_instructions = "Read."\n',
        {"name": "scout", "model": "gpt-5-mini", "role": "agent"},
    ),
    case(
        "public/.well-known/agent.json",
        """
        {"name": "Ledger Agent", "description": "Books", "url": "https://a.halden.io/ledger", "version": "2",
         "protocolVersion": "0.2.5", "preferredTransport": "GRPC", "capabilities": {"streaming": true},
         "defaultInputModes": ["text"], "defaultOutputModes": ["text"],
         "skills": [{"id": "book", "name": "Book", "description": "d", "tags": []}, {"id": "close", "name": "Close"}]}
        """,
        {
            "name": "Ledger Agent",
            "framework": "a2a",
            "extra.skills": ["book", "close"],
            "extra.url": "https://a.halden.io/ledger",
        },
    ),
    case(
        "catalogue/cards.json",
        """
        {"agents": [{"name": "One", "supportedInterfaces": [{"url": "https://one.halden.io", "protocolBinding": "GRPC"}],
          "capabilities": {}, "skills": [{"id": "s"}]}, {"name": "Two", "defaultInputModes": [], "capabilities": {}, "skills": []}]}
        """,
        {"name": "One", "extra.url": "https://one.halden.io"},
        {"name": "Two"},
    ),
    case(
        "server.json",
        """
        {"$schema": "https://static.modelcontextprotocol.io/schemas/2025-09-29/server.schema.json", "name": "com.acme/ledger",
         "description": "Books", "version": "1.2.0", "remotes": [{"type": "streamable-http", "url": "https://mcp.acme.com"}]}
        """,
        {"name": "com.acme/ledger", "role": "mcp_server", "extra.version": "1.2.0"},
    ),
    case(
        "appPackage/agent.json",
        """
        {"$schema": "https://developer.microsoft.com/json-schemas/copilot/declarative-agent/v1.5/schema.json", "version": "v1.5",
         "name": "HR", "description": "Answers", "instructions": "x", "capabilities": [{"name": "WebSearch"}],
         "actions": [{"id": "leave", "file": "p.json"}]}
        """,
        {"name": "HR", "tools": {"leave"}, "extra.capabilities": ["WebSearch"]},
    ),
    case(
        "apps/langgraph.json",
        '{"dependencies": ["."], "graphs": {"chat": {"path": "./src/a.py:make", "description": "Chats"}, "rag": "./b.ts:graph"}}',
        {"name": "chat", "description": "Chats", "extra.entry": "./src/a.py:make"},
        {"name": "rag"},
    ),
    case(
        "spec/agent.yaml",
        """
        component_type: Agent
        agentspec_version: 25.4.1
        name: Clerk
        llm_config: {$component_ref: llm}
        tools: [{$component_ref: t1}]
        toolboxes: [{component_type: MCPToolBox, name: box}]
        $referenced_components:
          llm: {component_type: OpenAiConfig, name: x, model_id: gpt-5}
          t1: {component_type: ServerTool, name: look_up}
        """,
        {"name": "Clerk", "model": "gpt-5", "tools": {"look_up"}, "mcp_servers": {"box"}},
    ),
    case(
        "flows/support.json",
        """
        {"name": "Support", "nodes": [
          {"name": "Desk", "type": "@n8n/n8n-nodes-langchain.agent", "typeVersion": 2, "parameters": {}},
          {"name": "Claude", "type": "@n8n/n8n-nodes-langchain.lmChatAnthropic",
           "parameters": {"model": {"__rl": true, "value": "claude-sonnet-4", "mode": "list"}}},
          {"name": "Tickets", "type": "n8n-nodes-base.jiraTool"},
          {"name": "MCP", "type": "@n8n/n8n-nodes-langchain.mcpClientTool"},
          {"name": "Idle", "type": "@n8n/n8n-nodes-langchain.agent", "disabled": true}],
         "connections": {"Claude": {"ai_languageModel": [[{"node": "Desk", "type": "ai_languageModel", "index": 0}]]},
          "Tickets": {"ai_tool": [[{"node": "Desk", "type": "ai_tool", "index": 0}]]},
          "MCP": {"ai_tool": [[{"node": "Desk", "type": "ai_tool", "index": 0}]]}}}
        """,
        {
            "name": "Desk",
            "model": "claude-sonnet-4",
            "tools": {"Tickets"},
            "mcp_servers": {"MCP"},
            "extra.workflow": "Support",
        },
    ),
    case(
        "exports/assistant.yml",
        """
        app: {mode: agent-chat, name: Concierge, description: Books rooms}
        kind: app
        model_config:
          model: {name: gpt-4o, provider: openai}
          agent_mode:
            enabled: true
            tools:
              - {tool_name: search_rooms, enabled: true}
              - {tool_name: old, enabled: false}
        """,
        {
            "name": "Concierge",
            "model": "gpt-4o",
            "tools": {"search_rooms"},
            "role": "agent",
            "framework": "dify",
        },
    ),
    case(
        "flow.json",
        """
        {"nodes": [
          {"id": "agentAgentflow_0", "data": {"id": "a", "label": "Researcher", "name": "agentAgentflow", "category": "Agent Flows",
            "inputParams": [], "inputs": {"agentModel": "chatOpenAI", "agentModelConfig": {"modelName": "gpt-4.1"},
            "agentTools": [{"agentSelectedTool": "braveSearchAPI"}]}}},
          {"id": "llm_0", "data": {"label": "LLM", "name": "llmAgentflow", "category": "Agent Flows", "inputParams": []}}], "edges": []}
        """,
        {"name": "Researcher", "model": "gpt-4.1", "tools": {"braveSearchAPI"}},
    ),
    case(
        "k8s/all.yaml",
        """
        apiVersion: v1
        kind: List
        items:
          - apiVersion: kagent.dev/v1alpha2
            kind: Agent
            metadata: {name: ops, namespace: platform}
            spec:
              type: Declarative
              description: Runs operations
              declarative:
                modelConfig: gpt
                tools:
                  - type: McpServer
                    mcpServer: {name: k8s, kind: RemoteMCPServer, toolNames: [get_pods, get_logs]}
                  - type: Agent
                    agent: {name: helper}
          - apiVersion: apps/v1
            kind: Deployment
            metadata: {name: claims-agent}
            spec:
              template:
                spec:
                  containers:
                    - image: registry.example.org/claims/agent:1
                      env:
                        - {name: ANTHROPIC_API_KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}
                        - {name: ANTHROPIC_MODEL, value: claude-opus-4}
                        - {name: OTEL_RESOURCE_ATTRIBUTES, value: "team=a,chancery.agent.id=AGT-0042"}
          - apiVersion: v1
            kind: Service
            metadata: {name: web}
            spec: {}
        """,
        {
            "name": "ops",
            "tools": {"get_pods", "get_logs"},
            "mcp_servers": {"k8s"},
            "extra.sub_agents": ["helper"],
        },
        {
            "name": "claims-agent",
            "model": "claude-opus-4",
            "extra.declared_id": "AGT-0042",
            "framework": "kubernetes",
        },
    ),
    case(
        "jobs/nightly.yaml",
        """
        apiVersion: batch/v1
        kind: CronJob
        metadata: {name: digest}
        spec:
          jobTemplate:
            spec:
              template:
                spec:
                  containers: [{image: acme/digest, env: [{name: OPENAI_API_KEY}, {name: LANGSMITH_API_KEY}]}]
        """,
        {"name": "digest", "framework": "kubernetes"},
    ),
    case(
        "toolhive/remote.yaml",
        "apiVersion: toolhive.stacklok.dev/v1alpha1\nkind: MCPServer\nmetadata: {name: gh}\nspec: {image: x}\n",
        {"name": "gh", "role": "mcp_server", "mcp_servers": {"gh"}},
    ),
    case(
        "infra/stack.json",
        """
        {"Parameters": {"Model": {"Type": "String", "Default": "anthropic.claude-3-5-sonnet"}}, "Resources": {"Desk": {
          "Type": "AWS::Bedrock::Agent", "Properties": {"AgentName": {"Fn::Sub": "${AWS::StackName}-desk"},
          "FoundationModel": {"Ref": "Model"}, "ActionGroups": [{"ActionGroupName": "tickets"}]}}}}
        """,
        {
            "name": "Desk",
            "model": "anthropic.claude-3-5-sonnet",
            "tools": {"tickets"},
            "extra.logical_id": "Desk",
        },
    ),
    case(
        "modules/agent/main.tf",
        """
        variable "model" { default = "amazon.nova-pro-v1:0" }
        resource "aws_bedrockagent_agent" "desk" {
          agent_name       = "service-desk"
          foundation_model = var.model
          description      = "Answers"
        }
        resource "aws_bedrockagent_agent_action_group" "tickets" {
          agent_id          = aws_bedrockagent_agent.desk.agent_id
          action_group_name = "tickets"
        }
        """,
        {
            "name": "service-desk",
            "model": "amazon.nova-pro-v1:0",
            "tools": {"tickets"},
            "extra.logical_id": "aws_bedrockagent_agent.desk",
        },
    ),
    case(
        "config/agents.yaml",
        """
        lead_analyst:
          role: Lead
          goal: Find facts
          backstory: x
          llm: openai/gpt-4o
          tools: [SerperDevTool]
        """,
        {"name": "lead_analyst", "model": "openai/gpt-4o", "tools": {"SerperDevTool"}, "framework": "crewai"},
    ),
    case(
        "config/tasks.yaml",
        "a:\n  description: x\n  expected_output: y\n  agent: writer\nb:\n  description: x\n  expected_output: y\n  agent: writer\n",
        {"name": "writer", "framework": "crewai"},
    ),
    case(
        "team.yaml",
        """
        models:
          fast: {provider: anthropic, model: claude-haiku}
        agents:
          root:
            model: fast
            instruction: Help
            sub_agents: [dev]
            toolsets: [{type: mcp, remote: {url: "https://mcp.example.org"}}, {type: todo}]
          dev: {model: openai/gpt-5, description: Codes, instruction: Code}
        """,
        {
            "name": "root",
            "model": "anthropic/claude-haiku",
            "tools": {"todo"},
            "mcp_servers": {"https://mcp.example.org"},
        },
        {"name": "dev", "model": "openai/gpt-5", "description": "Codes"},
    ),
    case(
        "agents/desk.yaml",
        "type: chat_completion_agent\nname: Desk\ninstructions: Help\nmodel: {id: gpt-4.1}\ntools: [{id: Mail.send, type: function}]\n",
        {"name": "Desk", "model": "gpt-4.1", "tools": {"Mail.send"}, "framework": "semantic-kernel"},
    ),
    case(
        "my_agent/root_agent.yaml",
        "agent_class: LlmAgent\nname: helper\nmodel: gemini-2.5-flash\ndescription: Helps\ninstruction: Help\ntools: [{name: google_search}]\n",
        {
            "name": "helper",
            "model": "gemini-2.5-flash",
            "tools": {"google_search"},
            "framework": "google-adk",
        },
    ),
    case(
        "exports/oauth_apps.csv",
        "App name,Client ID,Scopes,Owner\nClaude Desktop,abc,drive.readonly,ann@x.org\nBuild server,def,repo,bo@x.org\n",
        {"name": "Claude Desktop", "role": "account", "extra.client_id": "abc"},
    ),
    case(
        ".amazonq/cli-agents/ops.json",
        '{"name": "ops", "description": "Runs ops", "prompt": "x", "mcpServers": {"aws": {"command": "uvx"}}, "tools": ["fs_read", "@aws"]}',
        {"name": "ops", "framework": "amazon-q", "tools": {"fs_read", "@aws"}, "mcp_servers": {"aws"}},
    ),
    case(
        "recipes/release.yaml",
        "version: 1.0.0\ntitle: Release notes\ndescription: Writes notes\ninstructions: x\nextensions:\n  - {type: stdio, name: github, cmd: gh}\n  - {type: builtin, name: developer}\n",
        {"name": "Release notes", "framework": "goose", "mcp_servers": {"github"}, "tools": {"developer"}},
    ),
    case(
        "team.json",
        """
        {"provider": "autogen_agentchat.teams.RoundRobinGroupChat", "component_type": "team", "config": {"participants": [
          {"provider": "autogen_agentchat.agents.AssistantAgent", "component_type": "agent", "config": {"name": "writer",
           "model_client": {"provider": "x", "component_type": "model", "config": {"model": "gpt-4o"}}, "description": "Writes"}},
          {"provider": "autogen_agentchat.agents.UserProxyAgent", "component_type": "agent", "config": {"name": "user"}}]}}
        """,
        {"name": "writer", "model": "gpt-4o", "role": "agent"},
        {"name": "user", "role": "human_proxy"},
    ),
    case(
        ".github/workflows/triage.md",
        "---\non:\n  issues:\n    types: [opened]\nengine: {id: claude, model: claude-sonnet-4}\ntools: {github: {}}\n---\nTriage.",
        {"name": "triage", "model": "claude-sonnet-4", "tools": {"github"}},
    ),
    case(
        "fastagent.config.yaml",
        "mcp:\n  servers:\n    fetch: {command: uvx, args: [mcp-server-fetch]}\n",
        {"role": "mcp_client_config", "mcp_servers": {"fetch"}},
    ),
]

"""What is made without a framework's agent class: registered actors, graphs, own classes, API calls, MCP."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from chancery_sdk.scan.finding import LIKELY, READ, Finding, Role, names_of
from chancery_sdk.scan.python.frameworks import MODEL_CLIENTS, framework_of
from chancery_sdk.scan.python.names import Names, Site, spelled
from chancery_sdk.scan.python.tools import IS_SERVER, equipment_of, server_name
from chancery_sdk.scan.source import Source

PROMPTS: Final = frozenset(
    {"system_prompt", "instructions", "prompt", "system_message", "persona", "instruction", "role"}
)
ASKS_MODEL: Final = re.compile(
    r"(chat\.completions|messages|responses)\.(create|stream|parse)$|generate_content(_async)?$|\.converse(_stream)?$|"
    r"(^|\.)a?completion$|\.invoke_model$"
)
SERVER_CLASSES: Final = frozenset({"FastMCP", "Server", "MCPServer", "McpServer", "LowLevelServer"})
CLIENT_CLASSES: Final = re.compile(
    r"^(MultiServerMCPClient|ClientSession|MCPClient|MCPAdapt|MCPServerAdapter|MCPToolset|McpToolset)$"
)
AGENT_APIS: Final = {
    "create_agent": ("name", "agentName"),
    "create_agent_runtime": ("agentRuntimeName", "name"),
    "assistants.create": ("name",),
    "agents.create": ("name",),
    "create_version": ("agent_name",),
}


def registered(source: Source, names: Names) -> list[Finding]:
    """AutoGen core: `Writer.register(runtime, "writer", lambda: Writer(...))`; the class is the agent."""
    return [
        _registered(source, names, site, class_name)
        for site in names.sites
        if (class_name := _registration(names, site))
    ]


def _registration(names: Names, site: Site) -> str:
    """The class of an actor that is registered: one of this file with an agent's base, or an imported one."""
    called = site.call.func
    if not isinstance(called, ast.Attribute) or called.attr not in ("register", "register_factory"):
        return ""
    class_name, handed = spelled(called.value), site.call.args
    definition = names.classes.get(class_name)
    if definition is not None:
        bases = [names.dotted(base) for base in definition.bases]
        is_agent = any(framework_of(base) and base.endswith("Agent") for base in bases)
        return class_name if is_agent and len(handed) >= 2 else ""
    is_actor = class_name in names.imports and bool(re.search(r"(Agent|Manager|Proxy)$", class_name))
    uses_core = any(dotted.startswith("autogen_core") for dotted in names.imports.values())
    return class_name if is_actor and uses_core and len(handed) >= 3 else ""


def _registered(source: Source, names: Names, site: Site, class_name: str) -> Finding:
    scope, definition = site.scope, names.classes.get(class_name)
    given = {
        keyword.arg: keyword.value
        for part in site.call.args[2:]
        for call in ast.walk(part)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg
    }
    is_human = bool(re.search(r"UserProxy|Human", class_name))
    own = equipment_of(names, given["tools"], scope).tools if "tools" in given else []
    model = next(
        (said for key in ("model_client", "model", "llm") if (said := names.model(given.get(key), scope))),
        None,
    )
    return Finding(
        "autogen",
        "autogen",
        name=names.text(site.call.args[1], scope) or class_name,
        model=None if is_human else model,
        tools=names_of(own) or (_class_tools(names, definition) if definition else ()),
        description="" if is_human else names.text(given.get("description"), scope) or "",
        role=Role.HUMAN_PROXY if is_human else Role.AGENT,
        confidence=READ,
        place=source.at(site.call.lineno),
        extra={"alt_names": [class_name]},
    )


def inside_registrations(names: Names) -> set[int]:
    """Calls that are part of a registration already told."""
    return {
        id(part)
        for site in names.sites
        if _registration(names, site)
        for part in ast.walk(site.call)
        if part is not site.call
    }


def _class_tools(names: Names, definition: ast.ClassDef) -> tuple[str, ...]:
    """Tools in lists called `tools` anywhere in the class."""
    found: list[str] = []
    for (scope, name), values in names.values.items():
        if definition.name in scope and name.rpartition(".")[2] in ("tools", "_tools"):
            for value in values:
                found += equipment_of(names, value, scope).tools
    return names_of(found)


def graphs(source: Source, names: Names, *, has_agents: bool) -> list[Finding]:
    """LangGraph: `StateGraph(...)` compiled into a program. One that only wires agents found already says less."""
    found = []
    for site in names.sites:
        called = site.call.func
        if not (
            isinstance(called, ast.Attribute)
            and called.attr == "compile"
            and _is_graph(names, called.value, site)
        ):
            continue
        stated = next((keyword.value for keyword in site.call.keywords if keyword.arg == "name"), None)
        later = next(
            (names.text(value, site.scope) for value in names.assigned(f"{site.target}.name", site.scope)),
            None,
        )
        variable = site.target.rpartition(".")[2]
        around = site.function.name if site.function else ""
        kept = names_of(
            [names.text(stated, site.scope), later, variable, around, site.class_name, source.pure.stem]
        )
        found.append(
            Finding(
                "langgraph-code", "langgraph", name=kept[0], model=None if has_agents else only_model(names),
                tools=() if has_agents else _bound_tools(names), confidence=LIKELY if has_agents else 0.8,
                place=source.at(site.call.lineno), extra={"alt_names": list(kept[1:])},
            )
        )  # fmt: skip
    return found


def _is_graph(names: Names, node: ast.expr, site: Site, depth: int = 0) -> bool:
    """True when the object is a StateGraph: made here, or through a chain of `add_node` calls."""
    if depth > 4:
        return False
    if isinstance(node, ast.Call):
        dotted = names.dotted(node.func)
        if dotted.startswith("langgraph") and dotted.rpartition(".")[2] in (
            "StateGraph",
            "MessageGraph",
            "Graph",
        ):
            return True
        return isinstance(node.func, ast.Attribute) and _is_graph(names, node.func.value, site, depth + 1)
    return any(
        _is_graph(names, value, site, depth + 1) for value in names.assigned(spelled(node), site.scope)
    )


def _bound_tools(names: Names) -> tuple[str, ...]:
    """`llm.bind_tools([...])` and `ToolNode([...])`."""
    found: list[str] = []
    for site in names.sites:
        if spelled(site.call.func).rpartition(".")[2] in ("bind_tools", "ToolNode") and site.call.args:
            found += equipment_of(names, site.call.args[0], site.scope).tools
    return names_of(found)


def only_model(names: Names) -> str | None:
    """The one model this file names in its calls; None when it names several."""
    said = {
        text
        for site in names.sites
        for keyword in site.call.keywords
        if keyword.arg in ("model", "model_name", "model_id", "modelId")
        and (text := names.text(keyword.value, site.scope))
    }
    starts = [
        site.call for site in names.sites if spelled(site.call.func) == "init_chat_model" and site.call.args
    ]
    said |= {text for call in starts if (text := names.text(call.args[0], ()))}
    return said.pop() if len(said) == 1 else None


def own_classes(source: Source, names: Names) -> list[Finding]:
    """Classes called `...Agent` in a program that calls a model: made with a prompt each, or asking it themselves."""
    if not {dotted.lstrip(".").partition(".")[0] for dotted in names.imports.values()} & MODEL_CLIENTS:
        return []
    own = {name: item for name, item in names.classes.items() if re.search(r"Agent$|Agent(V\d+)?$", name)}
    made = [site for site in names.sites if spelled(site.call.func) in own and _has_prompt(site)]
    if made:
        return [_own(source, names, site) for site in made]
    asking = [item for item in own.values() if any(_asks(part) for part in ast.walk(item))]
    return [
        Finding(
            "custom-python-agent", "custom", name=item.name, model=only_model(names),
            tools=_class_tools(names, item), description=(ast.get_docstring(item) or "")[:2000], confidence=LIKELY,
            place=source.at(item.lineno),
        )
        for item in asking
    ]  # fmt: skip


def _has_prompt(site: Site) -> bool:
    given = {keyword.arg for keyword in site.call.keywords}
    return "name" in given and bool(PROMPTS & given)


def _asks(part: ast.AST) -> bool:
    return isinstance(part, ast.Call) and bool(ASKS_MODEL.search(spelled(part.func)))


def _own(source: Source, names: Names, site: Site) -> Finding:
    given = {keyword.arg: keyword.value for keyword in site.call.keywords if keyword.arg}
    listed = given.get("mcp_servers")
    servers = [
        names.text(value, site.scope)
        for item in (listed.elts if isinstance(listed, ast.List) else [])
        for key, value in (zip(item.keys, item.values, strict=True) if isinstance(item, ast.Dict) else [])
        if names.text(key, site.scope) == "name"
    ]
    return Finding(
        "custom-python-agent", "custom", name=names.text(given.get("name"), site.scope) or site.target or None,
        model=names.model(given.get("model"), site.scope) or only_model(names),
        tools=names_of(equipment_of(names, given["tools"], site.scope).tools) if "tools" in given else (),
        mcp_servers=names_of(servers), description=names.text(given.get("description"), site.scope) or "",
        confidence=LIKELY + 0.1, place=source.at(site.call.lineno),
    )  # fmt: skip


def through_clients(source: Source, names: Names) -> list[Finding]:
    """Agents made by calling a service: Bedrock and Azure `create_agent`, OpenAI `assistants.create`; A2A cards."""
    return [found for site in names.sites for found in _through_client(source, names, site)]


def _through_client(source: Source, names: Names, site: Site) -> Iterator[Finding]:
    called = spelled(site.call.func)
    given = {keyword.arg: keyword.value for keyword in site.call.keywords if keyword.arg}
    keys = next((keys for ending, keys in AGENT_APIS.items() if called.endswith(f".{ending}")), None)
    is_card = called.rpartition(".")[2] == "AgentCard" and "skills" in given
    serves = {"model", "foundationModel", "instructions", "instruction", "definition"} & given.keys()
    if not is_card and not (keys and serves and any(key in given for key in keys)):
        return
    wanted = ("name",) if is_card or not keys else keys
    stated = next((names.text(given.get(key), site.scope) for key in wanted if key in given), None)
    yield Finding(
        "a2a-agent-card" if is_card else "agent-api-code", "a2a" if is_card else "service",
        name=stated or site.target.rpartition(".")[2] or (site.function.name if site.function else source.pure.stem),
        model=names.model(given.get("model") or given.get("foundationModel"), site.scope),
        tools=names_of(equipment_of(names, given["tools"], site.scope).tools) if "tools" in given else (),
        description=names.text(given.get("description"), site.scope) or "", confidence=0.8,
        place=source.at(site.call.lineno),
    )  # fmt: skip


def servers(source: Source, names: Names) -> list[Finding]:
    """A program that is an MCP server (`FastMCP("name")`), or a client of some."""
    found = [one for site in names.sites for one in _mcp_server(source, names, site)]
    if found:
        return found
    clients = [site for site in names.sites if _is_client(names, site)]
    made = servers_made(names)
    if not clients and not made:
        return []
    line = clients[0].call.lineno if clients else 1
    return [Finding("mcp-client-code", "mcp", mcp_servers=names_of(made), role=Role.MCP_CLIENT, confidence=LIKELY,
                    place=source.at(line))]  # fmt: skip


def _mcp_server(source: Source, names: Names, site: Site) -> Iterator[Finding]:
    dotted = names.dotted(site.call.func)
    root, _, called = dotted.rpartition(".")
    if called not in SERVER_CLASSES or root.partition(".")[0] not in ("mcp", "fastmcp"):
        return
    given = {keyword.arg: keyword.value for keyword in site.call.keywords if keyword.arg}
    first = site.call.args[0] if site.call.args else given.get("name")
    name = names.text(first, site.scope) or source.pure.stem
    wanted = f"{site.target}.tool"
    tools = [
        function.name for function in names.functions.values() for decorator in function.decorator_list
        if spelled(decorator.func if isinstance(decorator, ast.Call) else decorator) == wanted
    ]  # fmt: skip
    yield Finding(
        "mcp-server-code", "mcp-server", name=name, tools=names_of(tools), mcp_servers=names_of([name]),
        description=names.text(given.get("instructions"), site.scope) or "", role=Role.MCP_SERVER, confidence=READ,
        place=source.at(site.call.lineno),
    )  # fmt: skip


def _is_client(names: Names, site: Site) -> bool:
    dotted = names.dotted(site.call.func)
    return bool(CLIENT_CLASSES.match(dotted.rpartition(".")[2])) and "mcp" in dotted.lower()


def servers_made(names: Names) -> list[str]:
    """Every MCP server this file starts or reaches."""
    found: list[str] = []
    for site in names.sites:
        last = spelled(site.call.func).rpartition(".")[2]
        if IS_SERVER.search(last) and names.dotted(site.call.func):
            if said := server_name(names, site.call, site.scope):
                found.append(said)
            found += _mapped(names, site)
    return list(names_of(found))


def _mapped(names: Names, site: Site) -> list[str]:
    """`MultiServerMCPClient({"math": {...}})`: the keys are the names."""
    values = [*site.call.args, *(keyword.value for keyword in site.call.keywords)]
    resolved = [value for one in values for value in (names.assigned(spelled(one), site.scope) or [one])]
    mappings = [value for value in resolved if isinstance(value, ast.Dict) and value.values]
    return [
        said
        for mapping in mappings
        for key, value in zip(mapping.keys, mapping.values, strict=True)
        if isinstance(value, (ast.Dict, ast.Call))
        and (said := names.text(key, site.scope))
        and said not in ("env", "headers")
    ]

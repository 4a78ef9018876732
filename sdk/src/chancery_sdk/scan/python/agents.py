"""Agents in Python: constructor calls of known frameworks, servers and clients of MCP, and hand-made ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from chancery_sdk.scan.finding import POSSIBLE, READ, Finding, Role, names_of
from chancery_sdk.scan.python import handmade
from chancery_sdk.scan.python.frameworks import (
    FACTORIES,
    HUMAN,
    ORCHESTRATION,
    POSITIONAL,
    Framework,
    framework_of,
    makes_agent,
)
from chancery_sdk.scan.python.names import Names, Site, spelled
from chancery_sdk.scan.python.tools import Equipment, elements, equipment_of, servers_of
from chancery_sdk.scan.python.visit import names_of_module
from chancery_sdk.scan.source import Source

NAME: Final = ("name", "agent_name")
MODEL: Final = (
    "model",
    "llm",
    "model_client",
    "service",
    "chat_client",
    "llm_config",
    "model_id",
    "client",
    "model_name",
)
TOOLS: Final = (
    "tools",
    "plugins",
    "functions",
    "builtin_tools",
    "native_tools",
    "agents_as_tools",
    "function_list",
)
SERVERS: Final = (
    "mcp_servers",
    "toolsets",
    "workbench",
    "mcp_toolsets",
    "toolboxes",
    "mcps",
    "server_names",
    "servers",
)
DESCRIBED: Final = ("description", "handoff_description")
SUB_AGENTS: Final = ("sub_agents", "handoffs", "managed_agents", "participants", "members", "agents", "team")
FAKE: Final = re.compile(
    r"(^|/)(tests?|testing|__tests__|fixtures)/|(^|/)(test_[^/]*|conftest|[^/]*_test)\.py$"
)


def read_python(source: Source) -> list[Finding]:
    """Every agent a Python file makes; when it makes none, the server or client of MCP it is."""
    if source.suffix not in (".py", ".pyi") or source.tree is None:
        return []
    names = names_of_module(source.tree)
    if _is_framework_itself(source, names):
        return []
    found = list(_made(source, names))
    found += handmade.registered(source, names)
    found += handmade.graphs(source, names, has_agents=bool(found))
    found = found or handmade.own_classes(source, names)
    found = found or handmade.through_clients(source, names)
    found = found or handmade.servers(source, names)
    if FAKE.search(source.path):
        found = [replace(one, confidence=min(one.confidence, POSSIBLE)) for one in found]
    return found


def _is_framework_itself(source: Source, names: Names) -> bool:
    """Source of a framework: below a folder with the path of the module it belongs to, as packages are laid out."""
    path = "/" + "/".join(source.folders) + "/"
    for dotted in names.imports.values():
        framework = framework_of(dotted.lstrip("."))
        if framework is None:
            continue
        for module in framework.modules:
            place = module.replace(".", "/")
            homes = (
                ("src",) if framework.is_generic_module else ("src", "lib", "libs", "python", "site-packages")
            )
            if any(f"/{home}/{place}/" in path for home in homes) and "/examples/" not in path:
                return True
    return False


def _made(source: Source, names: Names) -> Iterator[Finding]:
    claimed = handmade.inside_registrations(names)
    for site in names.sites:
        framework, called = maker_of(names, site.call)
        if framework is not None and id(site.call) not in claimed:
            yield _agent(source, names, site, framework, called)


def maker_of(names: Names, call: ast.Call) -> tuple[Framework | None, str]:
    """The framework and the callable, when this call makes an agent; classes of this file count by their base."""
    dotted = names.dotted(call.func)
    if not dotted:
        return _local_maker(names, call)
    head, _, called = dotted.rpartition(".")
    if head and head.rpartition(".")[2][:1].isupper():  # ReActAgent.from_tools(...), Assistant.create(...)
        inner, _, class_name = head.rpartition(".")
        head, called = (inner, class_name) if FACTORIES.match(called) else ("", called)
    framework = framework_of(head) if head else None
    return (framework, called) if framework and makes_agent(framework, called) else (None, "")


def _local_maker(names: Names, call: ast.Call) -> tuple[Framework | None, str]:
    definition = names.classes.get(spelled(call.func))
    for base in definition.bases if definition else ():
        head, _, called = names.dotted(base).rpartition(".")
        framework = framework_of(head) if head else None
        if framework and makes_agent(framework, called) and called != "RoutedAgent":
            return framework, called
    return None, ""


def _agent(source: Source, names: Names, site: Site, framework: Framework, called: str) -> Finding:
    given = arguments_of(names, site, framework, called)
    equipment = _equipment(names, site, given)
    name, alternatives = _name(source, names, site, given)
    sub_agents = _sub_agents(names, site, given)
    model = next(
        (said for key in MODEL if key in given and (said := names.model(given[key], site.scope))), None
    )
    extra: dict[str, Any] = {"alt_names": alternatives, "sub_agents": sub_agents}
    extra |= _references(names, site, given, model) | (
        {"tools_dynamic": True} if equipment.is_dynamic else {}
    )
    return Finding(
        "crewai-code" if framework.kind == "crewai" else framework.kind,
        framework.name,
        name=name,
        model=model,
        tools=names_of(equipment.tools),
        mcp_servers=names_of(equipment.servers),
        description=_description(names, site, given, framework),
        role=_role(called),
        confidence=READ,
        place=source.at(site.call.lineno),
        extra={key: value for key, value in extra.items() if value},
    )


def arguments_of(names: Names, site: Site, framework: Framework, called: str) -> dict[str, ast.expr]:
    """Arguments by keyword; leading positional ones by the framework's order; those of a definition handed in."""
    given = dict(zip(POSITIONAL.get(called, framework.positional), site.call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in site.call.keywords if keyword.arg}
    for keyword in site.call.keywords:  # Agent(**{"name": ...})
        if keyword.arg is None and isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    given.setdefault(key.value, value)
    for value in names.assigned(spelled(given["definition"]), site.scope) if "definition" in given else ():
        made = value.value if isinstance(value, ast.Await) else value
        if isinstance(
            made, ast.Call
        ):  # Agent(definition=await client.assistants.create(name=..., model=...))
            given = {keyword.arg: keyword.value for keyword in made.keywords if keyword.arg} | given
    return given


def _name(source: Source, names: Names, site: Site, given: dict[str, ast.expr]) -> tuple[str, list[str]]:
    """The stated name, else what the agent is given to; and by what other names it may be known."""
    stated = next(
        (said for key in NAME if key in given and (said := names.text(given[key], site.scope))), None
    )
    later = next(
        (names.text(value, site.scope) for value in names.assigned(f"{site.target}.name", site.scope)), None
    )
    variable = site.target.rpartition(".")[2]
    role = names.text(given.get("role"), site.scope)
    around = site.function.name if site.function and (site.is_returned or _is_decorated(site)) else ""
    inner = site.class_name if site.target.startswith("self.") and framework_graph(names, site) else ""
    choices = [stated, later, inner, around if _is_decorated(site) else "", variable, around]
    choices += [key_of(names, site), site.class_name, source.pure.stem]
    kept = [choice.strip() for choice in choices if choice and choice.strip()]
    others = [choice for choice in (role, variable, around) if choice and choice != kept[0]]
    return kept[0][:200], list(names_of(others))


def framework_graph(names: Names, site: Site) -> bool:
    """True for a compiled graph kept on an object: the class around it is what people call the agent."""
    return spelled(site.call.func).rpartition(".")[2].startswith("create_")


def key_of(names: Names, site: Site) -> str:
    """The key under which the agent stands in a mapping: AGENTS = {"writer": Agent(...)}."""
    for values in names.values.values():
        for value in values:
            if isinstance(value, ast.Dict) and site.call in value.values:
                key = value.keys[value.values.index(site.call)]
                return (names.text(key, site.scope) if key is not None else "") or ""
    return ""


def _is_decorated(site: Site) -> bool:
    """CrewAI's `@agent` on a method: the method's name is the agent's."""
    decorators = site.function.decorator_list if site.function else []
    return any(spelled(one).rpartition(".")[2] == "agent" for one in decorators)


def _equipment(names: Names, site: Site, given: dict[str, ast.expr]) -> Equipment:
    found = Equipment()
    for key in TOOLS:
        if key in given:
            part = equipment_of(names, given[key], site.scope)
            found.tools += part.tools
            found.servers += part.servers
            found.is_dynamic |= part.is_dynamic
    for key in SERVERS:
        if key in given:
            found.servers += _servers(names, site, given[key])
    found.tools += _decorated_tools(names, site)
    return found


def _servers(names: Names, site: Site, node: ast.expr) -> list[str]:
    """Servers named in an argument; for a parameter, those this file makes, since one of them is handed in."""
    found: list[str] = []
    for element in elements(names, node, site.scope):
        said = names.text(element, site.scope)
        led = [said] if said else list(servers_of(names, element, site.scope))
        if not led and names.is_parameter(spelled(element), site.scope):
            led = handmade.servers_made(names)
        if not led and isinstance(element, ast.Dict):
            led = [said for key, value in zip(element.keys, element.values, strict=True)
                   if names.text(key, site.scope) == "name" and (said := names.text(value, site.scope))]  # fmt: skip
        found += led
    if not found and isinstance(node, ast.Dict):
        found = [said for key in node.keys if (said := names.text(key, site.scope))]
    return found or (handmade.servers_made(names) if names.is_parameter(spelled(node), site.scope) else [])


def _decorated_tools(names: Names, site: Site) -> list[str]:
    """Functions under `@agent.tool`, `@agent.tool_plain`."""
    if not site.target:
        return []
    wanted = {f"{site.target}.{word}" for word in ("tool", "tool_plain", "tools")}
    return [
        function.name
        for function in names.functions.values()
        for decorator in function.decorator_list
        if spelled(decorator.func if isinstance(decorator, ast.Call) else decorator) in wanted
    ]


def _sub_agents(names: Names, site: Site, given: dict[str, ast.expr]) -> list[str]:
    found: list[str] = []
    for key in SUB_AGENTS:
        if key in given:
            for element in elements(names, given[key], site.scope):
                found.append(spelled(_wrapped(element)).rpartition(".")[2])
    return list(names_of(found))


def _wrapped(element: ast.expr) -> ast.expr:
    """The agent in `handoff(agent)` or `handoff(agent=agent)`."""
    if not isinstance(element, ast.Call):
        return element
    stated = [keyword.value for keyword in element.keywords if keyword.arg == "agent"]
    return next(iter([*stated, *element.args]), element)


def _description(names: Names, site: Site, given: dict[str, ast.expr], framework: Framework) -> str:
    """What is said of the agent to people; an expression that only runs to a text counts as given elsewhere."""
    if framework.kind == "crewai":
        role, goal = (given.get(key) for key in ("role", "goal"))
        if role is None or goal is None:
            return ""
        said = (names.text(role, site.scope), names.text(goal, site.scope))
        return ": ".join(part.strip() for part in said if part) or "given elsewhere"
    node = next((given[key] for key in DESCRIBED if key in given), None)
    if node is None or (isinstance(node, ast.Constant) and not node.value):
        return ""
    return (names.text(node, site.scope) or "given elsewhere").strip()[:2000]


def _references(names: Names, site: Site, given: dict[str, ast.expr], model: str | None) -> dict[str, str]:
    """Expressions that this file alone does not resolve."""
    found = {}
    for key in NAME[:1]:
        if key in given and names.text(given[key], site.scope) is None:
            found["name_ref"] = ast.unparse(given[key])[:200]
    stated = next((given[key] for key in MODEL if key in given), None)
    if stated is not None and model is None:
        found["model_ref"] = ast.unparse(stated)[:200]
    return found


def _role(called: str) -> str:
    if called in HUMAN:
        return Role.HUMAN_PROXY
    return Role.ORCHESTRATION if called in ORCHESTRATION else Role.AGENT

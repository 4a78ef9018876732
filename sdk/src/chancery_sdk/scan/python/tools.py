"""Tools, MCP servers and sub-agents an agent is made with, by the names the file uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from chancery_sdk.scan.python.names import DEEPEST, Names, Scope, spelled

WRAPPERS: Final = frozenset(
    {"AgentTool", "FunctionTool", "LongRunningFunctionTool", "StructuredTool", "Tool", "function_tool", "tool", "cast",
     "ToolNode", "from_function", "from_defaults", "from_langchain", "load_mcp_tools"}
)  # fmt: skip
IS_SERVER: Final = re.compile(
    r"MCP|Mcp|StdioServerParameters|StdioConnectionParams|stdio_client|sse_client|streamable_?http_client|StreamableHTTP"
)
PACKAGE_RUNNERS: Final = frozenset({"run", "tool", "exec", "dlx", "x"})


@dataclass
class Equipment:
    """What was found; `is_dynamic` when the program adds more while it runs."""

    tools: list[str] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    is_dynamic: bool = False


def equipment_of(names: Names, node: ast.expr, scope: Scope) -> Equipment:
    """The tools of a `tools=` argument: lists, sums of lists, names of lists, what was appended to them."""
    found = Equipment()
    for element in elements(names, node, scope):
        _take(names, element, scope, found)
    return found


def _take(names: Names, element: ast.expr, scope: Scope, found: Equipment) -> None:
    servers = list(servers_of(names, element, scope))
    found.servers += servers
    if isinstance(element, ast.Call) and (servers or _is_server(element)):
        found.is_dynamic = True
        return
    if isinstance(element, (ast.ListComp, ast.Await, ast.GeneratorExp)) or _is_listing(element):
        found.is_dynamic = True
        return
    if name := _tool_name(names, element, scope):
        found.tools.append(name)
    else:
        found.is_dynamic = True


def _is_listing(element: ast.expr) -> bool:
    """`client.list_tools_sync()`, `toolset.get_tools()`: only known while the program runs."""
    called = element.func if isinstance(element, ast.Call) else None
    return isinstance(called, ast.Attribute) and bool(re.search(r"(list|get|load|all)_?tools", called.attr))


def elements(names: Names, node: ast.expr, scope: Scope, depth: int = 0) -> Iterator[ast.expr]:
    """The members of a list expression; what is no list is its own only member."""
    if depth > DEEPEST or (isinstance(node, ast.Constant) and node.value is None):
        return
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        for element in node.elts:
            inner = element.value if isinstance(element, ast.Starred) else None
            yield from elements(names, inner, scope, depth + 1) if inner is not None else (element,)
    elif isinstance(node, (ast.Name, ast.Attribute)):
        yield from _named(names, node, scope, depth)
    elif parts := _parts(node):
        for part in parts:
            yield from elements(names, part, scope, depth + 1)
    else:
        yield from node.values if isinstance(node, ast.Dict) else (node,)


def _parts(node: ast.expr) -> list[ast.expr]:
    """The lists that an expression puts together or chooses from; [] when it does neither."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.IfExp):
        return [node.body]
    if isinstance(node, ast.BoolOp):
        return node.values[:1]
    is_copy = isinstance(node, ast.Call) and spelled(node.func) in ("list", "tuple")
    return node.args[:1] if is_copy and isinstance(node, ast.Call) else []


def _named(names: Names, node: ast.expr, scope: Scope, depth: int) -> Iterator[ast.expr]:
    name = spelled(node)
    values = names.assigned(name, scope)
    lists = [value for value in values if not isinstance(value, ast.Call) or _is_listing(value)]
    unknown: ast.expr = ast.ListComp(
        elt=node, generators=[]
    )  # handed in, or made by a call: known at run time only
    for value in lists[-1:] or [unknown]:
        yield from elements(names, value, scope, depth + 1)
    for added in names.additions(name, scope):
        yield from elements(names, added, scope, depth + 1)


def _tool_name(names: Names, node: ast.expr, scope: Scope) -> str:
    """`search`, `tools.search` > search; `WebSearchTool()` > its class; `AgentTool(agent=x)` > x; a text as it is."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, (ast.Name, ast.Attribute)):
        return spelled(node).rpartition(".")[2]
    if isinstance(node, ast.Dict):
        return _dict_name(names, node, scope)
    if not isinstance(node, ast.Call):
        return ""
    called = spelled(node.func)
    if called.rpartition(".")[2] in WRAPPERS:
        inner = [
            keyword.value
            for keyword in node.keywords
            if keyword.arg in ("agent", "func", "fn", "function", "tool")
        ]
        wrapped = [*node.args, *inner]
        named = next(
            (names.text(keyword.value, scope) for keyword in node.keywords if keyword.arg == "name"), None
        )
        return (_tool_name(names, wrapped[0], scope) if wrapped else "") or named or called
    if isinstance(node.func, ast.Attribute) and node.func.attr == "as_tool":
        given = [keyword.value for keyword in node.keywords if keyword.arg in ("tool_name", "name")]
        stated = next((said for value in given if (said := names.text(value, scope))), "")
        return stated or _tool_name(names, node.func.value, scope)
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
        return _tool_name(names, node.func.value, scope)
    head, _, last = called.rpartition(".")
    is_method_of_class = bool(head) and head.rpartition(".")[2][:1].isupper()
    return head.rpartition(".")[2] if is_method_of_class else last


def _dict_name(names: Names, node: ast.Dict, scope: Scope) -> str:
    for key, value in zip(node.keys, node.values, strict=True):
        word = names.text(key, scope)
        if word == "name":
            return names.text(value, scope) or ""
        if word in ("function", "toolSpec") and isinstance(value, ast.Dict):
            return _dict_name(names, value, scope)
    return next((said for key, value in zip(node.keys, node.values, strict=True)
                 if names.text(key, scope) == "type" and (said := names.text(value, scope))), "")  # fmt: skip


def servers_of(names: Names, node: ast.expr, scope: Scope, depth: int = 0) -> Iterator[str]:
    """Names of the MCP servers that an expression leads to: stated, or the package, image or address started."""
    if depth > DEEPEST:
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and _is_server(part) and (name := server_name(names, part, scope)):
            yield name
            return
    for part in ast.walk(node):
        if isinstance(part, (ast.Name, ast.Attribute)):
            for value in names.assigned(spelled(part), scope):
                yield from servers_of(names, value, scope, depth + 1)


def _is_server(call: ast.Call) -> bool:
    return bool(IS_SERVER.search(spelled(call.func).rpartition(".")[2]))


def server_name(names: Names, call: ast.Call, scope: Scope) -> str:
    """What a server is called; a mapping of servers (`MultiServerMCPClient`) gives none here."""
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if said := names.text(given.get("name"), scope):
        return said
    inner = [*call.args, *given.values()]
    for value in inner:
        if said := _started(names, value, scope):
            return said
    if said := _launch(names, given, scope):
        return said
    for value in inner:
        for part in ast.walk(value):
            if isinstance(part, ast.Call) and _is_server(part) and (said := server_name(names, part, scope)):
                return said
        for resolved in names.assigned(spelled(value), scope):
            if (
                isinstance(resolved, ast.Call)
                and resolved is not call
                and (said := server_name(names, resolved, scope))
            ):
                return said
    return ""


def _started(names: Names, value: ast.expr, scope: Scope) -> str:
    """A mapping `{"command": ..., "args": [...]}` or `{"url": ...}`, or an address as a text."""
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return _launch(names, {names.text(key, scope) or "": item for key, item in pairs}, scope)
    text = names.text(value, scope) or ""
    return text if text.startswith(("http://", "https://")) else ""


def _launch(names: Names, given: dict[str, ast.expr], scope: Scope) -> str:
    for key in ("server_label", "url", "server_url"):
        if said := names.text(given.get(key), scope):
            return said
    command = names.text(given.get("command"), scope) or ""
    arguments = given.get("args")
    words = (
        [names.text(item, scope) for item in elements(names, arguments, scope)]
        if arguments is not None
        else []
    )
    return package_of(command, [word for word in words if word])


def package_of(command: str, arguments: Iterable[str]) -> str:
    """The package, image or script that a command line starts: `uvx pkg@latest` > pkg."""
    words = [word for word in arguments if word not in PACKAGE_RUNNERS]
    plain = [word for word in words if not word.startswith("-") and "=" not in word]
    if command.endswith(("docker", "podman")):
        images = [word for word in plain if re.search(r"[/:]", word)] or plain
        return images[-1] if images else command
    first = next((word for word in plain if not word.startswith(("http://", "https://"))), "") or next(
        iter(plain), ""
    )
    return re.sub(r"(?<=.)@[\w.^~-]+$", "", first) or command

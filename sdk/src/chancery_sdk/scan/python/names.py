"""What names stand for in a module, as far as its own text tells: imports, assignments, functions, classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

Scope = tuple[str, ...]
Function = ast.FunctionDef | ast.AsyncFunctionDef
DEEPEST: Final = 6
MODEL_KEYWORDS: Final = (
    "model", "model_id", "model_name", "id", "ai_model_id", "deployment_name", "azure_deployment", "deployment", "llm",
    "model_client", "repo_id",
)  # fmt: skip
# Calls whose first argument is a place or a key, no model.
LOOKUPS: Final = frozenset(
    {
        "open",
        "load",
        "safe_load",
        "loads",
        "get",
        "getenv",
        "read",
        "read_text",
        "Path",
        "join",
        "load_component",
        "print",
    }
)


@dataclass(frozen=True)
class Site:
    """A call, where it stands and what its value is given to.

    `target` is the variable ("agent"), the attribute ("self.agent") or "" ; `scope` the classes and functions
    around it, outermost first.
    """

    call: ast.Call
    target: str
    scope: Scope
    class_name: str
    function: Function | None
    is_returned: bool = False


@dataclass
class Names:
    """The names of one module."""

    imports: dict[str, str] = field(default_factory=dict)
    values: dict[tuple[Scope, str], list[ast.expr]] = field(default_factory=dict)
    grown: dict[tuple[Scope, str], list[ast.expr]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    parameters: dict[tuple[Scope, str], ast.expr | None] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)

    def dotted(self, node: ast.expr) -> str:
        """The full path of a name or attribute by the imports: `ai.Agent` > `pydantic_ai.Agent`; "" otherwise."""
        if isinstance(node, ast.Subscript):
            return self.dotted(node.value)
        if isinstance(node, ast.Attribute):
            head = self.dotted(node.value)
            return f"{head}.{node.attr}" if head else ""
        return self.imports.get(node.id, "") if isinstance(node, ast.Name) else ""

    def assigned(self, name: str, scope: Scope) -> list[ast.expr]:
        """The values given to a name, the nearest scope's; for `self.x` those of the class."""
        for depth in range(len(scope), -1, -1):
            if found := self.values.get((scope[:depth], name)):
                return found
            if (scope[:depth], name) in self.parameters:
                default = self.parameters[scope[:depth], name]
                return [] if default is None else [default]
        return []

    def additions(self, name: str, scope: Scope) -> list[ast.expr]:
        """What `name.append(x)` and `name.extend(xs)` added."""
        for depth in range(len(scope), -1, -1):
            if found := self.grown.get((scope[:depth], name)):
                return found
        return []

    def is_parameter(self, name: str, scope: Scope) -> bool:
        return any((scope[:depth], name) in self.parameters for depth in range(len(scope) + 1))

    def text(self, node: ast.expr | None, scope: Scope, depth: int = 0) -> str | None:
        """The literal text an expression comes to, or a stated default (`os.getenv("X", "gpt-4o")`)."""
        if node is None or depth > DEEPEST:
            return None
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.BoolOp):
            options: list[ast.expr] = list(reversed(node.values))
        elif isinstance(node, ast.IfExp):
            options = [node.body, node.orelse]
        elif isinstance(node, ast.Call):
            options = self._defaults(node)
        elif isinstance(node, ast.BinOp):
            return self._joined(node, scope, depth)
        else:
            options = list(reversed(self.assigned(spelled(node), scope)))
        return next((said for one in options if (said := self.text(one, scope, depth + 1))), None)

    def _joined(self, node: ast.BinOp, scope: Scope, depth: int) -> str | None:
        left, right = self.text(node.left, scope, depth + 1), self.text(node.right, scope, depth + 1)
        return left + right if isinstance(node.op, ast.Add) and left and right else None

    def _defaults(self, node: ast.Call) -> list[ast.expr]:
        """`os.getenv("X", default)`, `os.environ.get("X", default)`, `dedent("...")`, `"...".strip()`."""
        called = node.func.attr if isinstance(node.func, ast.Attribute) else spelled(node.func)
        if called in ("getenv", "get", "env", "config") and len(node.args) > 1:
            return [node.args[1]]
        if called in ("getenv", "get"):
            return [keyword.value for keyword in node.keywords if keyword.arg == "default"]
        if called in ("dedent", "cleandoc") and node.args:
            return [node.args[0]]
        if called in ("strip", "format", "replace", "lower") and isinstance(node.func, ast.Attribute):
            return [node.func.value]
        return []

    def model(self, node: ast.expr | None, scope: Scope, depth: int = 0) -> str | None:
        """The model an expression names: a text, or what a model object is made with."""
        if node is None or depth > DEEPEST:
            return None
        if said := self.text(node, scope):
            return said
        if isinstance(node, ast.Call):
            return self._model_of_call(node, scope, depth)
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            wanted = [
                value for key, value in pairs if self.text(key, scope) in ("model", "config_list", "model_id")
            ]
            return self._first(wanted, scope, depth)
        if isinstance(node, (ast.List, ast.Tuple)):
            return self._first(list(node.elts), scope, depth)
        if isinstance(node, ast.IfExp):
            return self._first([node.body, node.orelse], scope, depth)
        if isinstance(node, ast.Await):
            return self.model(node.value, scope, depth + 1)
        return self._first(list(reversed(self.assigned(spelled(node), scope))), scope, depth)

    def _model_of_call(self, node: ast.Call, scope: Scope, depth: int) -> str | None:
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        for name in MODEL_KEYWORDS:
            if name in given and (said := self.model(given[name], scope, depth + 1)):
                return said
        local = self.functions.get(spelled(node.func).rpartition(".")[2])
        if local is not None and not self.dotted(node.func):
            return self._first(list(returned(local)), (*scope[:0], local.name), depth)
        if not node.args or local or spelled(node.func).rpartition(".")[2] in LOOKUPS:
            return None
        return self.model(node.args[0], scope, depth + 1)

    def _first(self, nodes: list[ast.expr], scope: Scope, depth: int) -> str | None:
        return next((said for node in nodes if (said := self.model(node, scope, depth + 1))), None)


def spelled(node: ast.expr) -> str:
    """A name or attribute as it is written: `self.model`; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = spelled(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def returned(function: Function) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value

"""Walks a module once and writes down its names."""

from __future__ import annotations

import ast

from chancery_sdk.scan.python.names import Function, Names, Scope, Site, spelled


def names_of_module(tree: ast.Module) -> Names:
    """Everything `Names` holds, in the order of the text."""
    visitor = _Visitor()
    visitor.visit(tree)
    return visitor.names


class _Visitor(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names = Names()
        self.scope: Scope = ()
        self.class_name = ""
        self.function: Function | None = None
        self.targets: dict[int, tuple[str, bool]] = {}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            local = alias.asname or alias.name.partition(".")[0]
            self.names.imports[local] = alias.name if alias.asname else local

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            module = "." * node.level + (node.module or "")
            self.names.imports[alias.asname or alias.name] = f"{module}.{alias.name}"

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        before, self.names.classes[node.name] = (self.scope, self.class_name), node
        self.scope, self.class_name = (*self.scope, node.name), node.name
        self.generic_visit(node)
        self.scope, self.class_name = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: Function) -> None:
        before = (self.scope, self.function)
        self.names.functions.setdefault(node.name, node)
        self.scope, self.function = (*self.scope, node.name), node
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
        pairs = [*zip(positional, [*defaults, *arguments.defaults], strict=True)]
        pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        for argument, default in pairs:
            self.names.parameters[self.scope, argument.arg] = default
        self.generic_visit(node)
        self.scope, self.function = before

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assign(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assign(node.target, node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Add):
            self.names.grown.setdefault((self._home(spelled(node.target)), spelled(node.target)), []).append(
                node.value
            )
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._assign(node.target, node.value)
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars is not None:
            self._assign(node.optional_vars, node.context_expr)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.targets[id(made_by(node.value))] = ("", True)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        target, is_returned = self.targets.get(id(node), ("", False))
        self.names.sites.append(Site(node, target, self.scope, self.class_name, self.function, is_returned))
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "extend") and node.args:
            name = spelled(node.func.value)
            value = (
                node.args[0] if node.func.attr == "extend" else ast.List(elts=[node.args[0]], ctx=ast.Load())
            )
            self.names.grown.setdefault((self._home(name), name), []).append(value)
        self.generic_visit(node)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if (
            isinstance(target, ast.Tuple)
            and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)
        ):
            for one, given in zip(target.elts, value.elts, strict=True):
                self._assign(one, given)
            return
        name = spelled(target)
        if not name:
            return
        self.names.values.setdefault((self._home(name), name), []).append(value)
        if self.class_name and self.scope and self.scope[-1] == self.class_name:
            self.names.values.setdefault((self.scope, f"self.{name}"), []).append(value)
        self.targets.setdefault(id(made_by(value)), (name, False))

    def _home(self, name: str) -> Scope:
        """Where a name lives: `self.x` in the class, whichever method sets it."""
        if name.startswith(("self.", "cls.")) and self.class_name in self.scope:
            return self.scope[: self.scope.index(self.class_name) + 1]
        return self.scope


def made_by(value: ast.expr) -> ast.expr:
    """The call that makes a value: through `await`, `or`, a condition."""
    if isinstance(value, ast.Await):
        return made_by(value.value)
    if isinstance(value, ast.BoolOp):
        return made_by(value.values[-1])
    return made_by(value.body) if isinstance(value, ast.IfExp) else value

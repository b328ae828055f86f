"""The statements of a module: which lines belong to which, and which are models of machine instructions."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

MODELS = ("machine", "external", "imported")
"""Decorators of functions whose body is not compiled: an assembly text stands for them."""


@dataclass
class Module:
    """`first`: of each line of a statement of several lines, its first one. `models`: lines of bodies not compiled.

    `functions`: the qualified name of the function around each line. `before`: what was certainly executed before the
    statement of a line: the one before it in its suite, or else the one that the suite belongs to.
    """

    first: dict[int, int] = field(default_factory=dict)
    models: set[int] = field(default_factory=set)
    functions: dict[int, str] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)

    def implied(self, reached: set[int]) -> set[int]:
        """Statements that must have been executed when these were: optimised code has no instruction for each line."""
        found = set(reached)
        for line in reached:
            while line in self.before and self.before[line] not in found:
                line = self.before[line]
                found.add(line)
        return found


def read(text: str) -> Module:
    """The statements of a module's text."""
    module = Module()
    visit(ast.parse(text).body, "", module, None)
    return module


def visit(body: list[ast.stmt], name: str, module: Module, owner: int | None) -> None:
    """Note the statements of a suite and of those in it. `owner`: the line of what it belongs to, but for functions."""
    for node in body:
        end = header_end(node)
        if owner is not None:
            module.before[node.lineno] = owner
        owner = node.lineno
        for line in range(node.lineno, end + 1):
            module.first[line] = node.lineno
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inner = f"{name}.{node.name}" if name else node.name
            last = node.end_lineno or node.lineno
            for line in range(node.lineno, last + 1):
                module.functions[line] = inner
            if isinstance(node, ast.FunctionDef) and is_model(node):
                module.models |= set(range(node.body[0].lineno, last + 1))
            visit(node.body, inner, module, None)
            continue
        for part in ("body", "orelse", "finalbody"):
            visit(getattr(node, part, []), name, module, node.lineno)
        for handler in getattr(node, "handlers", []):
            module.first[handler.lineno] = handler.lineno
            module.before[handler.lineno] = node.lineno
            visit(handler.body, name, module, handler.lineno)
        for case in getattr(node, "cases", []):
            module.first[case.pattern.lineno] = case.pattern.lineno
            module.before[case.pattern.lineno] = node.lineno
            visit(case.body, name, module, case.pattern.lineno)


def header_end(node: ast.stmt) -> int:
    """The last line of a statement, without the statements in it."""
    inner: list[int] = []
    for part in ("body", "cases"):
        held = getattr(node, part, None)
        if held:
            first = held[0]
            inner.append((first.pattern if isinstance(first, ast.match_case) else first).lineno)
    if inner:
        return max(node.lineno, min(inner) - 1)
    return node.end_lineno or node.lineno


def is_model(node: ast.FunctionDef) -> bool:
    """Whether something else than its body is what runs."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Name) and called.id in MODELS:
            return True
    return False

"""Inside __init__: every field of the new object is set before it is read, and on every way out.

What is known is kept with the names that are set, under `.field`, so that branches and loops are treated alike.
"""

from __future__ import annotations

import ast

from cloudos.compiler import tree
from cloudos.compiler.check.checker import Checker
from cloudos.compiler.typesystem import ManagedType


def _constructs(checker: Checker) -> bool:
    return checker.source.node.name == "__init__" and isinstance(checker.instance.owner, ManagedType)


def _is_self(value: tree.Expr) -> bool:
    return isinstance(value, tree.Local) and value.name == "self"


def note_field(checker: Checker, base: tree.Expr, name: str) -> None:
    """Record that a field of the new object has its value."""
    if _constructs(checker) and _is_self(base):
        checker.flow.assigned.add(f".{name}")


def require_field(checker: Checker, base: tree.Expr, name: str, node: ast.AST) -> None:
    """Refuse to read a field of the new object that may not be set."""
    if _constructs(checker) and _is_self(base) and f".{name}" not in checker.flow.assigned:
        checker.refuse(node, f"the field '{name}' may not be set here", "set it before it is read")


def require_all(checker: Checker, node: ast.AST) -> None:
    """Refuse to leave __init__ while a field may not be set."""
    owner = checker.instance.owner
    if not _constructs(checker) or not isinstance(owner, ManagedType):
        return
    for field in owner.cls.__managed__.fields:
        if f".{field.name}" not in checker.flow.assigned:
            checker.refuse(
                node, f"__init__ may end without setting the field '{field.name}'", "set it on every way out"
            )

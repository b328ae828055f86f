"""What a condition tells about optional names: `x is None`, `x is not None`, and these under not, and, or."""

from __future__ import annotations

import ast

from cloudos.compiler.check.checker import Checker
from cloudos.compiler.typesystem import OptionalType


def none_test(node: ast.expr) -> tuple[str, bool] | None:
    """(name, negated) of `name is None` or `name is not None`."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Name)):
        return None
    right = node.comparators[0]
    if not (isinstance(right, ast.Constant) and right.value is None):
        return None
    if isinstance(node.ops[0], ast.Is | ast.IsNot):
        return node.left.id, isinstance(node.ops[0], ast.IsNot)
    return None


def facts(node: ast.expr, truth: bool) -> tuple[set[str], set[str]]:
    """Names known to be present and names known to be absent when `node` evaluates to `truth`."""
    test = none_test(node)
    if test is not None:
        name, negated = test
        return ({name}, set()) if negated == truth else (set(), {name})
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return facts(node.operand, not truth)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) == truth:
        # `a and b` true: both hold. `a or b` false: neither holds.
        present: set[str] = set()
        absent: set[str] = set()
        for value in node.values:
            more_present, more_absent = facts(value, truth)
            present |= more_present
            absent |= more_absent
        return present, absent
    return set(), set()


def apply_facts(checker: Checker, node: ast.expr, truth: bool) -> None:
    """Continue with what `node` being `truth` tells."""
    present, absent = facts(node, truth)
    for name in present:
        if isinstance(checker.locals.get(name), OptionalType):
            checker.flow.present.add(name)
    checker.flow.present -= absent

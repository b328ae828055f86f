"""Checking match: cases are enum members, integer constants and `_`; over an enum they must be exhaustive."""

from __future__ import annotations

import ast

from cloudos.compiler import tree
from cloudos.compiler.check.checker import Checker
from cloudos.compiler.check.expressions import check_value
from cloudos.compiler.check.flow import merge
from cloudos.compiler.typesystem import BOOL, EnumType, IntType


def check_match(checker: Checker, node: ast.Match) -> list[tree.Stmt]:
    """A match statement as a switch."""
    from cloudos.compiler.check.statements import check_body

    subject = checker.settle(check_value(checker, node.subject, None), node.subject)
    if not (isinstance(subject.type, EnumType | IntType) or subject.type == BOOL):
        checker.refuse(node.subject, f"match works on enums and integers, not on {subject.type}", "use if and elif")
    start = checker.flow.copy()
    ends = []
    cases: list[tuple[tuple[int, ...], list[tree.Stmt]]] = []
    default: list[tree.Stmt] | None = None
    seen: set[int] = set()
    for case in node.cases:
        if case.guard is not None:
            checker.refuse(case.guard, "a case with a condition is not supported", "put an if inside the case")
        if default is not None:
            checker.refuse(case.pattern, "this case can never be reached")
        numbers = _numbers(checker, case.pattern, subject)
        checker.flow.become(start)
        body = check_body(checker, case.body)
        ends.append(checker.flow.copy())
        if numbers is None:
            default = body
            continue
        if seen & set(numbers):
            checker.refuse(case.pattern, "an earlier case takes this value")
        seen |= set(numbers)
        cases.append((numbers, body))
    missing = _missing(subject, seen) if default is None else []
    if missing is None:
        ends.append(start)
    elif missing:
        checker.refuse(node, f"the match leaves out {', '.join(missing)}", "add the cases, or case _:")
    checker.flow.become(merge(ends))
    if default is None and missing is None:
        default = []
    return [tree.Switch(checker.line(node), subject, cases, default)]


def _missing(subject: tree.Expr, seen: set[int]) -> list[str] | None:
    """Members that no case takes; None where the values cannot be listed (then no case need match)."""
    if isinstance(subject.type, EnumType) and not subject.type.flags:
        return [str(entry.name) for entry in subject.type.cls if int(entry) not in seen]
    return None


def _numbers(checker: Checker, pattern: ast.pattern, subject: tree.Expr) -> tuple[int, ...] | None:
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is None and pattern.name is None:
        return None
    if isinstance(pattern, ast.MatchOr):
        found: list[int] = []
        for part in pattern.patterns:
            numbers = _numbers(checker, part, subject)
            if numbers is None:
                checker.refuse(part, "'_' makes the alternatives pointless")
            found.extend(numbers)
        return tuple(found)
    if isinstance(pattern, ast.MatchValue):
        value = checker.coerce(check_value(checker, pattern.value, subject.type), subject.type, pattern)
        if isinstance(value, tree.Const) and isinstance(value.value, int):
            return (int(value.value),)
    if isinstance(pattern, ast.MatchSingleton) and isinstance(pattern.value, bool):
        return (int(pattern.value),)
    checker.refuse(pattern, "this pattern is not supported", "use constants, enum members, | and _")

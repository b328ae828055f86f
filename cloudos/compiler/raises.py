"""Which errors each function can raise: the least solution over the call graph.

A function that raises nothing returns its plain value; others return an error number beside it. A declaration that
lists its errors (`__raises__`, as system calls have) is held to them here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from cloudos import lang
from cloudos.compiler import tree
from cloudos.compiler.diagnostics import refuse_node
from cloudos.compiler.program import FunctionInstance, Program
from cloudos.compiler.typesystem import ProtocolType

SINK = ProtocolType(lang.Sink)


def virtual_raises(program: Program, protocol: ProtocolType, method: str) -> set[Any]:
    """What any implementation of the method raises."""
    found: set[Any] = set()
    for (owner, name, _), instance in program.virtual_instances.items():
        if owner == protocol and name == method:
            found |= instance.raises
    return found


def _children(node: Any) -> Iterator[tree.Expr]:
    for entry in dataclasses.fields(node):
        value = getattr(node, entry.name)
        if isinstance(value, tree.Expr):
            yield value
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, tree.Expr):
                    yield item
                elif isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], tree.Expr):
                    yield item[1]


def taken_by(handler: tree.Handler, errors: Iterable[Any]) -> set[Any]:
    """Those of the errors that a handler catches."""
    taken = {error for error in errors if issubclass(error, handler.errors)}
    # The end of an iteration is none of the errors that a program means.
    return taken - {StopIteration} if lang.Error in handler.errors else taken


class RaiseAnalysis:
    """One round over the program; `solve` repeats rounds until nothing changes."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def expression(self, node: tree.Expr) -> set[Any]:
        """What evaluating the expression can raise."""
        found: set[Any] = set()
        if isinstance(node, tree.Call):
            found |= node.target.raises
        elif isinstance(node, tree.CallVirtual):
            found |= virtual_raises(self.program, node.protocol, node.method)
        elif isinstance(node, tree.Construct) and node.init is not None:
            found |= node.init.raises
        elif isinstance(node, tree.Intrinsic) and node.name == "write_text":
            found |= virtual_raises(self.program, SINK, "write")
        for child in _children(node):
            found |= self.expression(child)
        return found

    def body(self, statements: list[tree.Stmt], caught: set[Any]) -> set[Any]:
        """What statements can raise; `caught` is what a bare raise in them raises again."""
        found: set[Any] = set()
        for statement in statements:
            found |= self.statement(statement, caught)
        return found

    def statement(self, node: tree.Stmt, caught: set[Any]) -> set[Any]:
        """What one statement can raise."""
        if isinstance(node, tree.Raise):
            return {node.error} if node.error is not None else set(caught)
        if isinstance(node, tree.Try):
            return self._try(node, caught)
        found: set[Any] = set()
        for child in _children(node):
            found |= self.expression(child)
        for entry in dataclasses.fields(node):
            value = getattr(node, entry.name)
            if isinstance(value, list) and value and isinstance(value[0], tree.Stmt):
                found |= self.body(value, caught)
        if isinstance(node, tree.Switch):
            for _, body in node.cases:
                found |= self.body(body, caught)
        return found

    def _try(self, node: tree.Try, caught: set[Any]) -> set[Any]:
        left = self.body(node.body, caught)
        node.raised = frozenset(left)
        found: set[Any] = set()
        for handler in node.handlers:
            taken = taken_by(handler, left)
            left -= taken
            found |= self.body(handler.body, taken)
        return found | left | self.body(node.orelse, caught) | self.body(node.final, caught)


def solve(program: Program) -> None:
    """Fill `raises` and `abi_raises` of every instance; refuse what exceeds its declaration."""
    analysis = RaiseAnalysis(program)
    compiled = [entry for entry in program.instances.values() if entry.kind in ("python", "synthetic")]
    changed = True
    while changed:
        changed = False
        for instance in compiled:
            found = analysis.body(instance.body, set())
            if not found <= instance.raises:
                instance.raises |= found
                changed = True
    for instance in compiled:
        instance.abi_raises = bool(instance.raises)
        _check_declared(instance)
    for drop in program.drops.values():
        if drop is not None and drop.raises:
            raise refuse_node(drop.source.path, drop.source.node, "drop must not raise", "", drop.source.text)


def _check_declared(instance: FunctionInstance) -> None:
    allowed = getattr(instance.live, "__raises__", None)
    if allowed is None and instance.exported is not None:
        allowed = ()
    if allowed is None:
        return
    extra = [error.__name__ for error in instance.raises if not issubclass(error, tuple(allowed))]
    if extra:
        hint = "catch it, or add it to the declaration"
        message = f"'{instance.display}' can raise {', '.join(sorted(extra))}, which its declaration does not list"
        raise refuse_node(instance.source.path, instance.source.node, message, hint, instance.source.text)

"""Checking while and for."""

from __future__ import annotations

import ast

from cloudos.compiler import tree
from cloudos.compiler.check.annotations import INTEGERS, U64, own
from cloudos.compiler.check.checker import Checker, assigned_in, member
from cloudos.compiler.check.escape import LoopNames, note_binding
from cloudos.compiler.check.expressions import check_condition, check_value, require_present
from cloudos.compiler.check.flow import merge
from cloudos.compiler.check.narrowing import apply_facts
from cloudos.compiler.check.operators import method_call, property_value
from cloudos.compiler.typesystem import (
    BOOL,
    ArrayType,
    IntType,
    LiveType,
    ManagedType,
    SliceType,
    StructType,
)

Stmts = list[tree.Stmt]


def _enter(checker: Checker, body: list[ast.stmt]) -> None:
    touched = LoopNames(assigned_in(body))
    touched.before = set(checker.flow.assigned)
    checker.loops.append(touched)
    checker.loop_exits.append([])
    checker.flow.present -= touched


def check_while(checker: Checker, node: ast.While) -> Stmts:
    """`while`, with its `else`."""
    from cloudos.compiler.check.statements import check_body

    _enter(checker, node.body)
    condition: tree.Expr | None = check_condition(checker, node.test)
    if isinstance(condition, tree.Const):
        if not condition.value:
            checker.loops.pop()
            checker.loop_exits.pop()
            return check_body(checker, node.orelse)
        condition = None
    start = checker.flow.copy()
    apply_facts(checker, node.test, True)
    body = check_body(checker, node.body)
    checker.loops.pop()
    exits = checker.loop_exits.pop()
    checker.flow.become(start)
    checker.flow.dead = condition is None
    apply_facts(checker, node.test, False)
    orelse = check_body(checker, node.orelse)
    checker.flow.become(merge([*exits, checker.flow]))
    return [tree.Loop(checker.line(node), condition, body, [], orelse)]


def check_for(checker: Checker, node: ast.For) -> Stmts:
    """`for` over a range, a slice, an array, a sequence or an iterator."""
    if isinstance(node.target, ast.Tuple):
        node = _unpacking(node)
    if not isinstance(node.target, ast.Name):
        checker.refuse(node.target, "a loop sets plain names", "assign in the body")
    call = node.iter
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "range":
        owner = check_value(checker, call.func.value, None)
        if isinstance(owner.type, LiveType) and owner.type.value in INTEGERS:
            return _range(checker, node, call, INTEGERS[owner.type.value])
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("range", "enumerate", "zip"):
        checker.refuse(
            call, f"the built-in {call.func.id}() has no width", "write U64.range(…), or an index of your own"
        )
    iterable = require_present(checker, checker.settle(check_value(checker, call, None), call), call)
    if isinstance(iterable.type, SliceType | ArrayType):
        return _elements(checker, node, iterable)
    if isinstance(iterable.type, StructType | ManagedType):
        if own(iterable.type.cls, "__sequence__"):
            return _sequence(checker, node, iterable)
        return _iterator(checker, node, iterable)
    checker.refuse(call, f"{iterable.type} cannot be iterated over")


def _unpacking(node: ast.For) -> ast.For:
    """`for a, b in it` as a loop over one hidden name that the body unpacks first."""
    name = f"_row{node.lineno}_{node.col_offset}"
    value = ast.copy_location(ast.Name(name, ast.Load()), node.target)
    unpack = ast.copy_location(ast.Assign([node.target], value), node.target)
    target = ast.copy_location(ast.Name(name, ast.Store()), node.target)
    return ast.copy_location(ast.For(target, node.iter, [unpack, *node.body], node.orelse), node)


def _body(checker: Checker, node: ast.For, item: tree.Expr) -> tuple[Stmts, Stmts]:
    """The checked body (with the name set first) and the else part; the flow is that after the loop."""
    from cloudos.compiler.check.statements import check_body, set_name

    assert isinstance(node.target, ast.Name)
    start = checker.flow.copy()
    _enter(checker, node.body)
    checker.loops[-1].add(node.target.id)
    checker.local_names.add(node.target.id)
    body = set_name(checker, node.target.id, item, checker.locals.get(node.target.id), node.target)
    body += check_body(checker, node.body)
    touched = checker.loops.pop() | {node.target.id}
    exits = checker.loop_exits.pop()
    checker.flow.become(start)
    checker.flow.present -= touched
    orelse = check_body(checker, node.orelse)
    checker.flow.become(merge([*exits, checker.flow]))
    return body, orelse


def _range(checker: Checker, node: ast.For, call: ast.Call, kind: IntType) -> Stmts:
    if call.keywords or not 1 <= len(call.args) <= 3:
        checker.refuse(call, "range takes stop, or start and stop, or start, stop and step")
    values = [checker.coerce(check_value(checker, entry, kind), kind, entry) for entry in call.args]
    line = checker.line(node)
    step: tree.Expr = tree.Const(kind, 1, line=line)
    if len(values) == 3:
        step = values.pop()
        if not isinstance(step, tree.Const) or not isinstance(step.value, int) or step.value <= 0:
            checker.refuse(call.args[2], "the step of a range is a constant above zero", "write a while loop")
    start = values[0] if len(values) == 2 else tree.Const(kind, 0, line=line)
    counter, limit = checker.temporary(kind, "counter"), checker.temporary(kind, "stop")
    count = tree.Local(kind, counter, line=line)
    setup: Stmts = [tree.SetLocal(line, counter, start), tree.SetLocal(line, limit, values[-1])]
    body, orelse = _body(checker, node, count)
    condition = tree.Compare(BOOL, "<", count, tree.Local(kind, limit, line=line), line=line)
    # Saturating: the last step cannot overflow, and the largest value is never below a stop.
    following = tree.Intrinsic(kind, "saturating_add", [count, step], line=line)
    return [*setup, tree.Loop(line, condition, body, [tree.SetLocal(line, counter, following)], orelse)]


def _counted(checker: Checker, node: ast.For, length: tree.Expr, item_at: str, holder: tree.Expr) -> Stmts:
    """A loop by index over `holder`, with `length` read anew each round."""
    line = checker.line(node)
    counter = checker.temporary(U64, "index")
    index = tree.Local(U64, counter, line=line)
    if item_at:
        item = method_call(checker, holder, item_at, [index], node.iter)
    else:
        assert isinstance(holder.type, SliceType | ArrayType)
        item = tree.LoadIndex(holder.type.element, holder, index, line=line)
    body, orelse = _body(checker, node, item)
    condition = tree.Compare(BOOL, "<", index, length, line=line)
    following = tree.Intrinsic(U64, "wrapping_add", [index, tree.Const(U64, 1, line=line)], line=line)
    step: Stmts = [tree.SetLocal(line, counter, following)]
    zero = tree.SetLocal(line, counter, tree.Const(U64, 0, line=line))
    return [zero, tree.Loop(line, condition, body, step, orelse)]


def _held(checker: Checker, node: ast.For, value: tree.Expr) -> tuple[tree.Stmt, tree.Expr]:
    name = checker.temporary(value.type, "iterated")
    note_binding(checker, name, value, node)
    line = checker.line(node)
    return tree.SetLocal(line, name, value), tree.Local(value.type, name, line=line)


def _elements(checker: Checker, node: ast.For, iterable: tree.Expr) -> Stmts:
    keep, holder = _held(checker, node, iterable)
    if isinstance(iterable.type, ArrayType):
        length: tree.Expr = tree.Const(U64, iterable.type.count, line=keep.line)
    else:
        length = tree.Intrinsic(U64, "slice_length", [holder], line=keep.line)
    return [keep, *_counted(checker, node, length, "", holder)]


def _sequence(checker: Checker, node: ast.For, iterable: tree.Expr) -> Stmts:
    keep, holder = _held(checker, node, iterable)
    length = property_value(checker, holder, "length", node.iter)
    return [keep, *_counted(checker, node, length, "__getitem__", holder)]


def _iterator(checker: Checker, node: ast.For, iterable: tree.Expr) -> Stmts:
    """next() until StopIteration: fetched before the loop and again after each round."""
    line = checker.line(node)
    assert isinstance(iterable.type, StructType | ManagedType)
    if member(iterable.type.cls, "__iter__") is None:
        checker.refuse(node.iter, f"{iterable.type} cannot be iterated over", "define __iter__ and __next__")
    keep, holder = _held(checker, node, method_call(checker, iterable, "__iter__", [], node.iter))
    following = method_call(checker, holder, "__next__", [], node.iter)
    item, done = checker.temporary(following.type, "item"), checker.temporary(BOOL, "done")
    over = tree.SetLocal(line, done, tree.Const(BOOL, True, line=line))

    def advance() -> tree.Stmt:
        fetch = tree.SetLocal(line, item, following)
        return tree.Try(line, [fetch], [tree.Handler((StopIteration,), [over], line)], [], [])

    body, orelse = _body(checker, node, tree.Local(following.type, item, line=line))
    condition = tree.Unary(BOOL, "not", tree.Local(BOOL, done, line=line), line=line)
    reset = tree.SetLocal(line, done, tree.Const(BOOL, False, line=line))
    return [keep, reset, advance(), tree.Loop(line, condition, body, [advance()], orelse)]

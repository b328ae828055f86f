"""Checking statements."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NoReturn

from cloudos.compiler import tree
from cloudos.compiler.check import loops, patterns
from cloudos.compiler.check.checker import Checker, assigned_in
from cloudos.compiler.check.construction import require_all
from cloudos.compiler.check.escape import check_return, check_store, note_binding
from cloudos.compiler.check.expressions import check_condition, check_value
from cloudos.compiler.check.flow import merge
from cloudos.compiler.check.narrowing import apply_facts
from cloudos.compiler.check.operators import binary, method_call
from cloudos.compiler.check.places import assign_place, place_of
from cloudos.compiler.typesystem import (
    NEVER,
    NONE,
    TEXT,
    LiveType,
    OptionalType,
    TupleType,
    Type,
)
from cloudos.lang import Error, PanicKind

Stmts = list[tree.Stmt]


def check_body(checker: Checker, body: list[ast.stmt]) -> Stmts:
    """Check statements in order. What stands after a statement that never completes is not compiled."""
    result: Stmts = []
    for statement in body:
        if checker.flow.dead:
            break
        handler = HANDLERS.get(type(statement))
        if handler is None:
            _refuse_statement(checker, statement)
        checker.program.here = (checker.instance, checker.line(statement))
        result.extend(handler(checker, statement))
    return result


def _refuse_statement(checker: Checker, node: ast.stmt) -> NoReturn:
    names: dict[type, tuple[str, str]] = {
        ast.Delete: ("'del'", "let the name go out of scope, or use the container's own method"),
        ast.FunctionDef: ("a function inside a function", "write it at the top level of the module"),
        ast.AsyncFunctionDef: ("'async def'", "threads and messages take the place of coroutines"),
        ast.ClassDef: ("a class inside a function", "write it at the top level of the module"),
        ast.Global: ("'global'", "keep mutable state in a field of an object made at module level"),
        ast.Nonlocal: ("'nonlocal'", "keep mutable state in a field of an object"),
        ast.Import: ("an import inside a function", "import at the top of the module"),
        ast.ImportFrom: ("an import inside a function", "import at the top of the module"),
        ast.AsyncFor: ("'async for'", "use a plain loop"),
        ast.AsyncWith: ("'async with'", "use a plain with"),
    }
    what, hint = names.get(type(node), (f"'{type(node).__name__}'", "see the language reference"))
    checker.refuse(node, f"{what} is not supported in compiled code", hint)


def _assign(checker: Checker, node: ast.Assign) -> Stmts:
    if len(node.targets) != 1:
        checker.refuse(node, "one assignment sets one target", "write one assignment for each name")
    return _assign_to(checker, node.targets[0], node.value, node)


def _assign_to(checker: Checker, target: ast.expr, value: ast.expr, node: ast.stmt) -> Stmts:
    if isinstance(target, ast.Tuple):
        return _unpack(checker, target, value)
    if isinstance(target, ast.Name):
        known = checker.locals.get(target.id)
        return set_name(checker, target.id, check_value(checker, value, known), known, node)
    if isinstance(target, ast.Starred | ast.List):
        checker.refuse(target, "star and list targets are not supported", "unpack into plain names")
    place = place_of(checker, target)
    checked = checker.coerce(check_value(checker, value, place.type), place.type, value)
    return assign_place(checker, place, checked, node)


def set_name(checker: Checker, name: str, value: tree.Expr, known: Type | None, node: ast.AST) -> Stmts:
    """Give a local name a value; its first value decides its type."""
    if known is None:
        value = checker.settle(value, node)
        if value.type == NEVER:
            return [tree.Evaluate(checker.line(node), value)]
        checker.locals[name] = value.type
    else:
        value = checker.coerce(value, known, node)
    note_binding(checker, name, value, node)
    checker.flow.assigned.add(name)
    checker.flow.present.discard(name)
    if isinstance(checker.locals[name], OptionalType) and isinstance(value, tree.Wrap):
        checker.flow.present.add(name)
    return [tree.SetLocal(checker.line(node), name, value)]


def _unpack(checker: Checker, target: ast.Tuple, value: ast.expr) -> Stmts:
    line = checker.line(target)
    checked = check_value(checker, value, None)
    kind = checked.type
    if not isinstance(kind, TupleType) or len(kind.items) != len(target.elts):
        checker.refuse(value, f"{kind} cannot be unpacked into {len(target.elts)} names")
    result: Stmts = []
    holder = checker.temporary(kind, "tuple")
    note_binding(checker, holder, checked, value)
    result.append(tree.SetLocal(line, holder, checked))
    for position, element in enumerate(target.elts):
        item = tree.TupleItem(kind.items[position], tree.Local(kind, holder, line=line), position, line=line)
        if isinstance(element, ast.Name):
            result.extend(set_name(checker, element.id, item, checker.locals.get(element.id), element))
        else:
            place = place_of(checker, element)
            result.extend(assign_place(checker, place, checker.coerce(item, place.type, element), element))
    return result


def _annotated(checker: Checker, node: ast.AnnAssign) -> Stmts:
    if not isinstance(node.target, ast.Name):
        checker.refuse(node, "only a local name can be annotated here", "annotate the field in the body of its class")
    kind = checker.annotation(node.annotation)
    name = node.target.id
    if checker.locals.get(name, kind) != kind:
        checker.refuse(node, f"'{name}' is {checker.locals[name]} elsewhere in this function")
    if isinstance(kind, LiveType):
        checker.refuse(node.annotation, f"{kind} exists only at build time")
    if kind in (NONE, NEVER):
        checker.refuse(node.annotation, f"a local name of type {kind} holds nothing", "write U64 | None, for example")
    checker.locals[name] = kind
    if node.value is None:
        return []
    return set_name(checker, name, check_value(checker, node.value, kind), kind, node)


def _augmented(checker: Checker, node: ast.AugAssign) -> Stmts:
    line = checker.line(node)
    if isinstance(node.target, ast.Name):
        read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        current = check_value(checker, read, None)
        result = binary(checker, node.op, current, check_value(checker, node.value, current.type), node)
        return set_name(checker, node.target.id, result, checker.locals.get(node.target.id), node)
    place = place_of(checker, node.target).pinned(checker, line)
    current = place.load(line)
    result = binary(checker, node.op, current, check_value(checker, node.value, current.type), node)
    return [*place.before, *assign_place(checker, place, checker.coerce(result, place.type, node), node)]


def _expression(checker: Checker, node: ast.Expr) -> Stmts:
    if isinstance(node.value, ast.Constant):
        return []
    if isinstance(node.value, ast.Yield | ast.YieldFrom | ast.Await):
        checker.refuse(node, "generators and coroutines are not supported", "write a loop, or a class with __next__")
    value = check_value(checker, node.value, None)
    if isinstance(value.type, LiveType) or isinstance(value, tree.Const):
        return []
    if value.type == NEVER:
        checker.flow.dead = True
    return [tree.Evaluate(checker.line(node), value)]


def _if(checker: Checker, node: ast.If) -> Stmts:
    condition = check_condition(checker, node.test)
    if isinstance(condition, tree.Const):
        # A condition known at build time: the other branch is not compiled at all.
        return check_body(checker, node.body if condition.value else node.orelse)
    start = checker.flow.copy()
    apply_facts(checker, node.test, True)
    body = check_body(checker, node.body)
    after_body = checker.flow.copy()
    checker.flow.become(start)
    apply_facts(checker, node.test, False)
    orelse = check_body(checker, node.orelse)
    checker.flow.become(merge([after_body, checker.flow]))
    return [tree.If(checker.line(node), condition, body, orelse)]


def _return(checker: Checker, node: ast.Return) -> Stmts:
    result = checker.instance.result
    line = checker.line(node)
    if result == NEVER:
        checker.refuse(node, "this function is declared never to return")
    value = None
    if node.value is not None:
        value = check_value(checker, node.value, result)
        if value.type == NEVER:
            checker.flow.dead = True
            return [tree.Evaluate(line, value)]
        value = checker.coerce(value, result, node.value)
        if result == NONE:
            checker.flow.dead = True
            return [tree.Evaluate(line, value), tree.Return(line, None)]
        check_return(checker, value, result, node)
    elif result != NONE:
        checker.refuse(node, f"this function returns {result}")
    require_all(checker, node)
    checker.flow.dead = True
    return [tree.Return(line, value)]


def error_class(checker: Checker, node: ast.expr) -> Any:
    """The error class that an expression names."""
    if isinstance(node, ast.Call):
        if node.args or node.keywords:
            checker.refuse(node, "an error carries no payload", "raise the class; log what belongs to it first")
        node = node.func
    value = check_value(checker, node, None)
    found = value.type.value if isinstance(value.type, LiveType) else None
    if not (isinstance(found, type) and (issubclass(found, Error) or found is StopIteration)):
        checker.refuse(node, "only subclasses of Error can be raised and caught", "class NotFound(Error): …")
    return found


def _raise(checker: Checker, node: ast.Raise) -> Stmts:
    line = checker.line(node)
    if node.cause is not None and not (isinstance(node.cause, ast.Constant) and node.cause.value is None):
        checker.refuse(node, "an error carries no cause", "write 'from None', or nothing")
    checker.flow.dead = True
    if node.exc is None:
        if not checker.handling:
            checker.refuse(node, "a bare 'raise' belongs into an except block")
        return [tree.Raise(line, None)]
    error = error_class(checker, node.exc)
    checker.program.error_code(error)
    return [tree.Raise(line, error)]


def _try(checker: Checker, node: ast.Try) -> Stmts:
    start = checker.flow.copy()
    touched = assigned_in(node.body)
    body = check_body(checker, node.body)
    orelse = check_body(checker, node.orelse)
    ends = [checker.flow.copy()]
    handlers = []
    for handler in node.handlers:
        checker.flow.become(start)
        checker.flow.present -= touched
        handlers.append(_handler(checker, handler))
        ends.append(checker.flow.copy())
    joined = merge(ends)
    final: Stmts = []
    if node.finalbody:
        checker.flow.become(start)
        checker.flow.present -= touched | assigned_in([*node.orelse, *node.handlers])  # type: ignore[list-item]
        before = checker.flow.assigned.copy()
        final = check_body(checker, node.finalbody)
        joined.assigned |= checker.flow.assigned - before
        joined.dead = joined.dead or checker.flow.dead
    checker.flow.become(joined)
    return [tree.Try(checker.line(node), body, handlers, orelse, final)]


def _handler(checker: Checker, node: ast.ExceptHandler) -> tree.Handler:
    if node.name:
        checker.refuse(node, "an error carries no payload, so there is nothing to name", "drop the 'as' part")
    if node.type is None:
        errors: tuple[Any, ...] = (Error,)
    elif isinstance(node.type, ast.Tuple):
        errors = tuple(error_class(checker, entry) for entry in node.type.elts)
    else:
        errors = (error_class(checker, node.type),)
    checker.handling += 1
    body = check_body(checker, node.body)
    checker.handling -= 1
    return tree.Handler(errors, body, checker.line(node))


def _with(checker: Checker, node: ast.With) -> Stmts:
    if len(node.items) > 1:
        inner = ast.copy_location(ast.With(node.items[1:], node.body), node)
        node = ast.copy_location(ast.With(node.items[:1], [inner]), node)
    item, line = node.items[0], checker.line(node)
    manager = checker.settle(check_value(checker, item.context_expr, None), item.context_expr)
    holder = checker.temporary(manager.type, "manager")
    note_binding(checker, holder, manager, node)
    result: Stmts = [tree.SetLocal(line, holder, manager)]
    local = tree.Local(manager.type, holder, line=line)
    entered = method_call(checker, local, "__enter__", [], item.context_expr)
    if item.optional_vars is not None:
        if not isinstance(item.optional_vars, ast.Name):
            checker.refuse(item.optional_vars, "'as' takes a plain name")
        name = item.optional_vars.id
        result.extend(set_name(checker, name, entered, checker.locals.get(name), item.optional_vars))
    else:
        result.append(tree.Evaluate(line, entered))
    body = check_body(checker, node.body)
    left = method_call(checker, local, "__exit__", [], item.context_expr)
    if left.type != NONE:
        checker.refuse(item.context_expr, "__exit__ must return None: it cannot swallow errors")
    result.append(tree.Try(line, body, [], [], [tree.Evaluate(line, left)]))
    return result


def _assert(checker: Checker, node: ast.Assert) -> Stmts:
    condition = check_condition(checker, node.test)
    message = None
    start = checker.flow.copy()
    if node.msg is not None:
        apply_facts(checker, node.test, False)
        message = checker.coerce(check_value(checker, node.msg, TEXT), TEXT, node.msg)
        checker.flow.become(start)
    apply_facts(checker, node.test, True)
    line = checker.line(node)
    if isinstance(condition, tree.Const):
        if condition.value:
            return []
        checker.flow.dead = True
    return [tree.If(line, condition, [], [tree.Panic(line, int(PanicKind.ASSERTION), message)])]


def _break(checker: Checker, node: ast.Break) -> Stmts:
    checker.loop_exits[-1].append(checker.flow.copy())
    checker.flow.dead = True
    return [tree.Break(checker.line(node))]


def _continue(checker: Checker, node: ast.Continue) -> Stmts:
    checker.flow.dead = True
    return [tree.Continue(checker.line(node))]


HANDLERS: dict[type, Callable[[Checker, Any], Stmts]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression,
    ast.If: _if,
    ast.While: loops.check_while,
    ast.For: loops.check_for,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Try: _try,
    ast.With: _with,
    ast.Assert: _assert,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Match: patterns.check_match,
    ast.Pass: lambda checker, node: [],
}

__all__ = ["check_body", "check_store", "set_name"]

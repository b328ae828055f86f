"""Which expressions may refer to storage of the running call (LANGUAGE.md rule 7: such a reference may not escape).

The analysis is by name and errs on the side of refusal for places, slices and texts. A `Ptr` that a callee keeps is the
programmer's responsibility: pointers are the language's unsafe door.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from cloudos.compiler import tree
from cloudos.compiler.check import keeping
from cloudos.compiler.check.checker import holds_reference
from cloudos.compiler.typesystem import (
    TEXT,
    ArrayType,
    ManagedType,
    ProtocolType,
    PtrType,
    SliceType,
    StructType,
    TupleType,
    Type,
)

if TYPE_CHECKING:
    from cloudos.compiler.check.checker import Checker

COPY_HINT = "write copy(…), or keep the object in a field of something that lives longer"


def is_local(checker: Checker, value: tree.Expr) -> bool:
    """Whether `value` may refer to storage of this call."""
    if not holds_reference(value.type):
        return False
    match value:
        case tree.Construct() | tree.TextFormat():
            return True
        case tree.Local(name=name):
            return name in checker.tainted
        case tree.TupleItem(base=base):
            return is_local(checker, base)
        case tree.LoadField(base=base) | tree.LoadIndex(base=base):
            return is_local(checker, base) if value.type.is_place else carries_local(checker, base)
        case tree.Bind(value=inner):
            return is_local(checker, inner)
        case tree.Call(target=target, arguments=arguments):
            return target.fresh_result or _may_pass_on(checker, value.type, arguments)
        case tree.CallVirtual(receiver=receiver, arguments=arguments):
            return _may_pass_on(checker, value.type, [receiver, *arguments])
        case tree.Intrinsic(name=name, arguments=arguments):
            return name in ("copy", "zeroed_place") or any(is_local(checker, argument) for argument in arguments)
        case tree.Choose(yes=yes, no=no):
            return is_local(checker, yes) or is_local(checker, no)
        case tree.MakeTuple(items=items):
            return any(is_local(checker, item) for item in items)
        case tree.Wrap(operand=inner) | tree.Unwrap(operand=inner) | tree.ToProtocol(operand=inner):
            return is_local(checker, inner)
        case tree.Reinterpret(operand=inner):
            return is_local(checker, inner)
        case _:
            return False


def _may_pass_on(checker: Checker, result: Type, arguments: list[tree.Expr]) -> bool:
    """Whether a call's result may refer to what its arguments refer to. Only a text can hold on to a text."""
    texts_too = result == TEXT or isinstance(result, TupleType)
    return any(is_local(checker, entry) for entry in arguments if texts_too or entry.type != TEXT)


def is_fresh(value: tree.Expr) -> bool:
    """Whether `value` is a place made by this very expression: no other name can refer to it."""
    match value:
        case tree.Construct():
            return not isinstance(value.type, ManagedType)
        case tree.Call(target=target):
            return bool(target.fresh_result)
        case tree.Intrinsic(name=name):
            return name in ("copy", "zeroed_place")
        case tree.Choose(yes=yes, no=no):
            return is_fresh(yes) and is_fresh(no)
        case _:
            return False


def parts(value: tree.Expr) -> list[tree.Expr]:
    """The parts of an expression that its value may refer to or lie in."""
    match value:
        case tree.LoadField(base=base) | tree.LoadIndex(base=base) | tree.TupleItem(base=base):
            return [base]
        case tree.Call(arguments=arguments) | tree.Intrinsic(arguments=arguments):
            return arguments
        case tree.CallVirtual(receiver=receiver, arguments=arguments):
            return [receiver, *arguments]
        case tree.MakeTuple(items=items):
            return items
        case tree.Construct(initial=initial):
            return [entry for _, entry in initial]
        case tree.Choose(yes=yes, no=no):
            return [yes, no]
        case tree.Wrap(operand=inner) | tree.Unwrap(operand=inner) | tree.ToProtocol(operand=inner):
            return [inner]
        case tree.Reinterpret(operand=inner) | tree.Bind(value=inner):
            return [inner]
        case _:
            return []


def _local_parts(checker: Checker, value: tree.Expr) -> list[tree.Expr]:
    return [part for part in parts(value) if is_local(checker, part)]


def root_names(checker: Checker, value: tree.Expr) -> set[str]:
    """The local names whose storage `value` may refer to."""
    if isinstance(value, tree.Local):
        return {value.name}
    return {name for part in _local_parts(checker, value) for name in root_names(checker, part)}


def embeds_reference(kind: Type) -> bool:
    """Whether a copy of a struct or an array of this type copies references."""
    if isinstance(kind, ArrayType):
        return embeds_reference(kind.element)
    if isinstance(kind, StructType):
        from cloudos.compiler.emit.declarations import field_types

        return any(embeds_reference(inner) for _, inner in field_types(kind))
    return isinstance(kind, SliceType | PtrType | ProtocolType)


def carries_local(checker: Checker, value: tree.Expr) -> bool:
    """Whether a struct or an array holds references to storage of this call, which a copy of it would spread."""
    match value:
        case tree.Local(name=name):
            return name in checker.carrying
        case tree.LoadField(base=base) | tree.LoadIndex(base=base) | tree.TupleItem(base=base):
            return embeds_reference(value.type) and carries_local(checker, base)
        case tree.Construct(initial=initial):
            return any(_spreads(checker, part) for _, part in initial)
        case tree.Call(arguments=parts) | tree.CallVirtual(arguments=parts) | tree.Intrinsic(arguments=parts):
            return embeds_reference(value.type) and any(_spreads(checker, part) for part in parts)
        case tree.Choose(yes=yes, no=no):
            return carries_local(checker, yes) or carries_local(checker, no)
        case tree.Wrap(operand=inner) | tree.Unwrap(operand=inner) | tree.Reinterpret(operand=inner):
            return carries_local(checker, inner)
        case tree.Bind(value=inner):
            return carries_local(checker, inner)
        case _:
            return False


def _spreads(checker: Checker, part: tree.Expr) -> bool:
    """Whether storing `part` stores a reference to local storage: places are copied, other references are kept."""
    if part.type.is_place:
        return carries_local(checker, part)
    return part.type != TEXT and is_local(checker, part)


class LoopNames(set[str]):
    """The names that a loop's body sets, and those that were set before it."""

    before: set[str]


def _made_in(checker: Checker, value: tree.Expr) -> set[int]:
    """The loops around this point that make the storage behind `value` anew every round."""
    around = {id(loop) for loop in checker.loops}
    if is_fresh(value) or isinstance(value, tree.TextFormat):
        return around
    found: set[int] = set()
    for part in _local_parts(checker, value):
        found |= _made_in(checker, part)
    return found | (checker.made_in.get(value.name, set()) if isinstance(value, tree.Local) else set())


def note_binding(checker: Checker, name: str, value: tree.Expr, node: ast.AST) -> None:
    """Record what `name` now may refer to.

    Storage that a loop makes anew each round is the same storage every time: refuse to keep a reference to it under a
    name that the next round can still see, that is one set before the loop.
    """
    keeping.note_sources(checker, name, value)
    if value.type.is_place and carries_local(checker, value):
        checker.carrying.add(name)
    if not is_local(checker, value):
        return
    checker.tainted.add(name)
    made_in = _made_in(checker, value)
    checker.made_in[name] = checker.made_in.get(name, set()) | made_in
    if isinstance(value, tree.TextFormat):
        _check_captures(checker, value, node)
    elif not is_fresh(value) and any(id(loop) in made_in and name in loop.before for loop in checker.loops):
        message = f"'{name}' would refer to an object whose storage the next round of the loop uses again"
        checker.refuse(node, message, COPY_HINT)


def _check_captures(checker: Checker, value: tree.TextFormat, node: ast.AST) -> None:
    """A text formatted in a loop must not contain one formatted by an earlier round: it could be itself."""
    for capture in value.captures:
        for name in root_names(checker, capture) if capture.type == TEXT else ():
            if any(name in loop and name in loop.before for loop in checker.loops):
                checker.refuse(node, f"'{name}' may be a text of an earlier round of the loop", "build it up in a Text")


def check_store(checker: Checker, base: tree.Expr | None, value: tree.Expr, node: ast.AST) -> None:
    """Refuse to store a reference to local storage into something that outlives the call."""
    keeping.note_store(checker, base, value)
    if not _spreads(checker, value) and not (value.type == TEXT and is_local(checker, value)):
        return
    if base is None or not is_local(checker, base):
        checker.refuse(node, "a reference to a local object would outlive it", COPY_HINT)
    checker.carrying |= root_names(checker, base)


def check_return(checker: Checker, value: tree.Expr, result: Type, node: ast.AST) -> None:
    """Decide whether the result is made here (the caller provides storage) and refuse what would dangle."""
    local = is_local(checker, value)
    if isinstance(result, StructType | ArrayType):
        if local and carries_local(checker, value):
            checker.refuse(node, "the result holds a reference to a local object", COPY_HINT)
        uncertain = isinstance(value, tree.Call | tree.CallVirtual) and local and not is_fresh(value)
        if uncertain:
            checker.refuse(node, "the result may refer to a local object", COPY_HINT)
        if checker.fresh is not None and checker.fresh != local:
            checker.refuse(node, "one return gives a new object and another an existing one", "write copy(…) here")
        checker.fresh = local
        return
    if local:
        checker.refuse(node, "a reference to a local object would outlive it", COPY_HINT)

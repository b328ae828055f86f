"""Which expressions may refer to storage of the running call (LANGUAGE.md rule 7: such a reference may not escape).

The analysis is by name and errs on the side of refusal for places, slices and texts. A `Ptr` that a callee keeps is the
programmer's responsibility: pointers are the language's unsafe door.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from cloudos.compiler import tree
from cloudos.compiler.check.checker import holds_reference
from cloudos.compiler.typesystem import TEXT, ArrayType, ManagedType, StructType, TupleType, Type

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
        case tree.LoadField(base=base) | tree.LoadIndex(base=base) | tree.TupleItem(base=base):
            return value.type.is_place and is_local(checker, base)
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


def root_name(value: tree.Expr) -> str | None:
    """The local name that a chain of fields and elements starts from."""
    while isinstance(value, tree.LoadField | tree.LoadIndex):
        value = value.base
    return value.name if isinstance(value, tree.Local) else None


def note_binding(checker: Checker, name: str, value: tree.Expr, node: ast.AST) -> None:
    """Record what `name` now may refer to; refuse a second name for a struct that the loop makes anew each round."""
    if not is_local(checker, value):
        return
    checker.tainted.add(name)
    root = root_name(value)
    remade = root is not None and any(root in names for names in checker.loops)
    reused = value.type.is_place or value.type == TEXT
    if reused and not is_fresh(value) and remade and root != name:
        checker.refuse(
            node, f"'{name}' would refer to '{root}', whose storage the next round of the loop uses again", COPY_HINT
        )


def check_store(checker: Checker, base: tree.Expr | None, value: tree.Expr, node: ast.AST) -> None:
    """Refuse to store a reference to local storage into something that outlives the call."""
    if value.type.is_place or not is_local(checker, value):
        return
    if base is None or not is_local(checker, base):
        checker.refuse(node, "a reference to a local object would outlive it", COPY_HINT)


def check_return(checker: Checker, value: tree.Expr, result: Type, node: ast.AST) -> None:
    """Decide whether the result is made here (the caller provides storage) and refuse what would dangle."""
    local = is_local(checker, value)
    if isinstance(result, StructType | ArrayType):
        uncertain = isinstance(value, tree.Call | tree.CallVirtual) and local and not is_fresh(value)
        if uncertain:
            checker.refuse(node, "the result may refer to a local object", COPY_HINT)
        if checker.fresh is not None and checker.fresh != local:
            checker.refuse(node, "one return gives a new object and another an existing one", "write copy(…) here")
        checker.fresh = local
        return
    if local:
        checker.refuse(node, "a reference to a local object would outlive it", COPY_HINT)

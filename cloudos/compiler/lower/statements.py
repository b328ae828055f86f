"""Lowering statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.compiler import tree
from cloudos.compiler.instructions import Do, SwitchJump
from cloudos.compiler.lower.builder import (
    ERROR,
    RESULT,
    Builder,
    Context,
    FinalContext,
    HandlerContext,
    LoopContext,
    result_type,
)
from cloudos.compiler.lower.expressions import (
    element_form,
    field_name,
    in_segment,
    local_name,
    place_operand,
    store,
    value,
)
from cloudos.compiler.lower.intrinsics import panic
from cloudos.compiler.raises import taken_by
from cloudos.compiler.typesystem import is_counted


def lower_body(builder: Builder, statements: list[tree.Stmt]) -> None:
    """Lower statements in order."""
    for statement in statements:
        HANDLERS[type(statement)](builder, statement)


def _set_local(builder: Builder, node: tree.SetLocal) -> None:
    atom = value(builder, node.value)
    builder.set(node.line, local_name(builder, node.name), node.value.type, atom)


def _store_field(builder: Builder, node: tree.StoreField) -> None:
    atom = value(builder, node.value)
    segment = None if node.value.type.is_place else in_segment(builder, node.base)
    target = f"{segment}." if segment is not None else f"{place_operand(builder, node.base)}->"
    store(builder, node.line, target + field_name(node.name), node.value.type, atom)


def _store_index(builder: Builder, node: tree.StoreIndex) -> None:
    atom = value(builder, node.value)
    base, index = value(builder, node.base), value(builder, node.index)
    target = element_form(builder, node.base.type).format(base, index)
    store(builder, node.line, target, node.value.type, atom)


def _store_deref(builder: Builder, node: tree.StoreDeref) -> None:
    atom = value(builder, node.value)
    pointer = value(builder, node.pointer)
    name = builder.type_name(node.value.type)
    store(builder, node.line, f"(*({name}_s *)nonnull_object({pointer}, sizeof({name}_s), @))", node.value.type, atom)


def _evaluate(builder: Builder, node: tree.Evaluate) -> None:
    value(builder, node.value)


def _if(builder: Builder, node: tree.If) -> None:
    condition = value(builder, node.condition)
    body, end = builder.fresh("then"), builder.fresh("endif")
    builder.branch(node.line, condition, body)
    lower_body(builder, node.orelse)
    builder.jump(node.line, end)
    builder.label(body)
    lower_body(builder, node.body)
    builder.label(end)


def _loop(builder: Builder, node: tree.Loop) -> None:
    top, following = builder.fresh("loop"), builder.fresh("next")
    otherwise, end = builder.fresh("otherwise"), builder.fresh("endloop")
    builder.label(top)
    if node.condition is not None:
        condition = value(builder, node.condition)
        builder.branch(node.line, f"!{condition}", otherwise)
    builder.contexts.append(LoopContext(end, following))
    lower_body(builder, node.body)
    builder.contexts.pop()
    builder.label(following)
    lower_body(builder, node.step)
    builder.jump(node.line, top)
    builder.label(otherwise)
    lower_body(builder, node.orelse)
    builder.label(end)


def _run_finals(builder: Builder, until: Context | None) -> None:
    """Run the finally parts between here and `until` (all of them for None), innermost first."""
    saved = list(builder.contexts)
    while builder.contexts and builder.contexts[-1] is not until:
        context = builder.contexts.pop()
        if isinstance(context, FinalContext):
            lower_body(builder, context.body)
    builder.contexts = saved


def _innermost_loop(builder: Builder) -> LoopContext:
    for context in reversed(builder.contexts):
        if isinstance(context, LoopContext):
            return context
    raise AssertionError("break or continue outside of a loop passed the check")


def _break(builder: Builder, node: tree.Break) -> None:
    loop = _innermost_loop(builder)
    _run_finals(builder, loop)
    builder.jump(node.line, loop.on_break)


def _continue(builder: Builder, node: tree.Continue) -> None:
    loop = _innermost_loop(builder)
    _run_finals(builder, loop)
    builder.jump(node.line, loop.on_continue)


def _return(builder: Builder, node: tree.Return) -> None:
    if node.value is not None:
        atom = value(builder, node.value)
        if builder.instance.fresh_result:
            builder.do(node.line, "*out = *{0}", atom)
        elif result_type(builder.instance) is not None:
            builder.set(node.line, RESULT, builder.instance.result, atom)
    _run_finals(builder, None)
    builder.add(Do(node.line, ERROR, "0"))
    builder.jump(node.line, "done")


def _raise(builder: Builder, node: tree.Raise) -> None:
    code = builder.caught[-1] if node.error is None else str(builder.program.error_code(node.error))
    builder.add(Do(node.line, ERROR, "{0}", (code,)))
    if node.error is not None and builder.program.target.kind != "kernel":
        builder.do(node.line, "RAISED(@)")
    builder.jump(node.line, builder.error_target())


def _try(builder: Builder, node: tree.Try) -> None:
    end = builder.fresh("endtry")
    on_error = builder.fresh("finally") if node.final else None
    if node.final:
        assert on_error is not None
        builder.contexts.append(HandlerContext(on_error))
        builder.contexts.append(FinalContext(node.final))
    _guarded(builder, node)
    if node.final:
        assert on_error is not None
        builder.contexts.pop()
        builder.contexts.pop()
        lower_body(builder, node.final)
        builder.jump(node.line, end)
        builder.label(on_error)
        saved = builder.variable(_ERROR_TYPE, "error_")
        builder.add(Do(node.line, saved, ERROR))
        lower_body(builder, node.final)
        builder.add(Do(node.line, ERROR, saved))
        builder.jump(node.line, builder.error_target())
    builder.label(end)


def _guarded(builder: Builder, node: tree.Try) -> None:
    """The body with its handlers and the else part."""
    if not node.handlers:
        lower_body(builder, node.body)
        lower_body(builder, node.orelse)
        return
    dispatch, end = builder.fresh("except"), builder.fresh("handled")
    builder.contexts.append(HandlerContext(dispatch))
    lower_body(builder, node.body)
    builder.contexts.pop()
    lower_body(builder, node.orelse)
    builder.jump(node.line, end)
    builder.label(dispatch)
    caught = builder.variable(_ERROR_TYPE, "caught_")
    builder.add(Do(node.line, caught, ERROR))
    labels = [builder.fresh("handler") for _ in node.handlers]
    left = set(node.raised)
    for handler, label in zip(node.handlers, labels, strict=True):
        taken = taken_by(handler, left)
        left -= taken
        if left:
            builder.branch(handler.line, _is_one_of(builder, caught, taken), label)
        else:
            builder.jump(handler.line, label)
    builder.jump(node.line, builder.error_target())
    for handler, label in zip(node.handlers, labels, strict=True):
        builder.label(label)
        builder.caught.append(caught)
        lower_body(builder, handler.body)
        builder.caught.pop()
        builder.jump(handler.line, end)
    builder.label(end)


def _is_one_of(builder: Builder, caught: str, errors: set[Any]) -> str:
    codes = sorted(builder.program.error_code(error) for error in errors)
    return " || ".join(f"{caught} == {code}" for code in codes) or "0"


def _panic(builder: Builder, node: tree.Panic) -> None:
    message = value(builder, node.message) if node.message is not None else None
    literal = node.message.value if isinstance(node.message, tree.TextLiteral) else None
    panic(builder, node.line, node.kind, message, literal)


def _switch(builder: Builder, node: tree.Switch) -> None:
    subject = value(builder, node.subject)
    end = builder.fresh("endmatch")
    labels = [builder.fresh("case") for _ in node.cases]
    default = builder.fresh("default") if node.default is not None else None
    cases = tuple((numbers, label) for (numbers, _), label in zip(node.cases, labels, strict=True))
    builder.add(SwitchJump(node.line, subject, cases, default))
    for (_, body), label in zip(node.cases, labels, strict=True):
        builder.label(label)
        lower_body(builder, body)
        builder.jump(node.line, end)
    if default is not None and node.default is not None:
        builder.label(default)
        lower_body(builder, node.default)
    builder.label(end)


def _error_type() -> Any:
    from cloudos.compiler.check.annotations import U32

    return U32


_ERROR_TYPE = _error_type()

HANDLERS: dict[type, Callable[[Builder, Any], None]] = {
    tree.SetLocal: _set_local,
    tree.StoreField: _store_field,
    tree.StoreIndex: _store_index,
    tree.StoreDeref: _store_deref,
    tree.Evaluate: _evaluate,
    tree.If: _if,
    tree.Loop: _loop,
    tree.Break: _break,
    tree.Continue: _continue,
    tree.Return: _return,
    tree.Raise: _raise,
    tree.Try: _try,
    tree.Panic: _panic,
    tree.Switch: _switch,
}

__all__ = ["is_counted", "lower_body"]

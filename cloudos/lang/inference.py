"""What the type variables stand for, found from the values at hand.

Compiled code knows its types; CPython does not. When `Node(item)` or, in the body of a generic class,
`Node[T](item)` or `new_slice(Node[T], n)` runs, the variables are found from the arguments, from the
`self` of the running method, or from the arguments of the running function.
"""

from __future__ import annotations

import ast
import linecache
import sys
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType, FunctionType
from typing import Any, TypeVar

from cloudos.lang.generics import Namespace, bindings_of, is_open, match, parameters_of, specialise, substitute
from cloudos.lang.layout import ZEROED, layout_of
from cloudos.lang.memory import Region
from cloudos.lang.panics import intrinsic
from cloudos.lang.structs import zeroed_view

_OWN_FILES = frozenset(sys.modules[name].__file__ for name in list(sys.modules) if name.startswith("cloudos.lang."))


def close_from_arguments(cls: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> type[Any]:
    """The specialisation of a generic class that is called with these arguments; TypeError when not found."""
    origin = cls.__dict__.get("__origin__", cls)
    found = {name: item for name, item in bindings_of(cls).items() if not is_open(item)}
    for pattern, value in _paired(origin, args, kwargs):
        match(pattern, type(value), found)
    for parameter, item in bindings_of(cls).items():
        if parameter not in found:
            closed = close(item)
            if not is_open(closed):
                found[parameter] = closed
    missing = [str(name) for name in parameters_of(origin) if name not in found]
    if missing:
        raise TypeError(f"{origin.__name__}: give its type arguments, {', '.join(missing)} cannot be found")
    return specialise(origin, tuple(found[name] for name in parameters_of(origin)))


def _paired(origin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[Any, Any]]:
    """The annotated type of each parameter of the constructor that got a value, and the value."""
    init = origin.__dict__.get("__init__")
    source = origin.__dict__.get("__struct_source__") or origin.__dict__.get("__managed_source__")
    namespace: Namespace = source[-1]
    if isinstance(init, FunctionType) and "self" in init.__code__.co_varnames and init.__module__ == origin.__module__:
        names = list(init.__code__.co_varnames[1 : init.__code__.co_argcount])
        notes = init.__annotations__
    else:
        names, notes = list(source[0]), source[0]
        names = [name for name in names if not str(notes[name]).startswith("type[")]
    given = dict(zip(names, args, strict=False)) | kwargs
    return [
        (namespace.evaluate(notes[name], {origin.__name__: origin}), given[name]) for name in given if name in notes
    ]


def close(type_: Any) -> Any:
    """The type with its variables replaced by what they stand for in the code that is running."""
    if not is_open(type_):
        return type_
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_open(type_):
        if frame.f_code.co_filename not in _OWN_FILES:
            type_ = substitute(type_, _frame_bindings(frame))
        frame = frame.f_back
    return type_


def _frame_bindings(frame: FrameType) -> dict[Any, Any]:
    """What the type variables stand for in one running method or function."""
    found: dict[Any, Any] = {}
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    if not names:
        return found
    instance = frame.f_locals.get(names[0])
    found.update(bindings_of(instance if isinstance(instance, type) else type(instance)))
    function = frame.f_globals.get(frame.f_code.co_name)
    if isinstance(function, FunctionType) and function.__code__ is frame.f_code:
        namespace = Namespace(frame)
        for name in names:
            pattern = namespace.evaluate(function.__annotations__.get(name), {})
            if name in frame.f_locals and is_open(pattern):
                match(pattern, type(frame.f_locals[name]), found)
    return {name: item for name, item in found.items() if isinstance(name, TypeVar) and not is_open(item)}


@intrinsic("zeroed")
def zeroed() -> Any:
    """The all-zero value: a field's default, something to store, or a local `x: T = zeroed()`.

    Typed Any. For an annotated variable CPython finds the type from the annotation in the source.
    """
    frame = sys._getframe(1)
    in_class_body = not frame.f_code.co_flags & CO_OPTIMIZED and "__qualname__" in frame.f_locals
    annotation = None if in_class_body else _annotation_at(frame.f_code, frame.f_lasti)
    if annotation is None:
        return ZEROED
    namespace = Namespace(frame)
    return zero_value(close(namespace.evaluate(annotation, dict(frame.f_locals))))


def zero_value(type_: Any) -> Any:
    """The all-zero value of a concrete type."""
    layout = layout_of(type_)
    if layout.aggregate:
        return zeroed_view(type_)
    return layout.load(Region(layout.size, layout.align), 0)


_annotations: dict[tuple[CodeType, int], str | None] = {}


def _annotation_at(code: CodeType, instruction: int) -> str | None:
    """The annotation of the variable that the call at this instruction is assigned to, None when none is."""
    key = (code, instruction)
    if key not in _annotations:
        line, end_line, column, _ = list(code.co_positions())[instruction // 2]
        _annotations[key] = _find_annotation(code.co_filename, line, end_line, column)
    return _annotations[key]


def _find_annotation(filename: str, line: int | None, end_line: int | None, column: int | None) -> str | None:
    source = "".join(linecache.getlines(filename))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call):
            value = node.value
            if (value.lineno, value.end_lineno, value.col_offset) == (line, end_line, column):
                return ast.unparse(node.annotation)
    return None

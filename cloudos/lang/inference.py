"""Generic classes called without type arguments, and the all-zero value of whatever is asked for.

Compiled code knows its types; CPython does not. When `Node(item)` runs, the variables of `Node` are found
from the arguments; when `x: T = zeroed()` runs, T is found from the source.
"""

from __future__ import annotations

import ast
import linecache
import sys
from inspect import CO_OPTIMIZED
from types import CodeType, FunctionType
from typing import Any

from cloudos.lang.generics import Namespace, bindings_of, close, is_open, match_value, parameters_of, specialise
from cloudos.lang.layout import ZEROED, layout_of
from cloudos.lang.memory import Region
from cloudos.lang.panics import intrinsic
from cloudos.lang.structs import zeroed_view


def close_from_arguments(cls: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> type[Any]:
    """The specialisation of a generic class that is called with these arguments; TypeError when not found."""
    origin = cls.__dict__.get("__origin__", cls)
    found = {name: item for name, item in bindings_of(cls).items() if not is_open(item)}
    for pattern, value in _paired(origin, args, kwargs):
        match_value(pattern, value, found)
    for parameter, item in bindings_of(cls).items():
        if parameter not in found:
            closed = close(item)
            if not is_open(closed):
                found[parameter] = closed
    missing = [str(name) for name in parameters_of(origin) if name not in found]
    if missing:
        raise TypeError(f"{origin.__name__}: give its type arguments, {', '.join(missing)} cannot be found")
    return specialise(origin, tuple(found[name] for name in parameters_of(origin)))


def make_closed(cls: type[Any], closed: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An instance of `closed` for the call of `cls`, which was generic or open.

    Python runs `__init__` on what `cls.__new__` returns only when that is an instance of `cls`: a closed class
    derives from the generic class, but not from an open specialisation.
    """
    made = closed.__new__(closed, *args, **kwargs)
    if not issubclass(closed, cls):
        made.__init__(*args, **kwargs)
    return made


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
            # Without debug ranges Python keeps the line alone.
            if (value.lineno, value.end_lineno, value.col_offset) == (line, end_line or line, column or 0) or (
                column is None and value.lineno == line
            ):
                return ast.unparse(node.annotation)
    return None

"""Specialisation: `Box[U64]` is a real subclass of `Box`, made once and cached.

A specialised class has `__origin__` (the generic class) and `__args__`. Arguments that are still type
variables (inside annotations, or in the body of a generic class) give an *open* specialisation: it can be
substituted into, and when it is called or measured its variables are found from the values at hand.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType, FunctionType
from typing import Any, Literal, TypeVar

from cloudos.lang.layout import type_name


@lru_cache(maxsize=4096)
def _compiled(annotation: str) -> CodeType:
    return compile(annotation, "<annotation>", "eval", dont_inherit=True)


class Namespace:
    """Where the annotations of a class or function are evaluated, later than they were written.

    Holds the frame of a defining function until used, so that local classes may refer to each other.
    """

    def __init__(self, frame: FrameType) -> None:
        self.globals = frame.f_globals
        self.frame = frame if frame.f_code.co_flags & CO_OPTIMIZED else None

    def evaluate(self, annotation: Any, extra: dict[str, Any]) -> Any:
        """The type that an annotation (text or already a type) means; NameError when it names nothing."""
        if not isinstance(annotation, str):
            return annotation
        local = dict(self.frame.f_locals) if self.frame is not None else {}
        return eval(_compiled(annotation), self.globals, local | extra)


def caller_namespace(depth: int = 2) -> Namespace:
    """The namespace of the code that called the caller."""
    return Namespace(sys._getframe(depth))


def is_open(type_: Any) -> bool:
    """Whether type variables stand in the type."""
    if isinstance(type_, TypeVar):
        return True
    return any(is_open(argument) for argument in type_arguments(type_))


def type_arguments(type_: Any) -> tuple[Any, ...]:
    """The arguments of a specialised class or of a typing construct; empty when there are none."""
    if isinstance(type_, type) and not isinstance(type_, types.GenericAlias):
        arguments: tuple[Any, ...] = type_.__dict__.get("__args__", ())
        return arguments
    if typing.get_origin(type_) is Literal:
        return ()
    return typing.get_args(type_)


def substitute(type_: Any, mapping: dict[Any, Any]) -> Any:
    """The type with its type variables replaced."""
    if isinstance(type_, TypeVar):
        return mapping.get(type_, type_)
    arguments = type_arguments(type_)
    if not arguments or not is_open(type_):
        return type_
    replaced = tuple(substitute(argument, mapping) for argument in arguments)
    origin = getattr(type_, "__origin__", None) or typing.get_origin(type_)
    if origin is types.UnionType or origin is typing.Union:
        result = replaced[0]
        for item in replaced[1:]:
            result = result | item
        return result
    return origin[replaced if len(replaced) > 1 else replaced[0]]


def parameters_of(cls: type[Any]) -> tuple[TypeVar, ...]:
    """The type variables of a generic class, in order."""
    parameters: tuple[TypeVar, ...] = cls.__dict__.get("__parameters__", ())
    return parameters


def bindings_of(cls: type[Any]) -> dict[Any, Any]:
    """What each type variable of a specialised class stands for."""
    origin = cls.__dict__.get("__origin__")
    return dict(zip(parameters_of(origin), cls.__args__, strict=True)) if origin is not None else {}


def specialise(origin: type[Any], arguments: Any, finish: Callable[[type[Any]], None] | None = None) -> type[Any]:
    """The subclass of `origin` for these type arguments, made on first use; TypeError for a wrong number."""
    closed: dict[Any, type[Any]] | None = origin.__dict__.get("__closed__")
    if closed is None:
        closed = {}
        type.__setattr__(origin, "__closed__", closed)
        type.__setattr__(origin, "__specialisations__", {})
    elif arguments in closed:
        return closed[arguments]
    items = arguments if isinstance(arguments, tuple) else (arguments,)
    expected = parameters_of(origin)
    if len(items) != len(expected):
        raise TypeError(f"{origin.__name__} takes {len(expected)} type arguments, not {len(items)}")
    items = tuple(Literal[item] if type(item) is int else item for item in items)
    if any(is_open(item) for item in items):
        return _specialisation(origin, tuple(close(item) for item in items), finish)
    made = closed[arguments] = _specialisation(origin, items, finish)
    return made


def _specialisation(origin: type[Any], items: tuple[Any, ...], finish: Callable[[type[Any]], None] | None) -> type[Any]:
    cache: dict[Any, type[Any]] = origin.__dict__["__specialisations__"]
    if items in cache:
        return cache[items]
    name = f"{origin.__name__}[{', '.join(type_name(item) for item in items)}]"
    namespace = {
        "__slots__": (),
        "__origin__": origin,
        "__args__": items,
        "__module__": origin.__module__,
        "__qualname__": origin.__qualname__.removesuffix(origin.__name__) + name,
        "__doc__": origin.__doc__,
    }
    metaclass: Any = type(origin)
    made: type[Any] = metaclass(name, (origin,), namespace)
    cache[items] = made
    if finish is not None:
        finish(made)
    return made


def close(type_: Any) -> Any:
    """The type with its variables replaced by what they stand for in the method or function that is running.

    Left open where that is not known: in annotations, in class bodies, and when nothing tells.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("cloudos.lang."):
        frame = frame.f_back
    if frame is None or not frame.f_code.co_flags & CO_OPTIMIZED or not is_open(type_):
        return type_
    return substitute(type_, _frame_bindings(frame))


def _frame_bindings(frame: FrameType) -> dict[Any, Any]:
    """What the type variables stand for in a running method or function."""
    found: dict[Any, Any] = {}
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    local = frame.f_locals
    for name in names[:1]:
        first = local.get(name)
        found.update(bindings_of(first if isinstance(first, type) else type(first)))
    function = _running_function(frame)
    if function is not None:
        namespace = Namespace(frame)
        for name in names:
            if name in local and name in function.__annotations__:
                with suppress(NameError):  # an annotation that only type checkers can read
                    match_value(namespace.evaluate(function.__annotations__[name], {}), local[name], found)
    return {name: item for name, item in found.items() if not is_open(item)}


def _running_function(frame: FrameType) -> FunctionType | None:
    """The function whose code a frame runs, found by its qualified name; None for local functions."""
    found: Any = frame.f_globals
    for name in frame.f_code.co_qualname.split("."):
        found = found.get(name) if isinstance(found, dict) else vars(found).get(name) if found is not None else None
    found = getattr(found, "__func__", getattr(found, "fget", found))
    return found if isinstance(found, FunctionType) and found.__code__ is frame.f_code else None


def match_value(pattern: Any, value: Any, found: dict[Any, Any]) -> None:
    """Find what the type variables in a parameter's type stand for, given its value."""
    if typing.get_origin(pattern) is type:
        if isinstance(value, type):
            match(typing.get_args(pattern)[0], value, found)
    else:
        match(pattern, type(value), found)


def match(pattern: Any, actual: Any, found: dict[Any, Any]) -> None:
    """Find what the type variables in `pattern` stand for when a value of type `actual` is given."""
    if isinstance(pattern, TypeVar):
        found.setdefault(pattern, actual)
        return
    origin = getattr(pattern, "__origin__", None)
    if origin is not None and origin is getattr(actual, "__origin__", None):
        for inner, outer in zip(type_arguments(pattern), type_arguments(actual), strict=True):
            match(inner, outer, found)

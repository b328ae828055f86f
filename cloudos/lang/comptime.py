"""Constants known when the program is built, and marks on functions that only CPython runs."""

from __future__ import annotations

from typing import Any, TypeVar

from cloudos.lang.layout import layout_of, type_name
from cloudos.lang.panics import intrinsic

F = TypeVar("F")


@intrinsic("size_of")
def size_of(type_: Any) -> int:
    """Bytes that a value of the type takes, as C's sizeof."""
    return layout_of(type_).size


@intrinsic("align_of")
def align_of(type_: Any) -> int:
    """Bytes to whose multiples the type is aligned."""
    return layout_of(type_).align


@intrinsic("offset_of")
def offset_of(type_: Any, field: str) -> int:
    """Bytes from the start of a struct to its field. TypeError: no struct; AttributeError: no such field."""
    if not hasattr(type_, "__struct__"):
        raise TypeError(f"{type_name(type_)} is no struct")
    for entry in type_.__struct__.fields:
        if entry.name == field:
            return int(entry.offset)
    raise AttributeError(f"{type_name(type_)} has no field {field!r}")


@intrinsic("length_of")
def length_of(type_: Any) -> int:
    """How many elements the array type has. TypeError: no array."""
    if not hasattr(type_, "count"):
        raise TypeError(f"{type_name(type_)} is no array")
    return int(type_.count)


def comptime(function: F) -> F:
    """Mark a function that CPython runs during compilation: its arguments are constants, so is its result."""
    function.__comptime__ = True  # type: ignore[attr-defined]
    return function


def interpreted(function: F) -> F:
    """Mark a function or method that only CPython runs: compiled code may not call it."""
    function.__interpreted__ = True  # type: ignore[attr-defined]
    return function

"""The three-way comparison: one function under CPython, compiled with -O0 and compiled with -O2.

A function to be compared takes and returns what fits in words (integers, bools, enums, floats, addresses, `Slice[U8]`,
optional scalars, tuples of these). All three must return the same value, raise the same error, or panic with the same
kind on the same line.
"""

from __future__ import annotations

import functools
import inspect
import math
import struct
import sys
import types
import typing
from collections.abc import Callable, Iterable
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cloudos.compiler.host_library import Outcome, Panicked, Raised, Returned, Value
from cloudos.lang import F32, F64, U8, Error, Integer, PhysAddr, Slice, VirtAddr, data, panic_kind_of

Function = Callable[..., Any]

LANGUAGE = str(Path(sys.modules["cloudos.lang"].__file__ or "").parent)
STANDARD_LIBRARY = str(Path(inspect.__file__).parent)


def entries_of(module: types.ModuleType) -> list[Function]:
    """The functions of a test program that are compared: public, with parameters and result that fit in words."""
    return [
        value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and all(is_plain(kind) for kind in typing.get_type_hints(value).values())
    ]


def is_plain(kind: Any) -> bool:
    """Whether values of the type can be handed to compiled code and back."""
    if typing.get_origin(kind) in (tuple, types.UnionType, typing.Union):
        return all(is_plain(part) for part in typing.get_args(kind))
    if kind in (bool, type(None), F32, F64, PhysAddr, VirtAddr):
        return True
    if not inspect.isclass(kind):
        return False
    if issubclass(kind, Slice):
        return getattr(kind, "__args__", ()) == (U8,)
    return issubclass(kind, Integer | IntEnum | IntFlag)


@functools.cache
def parameter_types(function: Function) -> list[Any]:
    """The annotations of the parameters, in order, as types."""
    hints = typing.get_type_hints(function)
    return [hints[name] for name in inspect.signature(function).parameters]


@functools.cache
def returns_nothing(function: Function) -> bool:
    """Whether the function is annotated to return None, and so gives no value back when compiled."""
    return typing.get_type_hints(function)["return"] is type(None)


def plain(value: object) -> tuple[Value, ...]:
    """A result as a compiled function returns it: members of tuples, plain numbers, bytes, None if absent."""
    if isinstance(value, tuple):
        return tuple(part for item in value for part in _plain_item(item))
    return _plain_item(value)


def _plain_item(value: object) -> tuple[Value, ...]:
    if value is None or isinstance(value, bool | bytes):
        return (value,)
    if isinstance(value, F32 | F64):
        return (_canonical(float(str_float(value))),)
    if isinstance(value, PhysAddr | VirtAddr):
        return (int(value.value),)
    if isinstance(value, Slice):
        return (bytes(int(byte) for byte in value),)
    return (int(typing.cast(Any, value)),)


def str_float(value: F32 | F64) -> float:
    """The Python float with the value's bits."""
    form = ("<I", "<f") if isinstance(value, F32) else ("<Q", "<d")
    return float(struct.unpack(form[1], struct.pack(form[0], int(value.bits())))[0])


def _canonical(value: float) -> float:
    """One NaN for all: which one an operation gives is not part of the language."""
    return math.nan if math.isnan(value) else value


def interpret(function: Function, arguments: Iterable[Value]) -> Outcome:
    """What CPython makes of the call."""
    converted = [to_language(kind, value) for kind, value in zip(parameter_types(function), arguments, strict=True)]
    try:
        result = function(*converted)
        return Returned(() if returns_nothing(function) else plain(result))
    except Error as error:
        return Raised(int(type(error).code))
    except BaseException as error:
        kind = panic_kind_of(error)
        if kind is None:
            raise
        first = error
        while first.__context__ is not None and panic_kind_of(first.__context__) is not None:
            # CPython runs finally clauses after a panic, compiled code does not: the first panic counts.
            first = first.__context__
        file, line = innermost_line(first)
        return Panicked((panic_kind_of(first) or kind).name, file, line)


def innermost_line(error: BaseException) -> tuple[str, int]:
    """File and line of the innermost frame that is not the implementation of a primitive."""
    place = ("", 0)
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((LANGUAGE, STANDARD_LIBRARY)):
            place = (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def to_language(kind: Any, value: Value) -> Any:
    """A drawn value as the parameter's type."""
    if kind is bool:
        return value
    if isinstance(value, bytes):
        return data(value)
    return kind(value)


def same(expected: Outcome, got: Outcome) -> bool:
    """Whether two runs agree; floats agree when their bits do (all NaNs being one)."""
    if isinstance(expected, Panicked) and isinstance(got, Panicked):
        return (
            expected.kind == got.kind
            and expected.line == got.line
            and bool(got.file)
            and Path(expected.file).as_posix().endswith(Path(got.file).as_posix())
        )
    if isinstance(expected, Returned) and isinstance(got, Returned):
        return [_bits(v) for v in expected.values] == [_bits(v) for v in got.values]
    return expected == got


def _bits(value: Value) -> object:
    return struct.pack("<d", _canonical(value)) if isinstance(value, float) else value


def value_strategy(kind: Any) -> st.SearchStrategy[Value]:
    """Values of a parameter's type, the edges of the type more often than chance would have them."""
    if kind is bool:
        return st.booleans()
    if kind in (F32, F64):
        return st.floats(width=32 if kind is F32 else 64)
    if typing.get_origin(kind) is Slice or (inspect.isclass(kind) and issubclass(kind, Slice)):
        return st.binary(max_size=24) | st.text("0123456789 abcXYZ.", max_size=20).map(str.encode)
    if inspect.isclass(kind) and issubclass(kind, IntEnum | IntFlag):
        return st.sampled_from([int(member) for member in kind])
    if inspect.isclass(kind) and issubclass(kind, Integer):
        return integer_strategy(int(kind.MIN), int(kind.MAX))
    if kind in (PhysAddr, VirtAddr):
        return integer_strategy(0, 2**64 - 1)
    raise TypeError(f"no values are drawn for {kind!r}")


def integer_strategy(low: int, high: int) -> st.SearchStrategy[Value]:
    """Integers from `low` to `high`: small ones, the ends, powers of two and their neighbours, and any."""
    edges = [low, low + 1, high - 1, high, *(e for n in range(64) for e in (1 << n, (1 << n) - 1, -(1 << n)))]
    near = st.sampled_from([edge for edge in edges if low <= edge <= high])
    return st.integers(max(low, -8), min(high, 24)) | near | st.integers(low, high)


def argument_strategy(function: Function) -> st.SearchStrategy[tuple[Value, ...]]:
    """Tuples of arguments for the function."""
    return st.tuples(*(value_strategy(kind) for kind in parameter_types(function)))

"""Layout against ctypes, which follows the C compiler's rules."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any, Literal, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.lang import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Atomic,
    PhysAddr,
    Ptr,
    Slice,
    UserPtr,
    VirtAddr,
    align_of,
    enum,
    length_of,
    offset_of,
    size_of,
    struct,
    zeroed,
)


@enum(U16)
class Width(IntEnum):
    A = 1


class Drawable(Protocol):
    def draw(self) -> None: ...


class CSlice(ctypes.Structure):
    _fields_ = [("pointer", ctypes.c_void_p), ("length", ctypes.c_uint64)]


SCALARS: list[tuple[Any, Any]] = [
    (U8, ctypes.c_uint8), (U16, ctypes.c_uint16), (U32, ctypes.c_uint32), (U64, ctypes.c_uint64),
    (I8, ctypes.c_int8), (I16, ctypes.c_int16), (I32, ctypes.c_int32), (I64, ctypes.c_int64),
    (F32, ctypes.c_float), (F64, ctypes.c_double), (bool, ctypes.c_bool), (PhysAddr, ctypes.c_uint64),
    (VirtAddr, ctypes.c_uint64), (Ptr[U8], ctypes.c_void_p), (UserPtr[U64], ctypes.c_void_p),
    (Width, ctypes.c_uint16), (Slice[U8], CSlice), (Atomic[U32], ctypes.c_uint32), (Drawable, CSlice),
]  # fmt: skip


make_array: Any = Array


def build(parts: list[Any]) -> tuple[Any, Any]:
    """A struct and the ctypes.Structure with the same fields, of the parts' types."""
    names = [f"f{index}" for index in range(len(parts))]
    ours = type("Ours", (), {"__annotations__": {name: part[0] for name, part in zip(names, parts, strict=True)}})
    fields = [(name, part[1]) for name, part in zip(names, parts, strict=True)]
    return struct(ours), type("Theirs", (ctypes.Structure,), {"_fields_": fields})


def arrays(part: Any, count: int) -> Any:
    return (make_array[part[0], count], part[1] * count)


TYPES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=5).map(build),
        st.tuples(inner, st.integers(1, 5)).map(lambda pair: arrays(*pair)),
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.lists(TYPES, min_size=1, max_size=8))
def test_layout_is_that_of_c(parts: list[Any]) -> None:
    ours, theirs = build(parts)
    assert size_of(ours) == ctypes.sizeof(theirs)
    assert align_of(ours) == ctypes.alignment(theirs)
    for index in range(len(parts)):
        assert offset_of(ours, f"f{index}") == getattr(theirs, f"f{index}").offset
    assert [field.name for field in ours.__struct__.fields] == [name for name, _ in theirs._fields_]


def test_bytes_are_those_of_c() -> None:
    @struct
    class Ours:
        a: U8
        b: I32
        c: bool
        d: U64
        e: Array[U16, Literal[3]] = zeroed()

    class Theirs(ctypes.Structure):
        _fields_ = [
            ("a", ctypes.c_uint8), ("b", ctypes.c_int32), ("c", ctypes.c_bool),
            ("d", ctypes.c_uint64), ("e", ctypes.c_uint16 * 3),
        ]  # fmt: skip

    ours = Ours(U8(1), I32(-2), True, U64(0x1122334455667788))
    ours.e[1] = U16(0xABCD)
    theirs = Theirs(1, -2, True, 0x1122334455667788, (0, 0xABCD, 0))
    assert bytes(ours._region.data) == bytes(theirs)  # type: ignore[attr-defined]


def test_declared_alignment() -> None:
    @struct(align=4096)
    class Page:
        entries: Array[U64, Literal[4]] = zeroed()

    assert (size_of(Page), align_of(Page)) == (4096, 4096)
    assert length_of(Array[U64, Literal[4]]) == 4
    with pytest.raises(AttributeError, match="no field"):
        offset_of(Page, "nothing")
    with pytest.raises(TypeError, match="power of two"):
        struct(align=3)


@pytest.mark.parametrize("wrong", [int, str, list[int], "X", object])
def test_fields_that_cannot_lie_in_memory(wrong: Any) -> None:
    class X:
        pass

    made: Any = struct(type("Wrong", (), {"__annotations__": {"field": X if wrong == "X" else wrong}}))
    with pytest.raises(TypeError, match=r"Wrong\.field"):
        size_of(made)

"""Atomics, enums with a width, and addresses."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.lang import (
    I8,
    U8,
    U16,
    U32,
    U64,
    Atomic,
    IntFlag,
    Order,
    PanicKind,
    PhysAddr,
    Ptr,
    VirtAddr,
    enum,
    fence,
    struct,
    zeroed,
)
from tests.unit.lang.faults import panics

WORDS = st.integers(0, 255)


@enum(U8)
class Color(IntEnum):
    RED = 1
    BLUE = 7


class TooBig(IntEnum):
    A = 256


@enum(I8)
class Sign(IntEnum):
    MINUS = -1
    PLUS = 1


@enum(U32)
class Rights(IntFlag):
    READ = 1
    WRITE = 2
    ALL = 3
    GRANT = 8


@given(WORDS, WORDS)
def test_atomics_wrap_and_return_the_value_before(start: int, operand: int) -> None:
    expected = {
        "fetch_add": (start + operand) % 256,
        "fetch_sub": (start - operand) % 256,
        "fetch_or": start | operand,
        "fetch_and": start & operand,
        "exchange": operand,
    }
    for name, after in expected.items():
        cell = Atomic(U8(start))
        assert getattr(cell, name)(U8(operand), Order.ACQ_REL) == start
        assert cell.load(Order.ACQUIRE) == after


@given(WORDS, WORDS, WORDS)
def test_compare_exchange(start: int, expected: int, new: int) -> None:
    cell = Atomic(U8(start))
    assert cell.compare_exchange(U8(expected), new) is (start == expected)
    assert cell.load() == (new if start == expected else start)


def test_atomics_in_structs() -> None:
    @struct
    class Lock:
        word: Atomic[U32] = Atomic(U32(3))
        spare: Atomic[U64] = zeroed()

    lock, other = Lock(), Lock()
    lock.word.store(5, Order.RELEASE)
    assert lock.word.load() == 5 and other.word.load() == 3 and lock.spare.load() == 0
    assert lock.word is lock.word and Ptr.to(lock.word).value is lock.word
    fence(Order.SEQ_CST)
    wrong: Any = lock.word
    for action in (
        lambda: wrong.store(U64(1)),
        lambda: wrong.load(Order.RELEASE),
        lambda: Atomic(wrong),
        lambda: Atomic[Lock],  # type: ignore[type-var]
    ):
        with pytest.raises(TypeError):
            action()


@given(st.integers(-3, 300))
def test_enum_members_only(value: int) -> None:
    if value in (1, 7):
        assert Color(value) == value
        assert Color(U8(value)) is Color(value) is Color(U16(value))  # type: ignore[arg-type]
    else:
        with panics(PanicKind.BAD_ENUM):
            Color(value)
        if value >= 0:
            with panics(PanicKind.BAD_ENUM):
                Color(U16(value))  # type: ignore[arg-type]


@given(st.integers(-2, 20))
def test_flags_stay_within_their_bits(value: int) -> None:
    if value >= 0 and not value & ~11:
        assert int(Rights(value)) == value and int(Rights(U32(value))) == value
        assert int(~Rights(value)) == 11 ^ value
    else:
        with panics(PanicKind.BAD_ENUM):
            Rights(value)


def test_flag_operations() -> None:
    assert Rights.READ | Rights.WRITE == Rights.ALL
    assert Rights.READ in Rights.ALL and Rights.GRANT not in Rights.ALL
    assert Rights.ALL & ~Rights.READ is Rights.WRITE
    assert Rights(11) == Rights.ALL ^ Rights.GRANT
    assert Rights(0) == Rights.ALL & Rights.GRANT
    wrong: Any = Rights.READ
    for action in (lambda: wrong | 1, lambda: 1 | wrong, lambda: wrong & Color.RED, lambda: 1 in wrong):
        with pytest.raises(TypeError):
            action()


def test_enums_in_memory() -> None:
    @struct
    class Cell:
        color: Color
        sign: Sign = Sign.MINUS
        rights: Rights = Rights.READ | Rights.GRANT

    cell = Cell(Color.BLUE)
    assert (cell.color, cell.sign, cell.rights) == (Color.BLUE, Sign.MINUS, Rights(9))
    assert Cell.__struct__.size == 8  # type: ignore[attr-defined]
    Ptr.to(cell).cast(U8).value = U8(3)
    with panics(PanicKind.BAD_ENUM):
        cell.color
    wrong: Any = cell
    with pytest.raises(TypeError):
        wrong.color = 1
    assert U8(Color.BLUE) == 7
    with pytest.raises(TypeError, match="does not fit"):
        enum(U8)(TooBig)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 63))
def test_addresses(value: int, other: int, shift: int) -> None:
    address = PhysAddr(U64(value))
    step = 1 << shift
    assert address.value == value
    assert address.align_down(step).value == value // step * step
    assert address.is_aligned(U64(step)) is (value % step == 0)
    up = -(-value // step) * step
    if up < 2**64:
        assert address.align_up(step).value == up
    else:
        with panics(PanicKind.OVERFLOW):
            address.align_up(step)
    if value + other < 2**64:
        assert address.offset(U64(other)).value == value + other
    else:
        with panics(PanicKind.OVERFLOW):
            address.offset(other)
    if value >= other:
        assert address.distance(PhysAddr(other)) == value - other
    else:
        with panics(PanicKind.OVERFLOW):
            address.distance(PhysAddr(other))
    assert (address < PhysAddr(other)) is (value < other)


def test_addresses_do_not_mix() -> None:
    physical, virtual = PhysAddr(1), VirtAddr(1)
    wrong: Any = virtual
    for action in (
        lambda: physical == wrong,
        lambda: physical < wrong,
        lambda: physical.distance(wrong),
        lambda: wrong + 1,
    ):
        with pytest.raises(TypeError):
            action()
    with pytest.raises(TypeError):
        PhysAddr(wrong)

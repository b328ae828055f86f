"""Integers against a reference written with Python's own unbounded ones."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloudos.lang import I8, I16, I64, INTEGER_TYPES, U8, U16, U32, U64, Integer, Panic, PanicKind

TYPES = st.sampled_from(INTEGER_TYPES)


def values(cls: type[Integer]) -> st.SearchStrategy[int]:
    """Any value of the type, the edges often."""
    edges = [cls.MIN, cls.MIN + 1, cls.MAX, cls.MAX - 1, 0, 1, cls.MAX // 2 + 1, *([-1] if cls.SIGNED else [])]
    return st.one_of(st.sampled_from(edges), st.integers(cls.MIN, cls.MAX))


PAIRS = TYPES.flatmap(lambda cls: st.tuples(st.just(cls), values(cls), values(cls)))
SINGLES = TYPES.flatmap(lambda cls: st.tuples(st.just(cls), values(cls)))


def outcome(action: Callable[[], Any]) -> Any:
    """The int of what the action gives, or the kind of its panic."""
    try:
        return operator.index(action())
    except Panic as panic:
        return panic.kind


def checked(cls: type[Integer], value: int) -> int | PanicKind:
    return value if cls.MIN <= value <= cls.MAX else PanicKind.OVERFLOW


def wrapped(cls: type[Integer], value: int) -> int:
    value %= 1 << cls.BITS
    return value - (1 << cls.BITS) if value > cls.MAX else value


ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


@given(PAIRS, st.sampled_from(sorted(ARITHMETIC)))
@example((U8, 255, 1), "+")
@example((I8, -128, -1), "*")
def test_arithmetic_is_pythons_or_overflows(pair: tuple[type[Integer], int, int], symbol: str) -> None:
    cls, left, right = pair
    operation = ARITHMETIC[symbol]
    expected = checked(cls, operation(left, right))
    assert outcome(lambda: operation(cls(left), cls(right))) == expected  # type: ignore[arg-type]
    assert outcome(lambda: operation(cls(left), right)) == expected  # type: ignore[arg-type]
    assert outcome(lambda: operation(left, cls(right))) == expected  # type: ignore[arg-type]


@given(PAIRS)
@example((I8, -128, -1))
@example((U64, 1, 0))
def test_division_floors(pair: tuple[type[Integer], int, int]) -> None:
    cls, left, right = pair
    quotient = checked(cls, left // right) if right else PanicKind.DIVIDE_BY_ZERO
    rest = left % right if right else PanicKind.DIVIDE_BY_ZERO
    for a, b in ((cls(left), cls(right)), (cls(left), right), (left, cls(right))):
        assert outcome(lambda a=a, b=b: a // b) == quotient  # type: ignore[misc]
        assert outcome(lambda a=a, b=b: a % b) == rest  # type: ignore[misc]


@given(SINGLES, st.integers(-2, 70))
@example((I8, -1), 7)
@example((U8, 1), 8)
def test_shifts(single: tuple[type[Integer], int], count: int) -> None:
    cls, value = single
    good = 0 <= count < cls.BITS
    assert outcome(lambda: cls(value) << count) == (checked(cls, value << count) if good else PanicKind.BAD_SHIFT)
    assert outcome(lambda: cls(value) >> count) == (value >> count if good else PanicKind.BAD_SHIFT)
    shifted = wrapped(cls, value << count) if good else PanicKind.BAD_SHIFT
    assert outcome(lambda: cls(value).wrapping_shl(count)) == shifted
    bit = value >> count & 1 if good else PanicKind.BAD_SHIFT
    assert outcome(lambda: cls(value).bit(count)) == bit
    if good:
        assert outcome(lambda: cls(value) << cls(count)) == checked(cls, value << count)


@given(SINGLES)
def test_single_operand(single: tuple[type[Integer], int]) -> None:
    cls, value = single
    number = cls(value)
    bits = value % (1 << cls.BITS)
    text = f"{bits:0{cls.BITS}b}"
    assert (~number).__index__() == wrapped(cls, ~value)
    assert number.wrapping_neg().__index__() == wrapped(cls, -value)
    assert number.leading_zeros() == cls.BITS - len(text.lstrip("0"))
    assert number.trailing_zeros() == cls.BITS - len(text.rstrip("0"))
    assert number.count_ones() == text.count("1")
    assert type(number.count_ones()) is U32
    swapped = int.from_bytes(bits.to_bytes(cls.BITS // 8, "big"), "little")
    assert number.swap_bytes().__index__() == wrapped(cls, swapped)
    if cls.SIGNED:
        assert outcome(lambda: -number) == checked(cls, -value)  # type: ignore[operator]
    else:
        with pytest.raises(TypeError):
            -number  # type: ignore[operator]


@given(PAIRS)
def test_wrapping_and_saturating(pair: tuple[type[Integer], int, int]) -> None:
    cls, left, right = pair
    number = cls(left)
    for name, operation in (("add", operator.add), ("sub", operator.sub), ("mul", operator.mul)):
        exact = operation(left, right)
        for operand in (right, cls(right)):
            assert getattr(number, f"wrapping_{name}")(operand).__index__() == wrapped(cls, exact)
            clamped = min(max(exact, cls.MIN), cls.MAX)
            assert getattr(number, f"saturating_{name}")(operand).__index__() == clamped


@given(SINGLES, st.integers(0, 64))
def test_rotation(single: tuple[type[Integer], int], count: int) -> None:
    cls, value = single
    text = f"{value % (1 << cls.BITS):0{cls.BITS}b}"
    places = count % cls.BITS
    left = int(text[places:] + text[:places], 2)
    assert cls(value).rotate_left(count).__index__() == wrapped(cls, left)
    assert cls(value).rotate_left(count).rotate_right(count) == cls(value)


@given(PAIRS)
def test_comparisons(pair: tuple[type[Integer], int, int]) -> None:
    cls, left, right = pair
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert compare(cls(left), cls(right)) is compare(left, right)
        assert compare(cls(left), right) is compare(left, right)
        assert compare(left, cls(right)) is compare(left, right)
    assert hash(cls(left)) == hash(left)
    assert min(cls(left), cls(right)) == min(left, right)


@given(TYPES, PAIRS)
def test_conversion(target: type[Integer], pair: tuple[type[Integer], int, int]) -> None:
    cls, value, _ = pair
    fits = target.MIN <= value <= target.MAX
    assert outcome(lambda: target(cls(value))) == (value if fits else PanicKind.LOSSY_CONVERSION)
    assert outcome(lambda: target(value)) == (value if fits else PanicKind.LOSSY_CONVERSION)
    assert target.truncate(cls(value)).__index__() == wrapped(target, value)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 7))
def test_range_is_pythons(start: int, stop: int, step: int) -> None:
    assert [item.__index__() for item in U16.range(start, U16(stop), step)] == list(range(start, stop, step))
    assert [item.__index__() for item in U64.range(stop)] == list(range(stop))
    assert all(type(item) is U16 for item in U16.range(3))


@pytest.mark.parametrize(
    "symbol", ["+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>", "<", "<=", "==", "!=", "/", "**"]
)
@pytest.mark.parametrize("other", [U32(1), I64(1), 1.0, True, None, object()])
def test_mixing_is_refused(symbol: str, other: object) -> None:
    for left, right in ((U64(2), other), (other, U64(2))):
        with pytest.raises(TypeError):
            eval(f"left {symbol} right", {"left": left, "right": right})


def test_constants_that_do_not_fit_are_refused() -> None:
    for action in (
        lambda: U8(1) + 256,
        lambda: U8(1) & 256,
        lambda: U8(1) < 256,
        lambda: 256 - U8(1),
        lambda: U8(1) * -1,
    ):
        with pytest.raises(Panic) as caught:
            action()
        assert caught.value.kind == PanicKind.LOSSY_CONVERSION


def test_division_of_the_minimum_by_minus_one() -> None:
    assert outcome(lambda: I16(-0x8000) // -1) == PanicKind.OVERFLOW
    assert outcome(lambda: I16(-0x8000) % -1) == 0


def test_no_truth_value() -> None:
    with pytest.raises(TypeError, match="compare"):
        bool(U8(1))


def test_hash_method_is_the_documented_mix() -> None:
    value = 0x1234_5678_9ABC_DEF0
    mixed = value ^ value >> 32
    mixed = mixed * 0x9E3779B97F4A7C15 % (1 << 64)
    assert U64(value).hash() == mixed ^ mixed >> 29
    assert I8(-1).hash() == U64(U64.MAX).hash()
    assert U8(5).hash() == U64(5).hash()

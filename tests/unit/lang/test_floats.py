"""F64 against Python's float, F32 against ctypes and exact fractions."""

from __future__ import annotations

import ctypes
import math
import operator
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloudos.lang import F32, F64, I64, U8, U32, U64, Panic, PanicKind

ANY = st.floats()
SINGLE = st.floats(width=32)


def same(left: float, right: float) -> bool:
    return (left != left and right != right) or (left == right and math.copysign(1, left) == math.copysign(1, right))


@given(ANY, ANY)
def test_f64_is_pythons(left: float, right: float) -> None:
    for operation in (operator.add, operator.sub, operator.mul):
        assert same(float(operation(F64(left), F64(right))), operation(left, right))
        assert same(float(operation(F64(left), right)), operation(left, right))
        assert same(float(operation(left, F64(right))), operation(left, right))
    if right != 0:
        assert same(float(F64(left) / F64(right)), left / right)
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        assert compare(F64(left), F64(right)) is compare(left, right)


def test_division_by_zero_is_ieee() -> None:
    assert float(F64(1.0) / F64(0.0)) == math.inf
    assert float(F64(1.0) / -F64(0.0)) == -math.inf
    assert float(F64(-1.0) / 0.0) == -math.inf
    assert (F64(0.0) / 0.0).is_nan()


@given(SINGLE, SINGLE)
def test_f32_rounds_once(left: float, right: float) -> None:
    assert same(float(F32(left) + F32(right)), ctypes.c_float(left + right).value)
    assert same(float(F32(left) * F32(right)), ctypes.c_float(left * right).value)
    assert same(float(F32(left)), left)


@given(st.integers(0, 2**64 - 1))
@example(0x8000_0080_0000_0001)
def test_f32_of_an_integer_is_the_nearest(value: int) -> None:
    given_back = Fraction(float(F32(U64(value))))
    spacing = Fraction(2) ** max(value.bit_length() - 24, -149)
    assert abs(given_back - value) <= spacing / 2
    if abs(given_back - value) == spacing / 2:
        assert given_back / spacing % 2 == 0 or given_back == 2 ** value.bit_length()


@given(ANY)
def test_bits_round_trip(value: float) -> None:
    assert F64.from_bits(F64(value).bits()).bits() == F64(value).bits()
    assert same(float(F64.from_bits(F64(value).bits())), value)


@given(ANY)
def test_truncation(value: float) -> None:
    if math.isfinite(value) and -(2**63) <= math.trunc(value) < 2**63:
        assert F64(value).truncate_to(I64) == math.trunc(value)
    else:
        with pytest.raises(Panic) as caught:
            F64(value).truncate_to(I64)
        assert caught.value.kind == PanicKind.LOSSY_CONVERSION


@given(ANY)
def test_sqrt_and_floor(value: float) -> None:
    if value >= 0:
        assert same(float(F64(value).sqrt()), math.sqrt(value))
    else:
        assert F64(value).sqrt().is_nan() or value == 0
    if math.isfinite(value):
        assert float(F64(value).floor()) == math.floor(value)


@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e20, max_value=1e20),
    st.integers(0, 12),
    st.integers(0, 30),
)
def test_format_is_pythons(value: float, digits: int, width: int) -> None:
    for spec in (f".{digits}f", f"{width}.{digits}f" if width else f".{digits}f", f"*<{width or 1}.{digits}f"):
        assert f"{F64(value):{spec}}" == f"{value:{spec}}"
    for spec in ("", "e", "5", "g", "+.2f", ".3"):
        with pytest.raises(ValueError, match="invalid format"):
            format(F64(value), spec)


def test_mixing_is_refused() -> None:
    with pytest.raises(TypeError):
        F64(1.0) + F32(1.0)  # type: ignore[operator]
    with pytest.raises(TypeError):
        F64(1.0) + U64(1)  # type: ignore[operator]
    with pytest.raises(TypeError):
        bool(F64(1.0))
    assert float(F64(U8(3))) == 3.0
    assert F32(1.5).bits() == U32(0x3FC00000)

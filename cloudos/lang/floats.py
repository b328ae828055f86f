"""IEEE 754 numbers: F32 and F64, for user programs only (the kernel has no floating point).

Operations round to nearest, ties to even; division by zero gives an infinity or NaN, as IEEE 754-2019 §7.3.
"""

from __future__ import annotations

import ctypes
import math
import re
import struct as packing
from typing import ClassVar, Generic, Self, TypeVar

from cloudos.lang.integers import U32, U64, Integer
from cloudos.lang.panics import Panic, PanicKind, intrinsic

BitsT = TypeVar("BitsT", U32, U64)
IntegerT = TypeVar("IntegerT", bound=Integer)

_FORMAT_SPEC = re.compile(r"(?:.?[<>^=])?0?\d*\.\d{1,3}f", re.DOTALL)


class Float(Generic[BitsT]):
    """What F32 and F64 share. Immutable."""

    __slots__ = ("_value",)
    BITS: ClassVar[int]
    _value: float

    @intrinsic("float.convert")
    def __init__(self, value: float | Integer | F32 | F64) -> None:
        """Round from a float or int constant, an integer type or the other float type."""
        if isinstance(value, (F32, F64)):
            self._value = self._round(value._value)
        elif isinstance(value, Integer):
            self._value = self._from_int(value._value)
        elif type(value) is int:
            self._value = self._from_int(value)
        elif type(value) is float:
            self._value = self._round(value)
        else:
            raise TypeError(f"{type(self).__name__} cannot be made from {type(value).__name__}")

    @staticmethod
    def _round(value: float) -> float:
        raise NotImplementedError

    @classmethod
    def _from_int(cls, value: int) -> float:
        raise NotImplementedError

    def _operand(self, other: object) -> float | None:
        if type(other) is type(self):
            return other._value
        if type(other) is float or type(other) is int:
            return type(self)(other)._value
        return None

    @intrinsic("float.add")
    def __add__(self, other: Self | float) -> Self:
        right = self._operand(other)
        return NotImplemented if right is None else type(self)(self._value + right)

    @intrinsic("float.subtract")
    def __sub__(self, other: Self | float) -> Self:
        right = self._operand(other)
        return NotImplemented if right is None else type(self)(self._value - right)

    @intrinsic("float.multiply")
    def __mul__(self, other: Self | float) -> Self:
        right = self._operand(other)
        return NotImplemented if right is None else type(self)(self._value * right)

    @intrinsic("float.divide")
    def __truediv__(self, other: Self | float) -> Self:
        right = self._operand(other)
        return NotImplemented if right is None else type(self)(_divide(self._value, right))

    @intrinsic("float.reversed_add")
    def __radd__(self, other: float) -> Self:
        left = self._operand(other)
        return NotImplemented if left is None else type(self)(left + self._value)

    @intrinsic("float.reversed_subtract")
    def __rsub__(self, other: float) -> Self:
        left = self._operand(other)
        return NotImplemented if left is None else type(self)(left - self._value)

    @intrinsic("float.reversed_multiply")
    def __rmul__(self, other: float) -> Self:
        left = self._operand(other)
        return NotImplemented if left is None else type(self)(left * self._value)

    @intrinsic("float.reversed_divide")
    def __rtruediv__(self, other: float) -> Self:
        left = self._operand(other)
        return NotImplemented if left is None else type(self)(_divide(left, self._value))

    @intrinsic("float.negate")
    def __neg__(self) -> Self:
        return type(self)(-self._value)

    def _comparand(self, other: object) -> float:
        right = self._operand(other)
        if right is None:
            raise TypeError(f"cannot compare {type(self).__name__} with {type(other).__name__}")
        return right

    @intrinsic("float.equal")
    def __eq__(self, other: Self | float) -> bool:  # type: ignore[override]
        return self._value == self._comparand(other)

    @intrinsic("float.not_equal")
    def __ne__(self, other: Self | float) -> bool:  # type: ignore[override]
        return self._value != self._comparand(other)

    @intrinsic("float.less")
    def __lt__(self, other: Self | float) -> bool:
        return self._value < self._comparand(other)

    @intrinsic("float.less_equal")
    def __le__(self, other: Self | float) -> bool:
        return self._value <= self._comparand(other)

    @intrinsic("float.greater")
    def __gt__(self, other: Self | float) -> bool:
        return self._value > self._comparand(other)

    @intrinsic("float.greater_equal")
    def __ge__(self, other: Self | float) -> bool:
        return self._value >= self._comparand(other)

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        raise TypeError(f"a {type(self).__name__} is not a condition: compare it, as in `x != 0.0`")

    def __float__(self) -> float:
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value!r})"

    def __format__(self, spec: str) -> str:
        if not _FORMAT_SPEC.fullmatch(spec):
            raise ValueError(f"invalid format specifier {spec!r} for {type(self).__name__}: give the decimals, as .3f")
        return format(self._value, spec)

    def __str__(self) -> str:
        return str(self._value)

    @intrinsic("float.sqrt")
    def sqrt(self) -> Self:
        """Square root, correctly rounded; NaN for negative numbers."""
        value = self._value
        return type(self)(math.nan if value < 0 or value != value else math.sqrt(value))

    @intrinsic("float.floor")
    def floor(self) -> Self:
        """The greatest integral number that is not above."""
        value = self._value
        if not math.isfinite(value) or value == 0:
            return self
        return type(self)(float(math.floor(value)))

    @intrinsic("float.is_nan")
    def is_nan(self) -> bool:
        """Whether this is not a number."""
        return self._value != self._value

    @intrinsic("float.truncate_to")
    def truncate_to(self, target: type[IntegerT]) -> IntegerT:
        """The integral part, as an integer type; LOSSY_CONVERSION panic when NaN or out of range."""
        if not math.isfinite(self._value):
            raise Panic(PanicKind.LOSSY_CONVERSION, f"{self._value} does not fit {target.__name__}")
        return target(int(self._value))

    def bits(self) -> BitsT:
        """The IEEE 754 encoding."""
        raise NotImplementedError


class F32(Float[U32]):
    """IEEE 754 binary32."""

    __slots__ = ()
    BITS = 32
    BITS_TYPE = U32

    @staticmethod
    def _round(value: float) -> float:
        return ctypes.c_float(value).value

    @classmethod
    def _from_int(cls, value: int) -> float:
        # Rounding through binary64 would round twice: keep a sticky bit below the 24 that matter.
        extra = abs(value).bit_length() - 50
        if extra > 0:
            sticky = 1 if abs(value) & ((1 << extra) - 1) else 0
            rounded = (((abs(value) >> extra) | sticky) << extra) * (1 if value > 0 else -1)
            return cls._round(float(rounded))
        return cls._round(float(value))

    @intrinsic("float.bits")
    def bits(self) -> U32:
        """The IEEE 754 encoding."""
        return U32(int(packing.unpack("<I", packing.pack("<f", self._value))[0]))

    @classmethod
    @intrinsic("float.from_bits")
    def from_bits(cls, bits: U32) -> F32:
        """The number with this IEEE 754 encoding."""
        return cls(float(packing.unpack("<f", packing.pack("<I", bits._value))[0]))


class F64(Float[U64]):
    """IEEE 754 binary64."""

    __slots__ = ()
    BITS = 64
    BITS_TYPE = U64

    @staticmethod
    def _round(value: float) -> float:
        return value

    @classmethod
    def _from_int(cls, value: int) -> float:
        return float(value)

    @intrinsic("float.bits")
    def bits(self) -> U64:
        """The IEEE 754 encoding."""
        return U64(int(packing.unpack("<Q", packing.pack("<d", self._value))[0]))

    @classmethod
    @intrinsic("float.from_bits")
    def from_bits(cls, bits: U64) -> F64:
        """The number with this IEEE 754 encoding."""
        return cls(float(packing.unpack("<d", packing.pack("<Q", bits._value))[0]))


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or left != left or right != right:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)

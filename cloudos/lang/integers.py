"""Integers of fixed width: U8 U16 U32 U64 I8 I16 I32 I64.

Operands are of the same type or int constants. Overflow, bad shift counts, division by zero and lossy
conversion panic; `wrapping_*` and `saturating_*` say otherwise where meant. `//` and `%` round towards
minus infinity, as Python's.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, SupportsIndex

from cloudos.lang import quick_operators
from cloudos.lang.panics import Panic, PanicKind, intrinsic
from cloudos.lang.specs import parse_integer_spec

_new = object.__new__


class Integer:
    """What the eight integer types share. Immutable; hashes as the int of the same value."""

    __slots__ = ("_value",)

    BITS: ClassVar[int]
    SIGNED: ClassVar[bool]
    MIN: ClassVar[int]
    MAX: ClassVar[int]
    _value: int

    @intrinsic("integer.convert")
    def __init__(self, value: SupportsIndex) -> None:
        """Convert from an int constant, any integer type, bool or enum; LOSSY_CONVERSION when it does not fit."""
        number = value if value.__class__ is int else operator.index(value)
        if not self.MIN <= number <= self.MAX:
            raise _lossy(type(self), number)
        self._value = number

    @classmethod
    @intrinsic("integer.truncate")
    def truncate(cls, value: SupportsIndex) -> Self:
        """The low BITS bits of `value` (two's complement for signed types); never panics."""
        return _wrap(cls, operator.index(value))

    @classmethod
    @intrinsic("integer.range")
    def range(cls, start: Self | int, stop: Self | int | None = None, step: Self | int = 1) -> Iterator[Self]:
        """Iterate as Python's range does, in this type. `step` is a positive constant."""
        if stop is None:
            start, stop = 0, start
        first, last, stride = _plain(cls, start), _plain(cls, stop), _plain(cls, step)
        if stride <= 0:
            raise ValueError(f"{cls.__name__}.range: step must be positive, not {stride}")
        return _iterate(cls, first, last, stride)

    def __index__(self) -> int:
        return self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        raise TypeError(f"a {type(self).__name__} is not a condition: compare it, as in `x != 0`")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value})"

    def __str__(self) -> str:
        return str(self._value)

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self._value)
        if parse_integer_spec(spec).base == 0 and not (0 <= self._value < 0xD800 or 0xDFFF < self._value <= 0x10FFFF):
            raise Panic(PanicKind.ASSERTION, f"{self._value} is not a Unicode character")
        return format(self._value, spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[int]]:
        return (type(self), (self._value,))

    # Arithmetic. What `quick_operators` leaves to these are mostly mistakes.

    @intrinsic("integer.add")
    def __add__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            value = self._value + other._value
        elif other.__class__ is int:
            if not cls.MIN <= other <= cls.MAX:
                raise _lossy(cls, other)
            value = self._value + other
        else:
            return NotImplemented
        if value > cls.MAX or value < cls.MIN:
            raise _overflow(self, "+", other)
        result = _new(cls)
        result._value = value
        return result

    __radd__ = __add__

    @intrinsic("integer.subtract")
    def __sub__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            value = self._value - other._value
        elif other.__class__ is int:
            if not cls.MIN <= other <= cls.MAX:
                raise _lossy(cls, other)
            value = self._value - other
        else:
            return NotImplemented
        if value > cls.MAX or value < cls.MIN:
            raise _overflow(self, "-", other)
        result = _new(cls)
        result._value = value
        return result

    @intrinsic("integer.multiply")
    def __mul__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            value = self._value * other._value
        elif other.__class__ is int:
            if not cls.MIN <= other <= cls.MAX:
                raise _lossy(cls, other)
            value = self._value * other
        else:
            return NotImplemented
        if value > cls.MAX or value < cls.MIN:
            raise _overflow(self, "*", other)
        result = _new(cls)
        result._value = value
        return result

    __rmul__ = __mul__

    @intrinsic("integer.floor_divide")
    def __floordiv__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            divisor = other._value
        elif other.__class__ is int:
            divisor = _constant(cls, other)
        else:
            return NotImplemented
        if divisor == 0:
            raise Panic(PanicKind.DIVIDE_BY_ZERO, f"{self} // 0")
        value = self._value // divisor
        if value > cls.MAX:
            raise _overflow(self, "//", other)
        result = _new(cls)
        result._value = value
        return result

    @intrinsic("integer.modulo")
    def __mod__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            divisor = other._value
        elif other.__class__ is int:
            divisor = _constant(cls, other)
        else:
            return NotImplemented
        if divisor == 0:
            raise Panic(PanicKind.DIVIDE_BY_ZERO, f"{self} % 0")
        result = _new(cls)
        result._value = self._value % divisor
        return result

    @intrinsic("integer.reversed_subtract")
    def __rsub__(self, other: int) -> Self:
        if type(other) is not int:
            return NotImplemented
        return type(self)(_constant(type(self), other)) - self

    @intrinsic("integer.reversed_floor_divide")
    def __rfloordiv__(self, other: int) -> Self:
        if type(other) is not int:
            return NotImplemented
        return type(self)(_constant(type(self), other)) // self

    @intrinsic("integer.reversed_modulo")
    def __rmod__(self, other: int) -> Self:
        if type(other) is not int:
            return NotImplemented
        return type(self)(_constant(type(self), other)) % self

    # Bits.

    @intrinsic("integer.and")
    def __and__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            value = self._value & other._value
        elif other.__class__ is int:
            if not cls.MIN <= other <= cls.MAX:
                raise _lossy(cls, other)
            value = self._value & other
        else:
            return NotImplemented
        result = _new(cls)
        result._value = value
        return result

    __rand__ = __and__

    @intrinsic("integer.or")
    def __or__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            value = self._value | other._value
        elif other.__class__ is int:
            if not cls.MIN <= other <= cls.MAX:
                raise _lossy(cls, other)
            value = self._value | other
        else:
            return NotImplemented
        result = _new(cls)
        result._value = value
        return result

    __ror__ = __or__

    @intrinsic("integer.xor")
    def __xor__(self, other: Self | int) -> Self:
        cls = self.__class__
        if other.__class__ is cls:
            value = self._value ^ other._value
        elif other.__class__ is int:
            if not cls.MIN <= other <= cls.MAX:
                raise _lossy(cls, other)
            value = self._value ^ other
        else:
            return NotImplemented
        result = _new(cls)
        result._value = value
        return result

    __rxor__ = __xor__

    @intrinsic("integer.invert")
    def __invert__(self) -> Self:
        return _wrap(type(self), ~self._value)

    @intrinsic("integer.shift_left")
    def __lshift__(self, other: Self | int) -> Self:
        """Panics BAD_SHIFT when the count is not in 0..BITS-1, OVERFLOW when bits of the value are lost."""
        cls = self.__class__
        count = _shift_count(cls, other)
        if count is None:
            return NotImplemented
        value = self._value << count
        if value > cls.MAX or value < cls.MIN:
            raise _overflow(self, "<<", other)
        result = _new(cls)
        result._value = value
        return result

    @intrinsic("integer.shift_right")
    def __rshift__(self, other: Self | int) -> Self:
        """Arithmetic for signed types. Panics BAD_SHIFT when the count is not in 0..BITS-1."""
        cls = self.__class__
        count = _shift_count(cls, other)
        if count is None:
            return NotImplemented
        result = _new(cls)
        result._value = self._value >> count
        return result

    @intrinsic("integer.reversed_shift_left")
    def __rlshift__(self, other: int) -> Self:
        if type(other) is not int:
            return NotImplemented
        return type(self)(_constant(type(self), other)) << self

    @intrinsic("integer.reversed_shift_right")
    def __rrshift__(self, other: int) -> Self:
        if type(other) is not int:
            return NotImplemented
        return type(self)(_constant(type(self), other)) >> self

    # Comparisons: only with the same type or an int constant; anything else is a mistake, equality included.

    @intrinsic("integer.equal")
    def __eq__(self, other: Self | int) -> bool:  # type: ignore[override]
        if other.__class__ is self.__class__:
            return self._value == other._value
        if other.__class__ is int and self.MIN <= other <= self.MAX:
            return self._value == other
        return self._value == _comparand(self.__class__, other)

    @intrinsic("integer.not_equal")
    def __ne__(self, other: Self | int) -> bool:  # type: ignore[override]
        if other.__class__ is self.__class__:
            return self._value != other._value
        if other.__class__ is int and self.MIN <= other <= self.MAX:
            return self._value != other
        return self._value != _comparand(self.__class__, other)

    @intrinsic("integer.less")
    def __lt__(self, other: Self | int) -> bool:
        if other.__class__ is self.__class__:
            return self._value < other._value
        if other.__class__ is int and self.MIN <= other <= self.MAX:
            return self._value < other
        return self._value < _comparand(self.__class__, other)

    @intrinsic("integer.less_equal")
    def __le__(self, other: Self | int) -> bool:
        if other.__class__ is self.__class__:
            return self._value <= other._value
        if other.__class__ is int and self.MIN <= other <= self.MAX:
            return self._value <= other
        return self._value <= _comparand(self.__class__, other)

    @intrinsic("integer.greater")
    def __gt__(self, other: Self | int) -> bool:
        if other.__class__ is self.__class__:
            return self._value > other._value
        if other.__class__ is int and self.MIN <= other <= self.MAX:
            return self._value > other
        return self._value > _comparand(self.__class__, other)

    @intrinsic("integer.greater_equal")
    def __ge__(self, other: Self | int) -> bool:
        if other.__class__ is self.__class__:
            return self._value >= other._value
        if other.__class__ is int and self.MIN <= other <= self.MAX:
            return self._value >= other
        return self._value >= _comparand(self.__class__, other)

    # Arithmetic that never panics.

    @intrinsic("integer.wrapping_add")
    def wrapping_add(self, other: Self | int) -> Self:
        """Sum modulo 2**BITS."""
        return _wrap(type(self), self._value + _plain(type(self), other))

    @intrinsic("integer.wrapping_sub")
    def wrapping_sub(self, other: Self | int) -> Self:
        """Difference modulo 2**BITS."""
        return _wrap(type(self), self._value - _plain(type(self), other))

    @intrinsic("integer.wrapping_mul")
    def wrapping_mul(self, other: Self | int) -> Self:
        """Product modulo 2**BITS."""
        return _wrap(type(self), self._value * _plain(type(self), other))

    @intrinsic("integer.wrapping_neg")
    def wrapping_neg(self) -> Self:
        """Negation modulo 2**BITS."""
        return _wrap(type(self), -self._value)

    @intrinsic("integer.wrapping_shl")
    def wrapping_shl(self, count: Self | int) -> Self:
        """Shift left, dropping the bits that leave. The count must be in 0..BITS-1, else BAD_SHIFT."""
        return _wrap(type(self), self._value << _required_count(type(self), count))

    @intrinsic("integer.saturating_add")
    def saturating_add(self, other: Self | int) -> Self:
        """Sum, or the nearest of MIN and MAX when it does not fit."""
        return _clamp(type(self), self._value + _plain(type(self), other))

    @intrinsic("integer.saturating_sub")
    def saturating_sub(self, other: Self | int) -> Self:
        """Difference, or the nearest of MIN and MAX when it does not fit."""
        return _clamp(type(self), self._value - _plain(type(self), other))

    @intrinsic("integer.saturating_mul")
    def saturating_mul(self, other: Self | int) -> Self:
        """Product, or the nearest of MIN and MAX when it does not fit."""
        return _clamp(type(self), self._value * _plain(type(self), other))

    @intrinsic("integer.rotate_left")
    def rotate_left(self, count: Self | int) -> Self:
        """Rotate the bits towards the most significant, by the count modulo BITS."""
        cls = type(self)
        places = _plain(cls, count) % cls.BITS
        bits = self._value & ((1 << cls.BITS) - 1)
        return _wrap(cls, (bits << places) | (bits >> (cls.BITS - places)))

    @intrinsic("integer.rotate_right")
    def rotate_right(self, count: Self | int) -> Self:
        """Rotate the bits towards the least significant, by the count modulo BITS."""
        cls = type(self)
        places = _plain(cls, count) % cls.BITS
        bits = self._value & ((1 << cls.BITS) - 1)
        return _wrap(cls, (bits >> places) | (bits << (cls.BITS - places)))

    @intrinsic("integer.leading_zeros")
    def leading_zeros(self) -> U32:
        """How many zero bits stand above the highest one (BITS for zero)."""
        return U32(self.BITS - (self._value & ((1 << self.BITS) - 1)).bit_length())

    @intrinsic("integer.trailing_zeros")
    def trailing_zeros(self) -> U32:
        """How many zero bits stand below the lowest one (BITS for zero)."""
        value = self._value
        return U32((value & -value).bit_length() - 1 if value else self.BITS)

    @intrinsic("integer.count_ones")
    def count_ones(self) -> U32:
        """How many bits are one, of the BITS that there are."""
        return U32((self._value & ((1 << self.BITS) - 1)).bit_count())

    @intrinsic("integer.swap_bytes")
    def swap_bytes(self) -> Self:
        """The bytes in opposite order."""
        size = self.BITS // 8
        bits = self._value & ((1 << self.BITS) - 1)
        return _wrap(type(self), int.from_bytes(bits.to_bytes(size, "little"), "big"))

    @intrinsic("integer.bit")
    def bit(self, number: Self | int) -> bool:
        """Whether the bit of this number (0 is the least significant) is one. BAD_SHIFT when there is none."""
        return bool((self._value >> _required_count(type(self), number)) & 1)

    @intrinsic("integer.hash")
    def hash(self) -> U64:
        """A well-mixed number for hash tables, the same for equal values of all integer types."""
        mixed = self._value & 0xFFFF_FFFF_FFFF_FFFF
        mixed ^= mixed >> 32
        mixed = mixed * 0x9E37_79B9_7F4A_7C15 & 0xFFFF_FFFF_FFFF_FFFF
        return U64(mixed ^ mixed >> 29)


class UnsignedInteger(Integer):
    """U8 U16 U32 U64."""

    __slots__ = ()
    SIGNED = False

    if not TYPE_CHECKING:

        def __neg__(self) -> NoReturn:
            raise TypeError(f"a {type(self).__name__} has no negative: use wrapping_neg(), or convert first")


class SignedInteger(Integer):
    """I8 I16 I32 I64: two's complement."""

    __slots__ = ()
    SIGNED = True

    @intrinsic("integer.negate")
    def __neg__(self) -> Self:
        value = -self._value
        if value > self.MAX:
            raise Panic(PanicKind.OVERFLOW, f"-({self})")
        result = _new(self.__class__)
        result._value = value
        return result


class U8(UnsignedInteger):
    """Unsigned, 8 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 8, 0, 0xFF


class U16(UnsignedInteger):
    """Unsigned, 16 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 16, 0, 0xFFFF


class U32(UnsignedInteger):
    """Unsigned, 32 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 32, 0, 0xFFFF_FFFF


class U64(UnsignedInteger):
    """Unsigned, 64 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 64, 0, 0xFFFF_FFFF_FFFF_FFFF


class I8(SignedInteger):
    """Signed, 8 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 8, -0x80, 0x7F


class I16(SignedInteger):
    """Signed, 16 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 16, -0x8000, 0x7FFF


class I32(SignedInteger):
    """Signed, 32 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 32, -0x8000_0000, 0x7FFF_FFFF


class I64(SignedInteger):
    """Signed, 64 bits."""

    __slots__ = ()
    BITS, MIN, MAX = 64, -0x8000_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF


INTEGER_TYPES: tuple[type[Integer], ...] = (U8, U16, U32, U64, I8, I16, I32, I64)
for _type in INTEGER_TYPES:
    quick_operators.install(_type)


def _lossy(cls: type[Integer], value: int) -> Panic:
    return Panic(PanicKind.LOSSY_CONVERSION, f"{value} does not fit {cls.__name__}")


def _overflow(left: object, operation: str, right: object) -> Panic:
    return Panic(PanicKind.OVERFLOW, f"{type(left).__name__}: {left} {operation} {right}")


def _constant(cls: type[Integer], value: Any) -> int:
    """An int operand, which must fit the type it is combined with."""
    if not cls.MIN <= value <= cls.MAX:
        raise _lossy(cls, value)
    return int(value)


def _plain(cls: type[Integer], value: object) -> int:
    """The value of an operand of the same type or an int constant; TypeError for anything else."""
    if value.__class__ is cls:
        return value._value
    if value.__class__ is int:
        return _constant(cls, value)
    raise TypeError(f"expected {cls.__name__} or an int constant, not {type(value).__name__}")


def _comparand(cls: type[Integer], value: object) -> int:
    if value.__class__ is int:
        return _constant(cls, value)
    raise TypeError(f"cannot compare {cls.__name__} with {type(value).__name__}: convert one of them")


def _shift_count(cls: type[Integer], value: object) -> int | None:
    """The count of a shift, None when the operand is of a wrong type."""
    if value.__class__ is cls:
        count: int = value._value
    elif value.__class__ is int:
        count = value
    else:
        return None
    if not 0 <= count < cls.BITS:
        raise Panic(PanicKind.BAD_SHIFT, f"{cls.__name__}: count {count}")
    return count


def _required_count(cls: type[Integer], value: object) -> int:
    count = _shift_count(cls, value)
    if count is None:
        raise TypeError(f"expected a count of type {cls.__name__} or int, not {type(value).__name__}")
    return count


if TYPE_CHECKING:
    from typing import TypeVar

    IntegerT = TypeVar("IntegerT", bound=Integer)


def _make(cls: type[IntegerT], value: int) -> IntegerT:
    """An instance without the range check: the caller knows that `value` fits."""
    result = _new(cls)
    result._value = value
    return result


def _wrap(cls: type[IntegerT], value: int) -> IntegerT:
    value &= (1 << cls.BITS) - 1
    return _make(cls, value - (1 << cls.BITS) if value > cls.MAX else value)


def _clamp(cls: type[IntegerT], value: int) -> IntegerT:
    return _make(cls, min(max(value, cls.MIN), cls.MAX))


def _iterate(cls: type[IntegerT], first: int, last: int, stride: int) -> Iterator[IntegerT]:
    for value in range(first, last, stride):
        yield _make(cls, value)

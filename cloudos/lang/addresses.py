"""Physical and virtual addresses: 64-bit newtypes with no arithmetic between them."""

from __future__ import annotations

from typing import Self

from cloudos.lang.integers import U64
from cloudos.lang.panics import Panic, PanicKind, intrinsic

_LIMIT = 1 << 64
_new = object.__new__


class Address:
    """What PhysAddr and VirtAddr share. Immutable; only addresses of the same kind compare."""

    __slots__ = ("_value",)
    _value: int

    @intrinsic("address.make")
    def __init__(self, value: U64 | int) -> None:
        """`value` in bytes; a U64 or an int constant (LOSSY_CONVERSION when that does not fit)."""
        if value.__class__ is U64:
            self._value = value._value
        elif type(value) is int:
            self._value = U64(value)._value
        else:
            raise TypeError(f"{type(self).__name__} takes a U64 or an int constant, not {type(value).__name__}")

    @property
    @intrinsic("address.value")
    def value(self) -> U64:
        """The address as a number."""
        number = _new(U64)
        number._value = self._value
        return number

    @intrinsic("address.offset")
    def offset(self, distance: U64 | int) -> Self:
        """The address `distance` bytes higher; OVERFLOW panic past the end of the address space."""
        return self._moved(self._value + _amount(distance))

    @intrinsic("address.align_down")
    def align_down(self, alignment: U64 | int) -> Self:
        """The nearest multiple of `alignment` (a power of two, bytes) that is not above."""
        return self._moved(self._value & -_alignment(alignment))

    @intrinsic("address.align_up")
    def align_up(self, alignment: U64 | int) -> Self:
        """The nearest multiple of `alignment` (a power of two, bytes) that is not below; may panic OVERFLOW."""
        step = _alignment(alignment)
        return self._moved((self._value + step - 1) & -step)

    @intrinsic("address.is_aligned")
    def is_aligned(self, alignment: U64 | int) -> bool:
        """Whether this is a multiple of `alignment` (a power of two, bytes)."""
        return self._value & (_alignment(alignment) - 1) == 0

    @intrinsic("address.distance")
    def distance(self, lower: Self) -> U64:
        """How many bytes this is above `lower`; OVERFLOW panic when it is below."""
        self._check(lower)
        if self._value < lower._value:
            raise Panic(PanicKind.OVERFLOW, f"distance from {lower!r} down to {self!r}")
        return U64(self._value - lower._value)

    def _moved(self, value: int) -> Self:
        if value >= _LIMIT:
            raise Panic(PanicKind.OVERFLOW, f"{type(self).__name__} past the end of the address space")
        return type(self)(value)

    def _check(self, other: object) -> None:
        if type(other) is not type(self):
            raise TypeError(f"cannot compare {type(self).__name__} with {type(other).__name__}")

    @intrinsic("address.equal")
    def __eq__(self, other: Self) -> bool:  # type: ignore[override]
        self._check(other)
        return self._value == other._value

    @intrinsic("address.not_equal")
    def __ne__(self, other: Self) -> bool:  # type: ignore[override]
        self._check(other)
        return self._value != other._value

    @intrinsic("address.less")
    def __lt__(self, other: Self) -> bool:
        self._check(other)
        return self._value < other._value

    @intrinsic("address.less_equal")
    def __le__(self, other: Self) -> bool:
        self._check(other)
        return self._value <= other._value

    @intrinsic("address.greater")
    def __gt__(self, other: Self) -> bool:
        self._check(other)
        return self._value > other._value

    @intrinsic("address.greater_equal")
    def __ge__(self, other: Self) -> bool:
        self._check(other)
        return self._value >= other._value

    def __hash__(self) -> int:
        return hash((type(self), self._value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value:#x})"

    def __str__(self) -> str:
        return f"{self._value:#x}"

    def __format__(self, spec: str) -> str:
        return format(self._value, spec) if spec else str(self)


class PhysAddr(Address):
    """An address in the machine's physical memory, in bytes."""

    __slots__ = ()


class VirtAddr(Address):
    """An address that the processor translates, in bytes."""

    __slots__ = ()


def _amount(value: U64 | int) -> int:
    return value._value if type(value) is U64 else U64(value)._value


def _alignment(value: U64 | int) -> int:
    number = _amount(value)
    if number == 0 or number & (number - 1):
        raise Panic(PanicKind.EXPLICIT, f"alignment {number} is not a power of two")
    return number

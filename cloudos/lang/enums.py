"""Enums with a declared width: `@enum(U8) class Color(IntEnum)`, or IntFlag.

The standard IntEnum and IntFlag will do too; those from here also type-check `Color(some_u8)`.
"""

from __future__ import annotations

import enum as standard
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Self, SupportsIndex, TypeVar

from cloudos.lang.integers import Integer
from cloudos.lang.panics import Panic, PanicKind

E = TypeVar("E", bound=standard.IntEnum | standard.IntFlag)


class IntEnum(standard.IntEnum):
    """enum.IntEnum, for type checkers one whose members can be had from integers of fixed width."""

    if TYPE_CHECKING:

        def __new__(cls, value: SupportsIndex) -> Self:
            """The member with this value; BAD_ENUM panic when there is none."""


class IntFlag(standard.IntFlag):
    """enum.IntFlag, for type checkers one whose members can be had from integers of fixed width."""

    if TYPE_CHECKING:

        def __new__(cls, value: SupportsIndex) -> Self:
            """The flags with these bits; BAD_ENUM panic when some are unknown."""


def enum(width: type[Integer]) -> Callable[[type[E]], type[E]]:
    """Give an IntEnum or IntFlag the integer type that it is stored as.

    `Color(x)` panics BAD_ENUM when x is no member (for IntFlag: has bits of no member). TypeError when a
    member does not fit the width.
    """

    def decorate(cls: type[E]) -> type[E]:
        if not cls.__members__:
            raise TypeError(f"{cls.__name__} has no members")
        for member in cls:
            if not width.MIN <= int(member) <= width.MAX:
                raise TypeError(f"{cls.__name__}.{member.name} = {int(member)} does not fit {width.__name__}")
        made: Any = cls
        made.__enum_width__ = width
        if issubclass(cls, standard.IntFlag):
            _make_flag(made)
        else:
            made._missing_ = classmethod(_missing_member)
        return cls

    return decorate


def _missing_member(cls: Any, value: object) -> Any:
    if isinstance(value, Integer):
        return cls(value._value)
    raise _bad_enum(cls, value)


def _bad_enum(cls: Any, value: object) -> Panic:
    return Panic(PanicKind.BAD_ENUM, f"{value} is no {cls.__name__}")


def _make_flag(cls: Any) -> None:
    """Flags stay within their own class and their own bits."""
    known = 0
    for member in cls.__members__.values():
        known |= int(member)
    make_pseudo_member = cls._missing_

    def missing(cls: Any, value: Any) -> Any:
        number = value._value if isinstance(value, Integer) else value
        if number < 0 or number & ~known:
            raise _bad_enum(cls, value)
        return cls._value2member_map_.get(number) or make_pseudo_member(number)

    def check(self: Any, other: Any) -> int:
        if type(other) is not type(self):
            raise TypeError(f"cannot combine {type(self).__name__} with {type(other).__name__}")
        return int(other)

    cls._missing_ = classmethod(missing)
    cls.__or__ = cls.__ror__ = lambda self, other: cls(int(self) | check(self, other))
    cls.__and__ = cls.__rand__ = lambda self, other: cls(int(self) & check(self, other))
    cls.__xor__ = cls.__rxor__ = lambda self, other: cls(int(self) ^ check(self, other))
    cls.__invert__ = lambda self: cls(known & ~int(self))
    cls.__contains__ = lambda self, other: int(self) & check(self, other) == int(other)
    cls.__enum_mask__ = known


def no_such_case(value: object) -> NoReturn:
    """The last case of an exhaustive match over an enum, for type checkers and readers."""
    raise Panic(PanicKind.UNREACHABLE, f"no case for {value!r}")

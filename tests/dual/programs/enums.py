"""Enumerations and flag sets of a declared width."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import I8, U8, U16, U32, U64, Array, IntEnum, IntFlag, enum, struct, zeroed


@enum(U8)
class Color(IntEnum):
    RED = 1
    GREEN = 2
    BLUE = 200


@enum(I8)
class Level(IntEnum):
    LOW = -100
    MIDDLE = 0
    HIGH = 100


@enum(U16)
class Access(IntFlag):
    READ = 1
    WRITE = 2
    EXECUTE = 4
    ALL = 7


@struct
class Setting:
    color: Color = Color.RED
    access: Access = Access.READ
    history: Array[Color, Literal[3]] = zeroed()


SETTING = Setting()
SETTING.history.fill(Color.GREEN)


def from_number(a: U8) -> Color:
    return Color(a)


def from_signed_number(a: I8) -> Level:
    return Level(a)


def to_number(a: U8) -> U32:
    color = Color(a)
    return U32(color) + U32(U8(color)) + U32(Color.BLUE)


def to_too_small_a_number(a: U8) -> I8:
    return I8(Color(a % 3 + 1))


def any_color(a: U8) -> U8:
    """Most inputs make a member."""
    color = _color(a)
    if color == Color.RED:
        return U8(1)
    if color != Color.BLUE:
        return U8(2)
    return U8(color)


def _color(a: U8) -> Color:
    if a % 3 == 0:
        return Color.RED
    return Color.GREEN if a % 3 == 1 else Color.BLUE


def matched(a: U8) -> U8:
    match _color(a):
        case Color.RED:
            return U8(7)
        case Color.GREEN:
            return U8(8)
        case Color.BLUE:
            return U8(9)


def matched_level(a: I8) -> I8:
    level = Level.LOW if a < -50 else Level.HIGH if a > 50 else Level.MIDDLE
    match level:
        case Level.LOW:
            result = I8(-1)
        case Level.HIGH:
            result = I8(1)
        case _:
            result = I8(0)
    return result


def stored(a: U8, i: U8) -> U32:
    SETTING.color = _color(a)
    SETTING.history[i % 4] = SETTING.color
    color = SETTING.history[i % 3]
    return U32(U8(color))


def flags_from_number(a: U16) -> Access:
    return Access(a % 10)


def flags(a: U8, b: U8) -> tuple[U16, U16, U16, bool, bool, bool]:
    x, y = Access(a % 8), Access(b % 8)
    return U16(x | y), U16(x & y), U16(x ^ y), Access.WRITE in x, x == y, (x & Access.READ) != 0


def flags_complement(a: U8) -> U16:
    return U16(~Access(a % 8))


def flags_membership(a: U8, b: U8) -> bool:
    return Access(a % 8) in Access(b % 8)


def flags_not_in(a: U8) -> bool:
    return Access.EXECUTE not in Access(a % 8)


def flags_update(a: U8) -> U16:
    SETTING.access = Access(0)
    SETTING.access |= Access(a % 8)
    SETTING.access &= ~Access.WRITE
    return U16(SETTING.access)


def enum_parameter_default(a: U8) -> U64:
    return _weight(_color(a)) + _weight()


def _weight(color: Color = Color.GREEN) -> U64:
    return U64(U8(color)) * 3

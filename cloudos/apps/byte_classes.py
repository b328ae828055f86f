"""The classes of characters that POSIX names, in the C locale: alpha, digit and so on."""

from __future__ import annotations

from cloudos.lang import U8, U64, Error
from cloudos.sdk import List, Text


class NoSuchClass(Error):
    """POSIX has no class of this name."""


def is_upper(byte: U8) -> bool:
    return byte >= 0x41 and byte <= 0x5A


def is_lower(byte: U8) -> bool:
    return byte >= 0x61 and byte <= 0x7A


def is_letter(byte: U8) -> bool:
    return is_upper(byte) or is_lower(byte)


def is_digit(byte: U8) -> bool:
    return byte >= 0x30 and byte <= 0x39


def is_blank(byte: U8) -> bool:
    return byte == 0x20 or byte == 0x09


def is_white(byte: U8) -> bool:
    return byte == 0x20 or (byte >= 0x09 and byte <= 0x0D)


def is_word(byte: U8) -> bool:
    """Letters, digits and the underscore."""
    return is_letter(byte) or is_digit(byte) or byte == 0x5F


def upper(byte: U8) -> U8:
    """Small letters made capitals, all else unchanged."""
    return byte - 0x20 if is_lower(byte) else byte


def lower(byte: U8) -> U8:
    """Capitals made small letters, all else unchanged."""
    return byte + 0x20 if is_upper(byte) else byte


def class_number(name: Text) -> U64:
    """The number of a class for `in_class`; raises NoSuchClass."""
    names = List[Text]()
    names.append(Text("alpha"))
    names.append(Text("digit"))
    names.append(Text("alnum"))
    names.append(Text("upper"))
    names.append(Text("lower"))
    names.append(Text("space"))
    names.append(Text("blank"))
    names.append(Text("punct"))
    names.append(Text("print"))
    names.append(Text("graph"))
    names.append(Text("cntrl"))
    names.append(Text("xdigit"))
    found = names.index(name)
    if found is None:
        raise NoSuchClass
    return found


def in_class(number: U64, byte: U8) -> bool:
    """Whether a byte belongs to the class of this number."""
    match number:
        case 0:
            return is_letter(byte)
        case 1:
            return is_digit(byte)
        case 2:
            return is_letter(byte) or is_digit(byte)
        case 3:
            return is_upper(byte)
        case 4:
            return is_lower(byte)
        case 5:
            return is_white(byte)
        case 6:
            return is_blank(byte)
        case 7:
            return byte > 0x20 and byte < 0x7F and not is_letter(byte) and not is_digit(byte)
        case 8:
            return byte >= 0x20 and byte < 0x7F
        case 9:
            return byte > 0x20 and byte < 0x7F
        case 10:
            return byte < 0x20 or byte == 0x7F
        case _:
            return is_digit(byte) or ((byte | 0x20) >= 0x61 and (byte | 0x20) <= 0x66)

"""What a backslash and the bytes behind it stand for."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice
from cloudos.sdk import ByteBuffer

OCTAL_ZERO = 0x30


def expand(text: Slice[U8], into: ByteBuffer, argument: bool) -> tuple[U64, bool]:
    """Append what an escape at the start of a text means; how long it is, and whether output ends here (`\\c`).

    `argument`: as in arguments of %b, where an octal number may have a zero before it.
    """
    if text.length == 1:
        into.append(text[0])
        return U64(1), False
    byte = text[1]
    if byte >= 0x30 and byte <= 0x37:
        return octal(text, into, U64(2) if argument and byte == OCTAL_ZERO else U64(1)), False
    if byte == 0x78 and text.length > 2 and hex_digit(text[2]) < 16:
        return hexadecimal(text, into), False
    match byte:
        case 0x63:
            return U64(2), True
        case 0x61:
            into.append(U8(7))
        case 0x62:
            into.append(U8(8))
        case 0x65:
            into.append(U8(27))
        case 0x66:
            into.append(U8(12))
        case 0x6E:
            into.append(U8(10))
        case 0x72:
            into.append(U8(13))
        case 0x74:
            into.append(U8(9))
        case 0x76:
            into.append(U8(11))
        case 0x5C:
            into.append(byte)
        case 0x22:
            into.append(byte)
        case _:
            into.append(text[0])
            into.append(byte)
    return U64(2), False


def octal(text: Slice[U8], into: ByteBuffer, start: U64) -> U64:
    """Up to three octal digits; where they end."""
    value = U64(0)
    at = start
    while at < text.length and at < start + 3 and text[at] >= 0x30 and text[at] <= 0x37:
        value = value * 8 + U64(text[at] - 0x30)
        at += 1
    into.append(U8.truncate(value))
    return at


def hexadecimal(text: Slice[U8], into: ByteBuffer) -> U64:
    """One or two hexadecimal digits behind `\\x`; where they end."""
    value = U64(0)
    at = U64(2)
    while at < text.length and at < 4 and hex_digit(text[at]) < 16:
        value = value * 16 + hex_digit(text[at])
        at += 1
    into.append(U8(value))
    return at


def hex_digit(byte: U8) -> U64:
    """The value of a hexadecimal digit; 99 for other bytes."""
    if byte >= 0x30 and byte <= 0x39:
        return U64(byte - 0x30)
    letter = byte | 0x20
    return U64(letter - 0x57) if letter >= 0x61 and letter <= 0x66 else U64(99)

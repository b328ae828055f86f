"""Decoding of UTF-8 (RFC 3629), with one U+FFFD for each maximal ill-formed part (Unicode 15, section 3.9)."""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, Slice

REPLACEMENT = 0xFFFD


def decode_at(content: Slice[U8], position: U64) -> tuple[U32, U64]:
    """The code point that begins at `position`, and how many bytes it takes."""
    first = content[position]
    if first < 0x80:
        return U32(first), U64(1)
    expected = sequence_length(first)
    if expected == 0:
        return U32(REPLACEMENT), U64(1)
    point = U32(first) & ((U32(0x80) >> U32(expected)) - 1)
    lowest, highest = second_byte_range(first)
    for i in U64.range(1, expected):
        if position + i >= content.length:
            return U32(REPLACEMENT), i
        byte = content[position + i]
        if byte < lowest or byte > highest:
            return U32(REPLACEMENT), i
        point = (point << 6) | U32(byte & 0x3F)
        lowest = U8(0x80)
        highest = U8(0xBF)
    return point, expected


def sequence_length(first: U8) -> U64:
    """How many bytes a sequence takes that begins with this non-ASCII byte; 0 when none does."""
    if first < 0xC2 or first > 0xF4:
        return U64(0)
    if first < 0xE0:
        return U64(2)
    if first < 0xF0:
        return U64(3)
    return U64(4)


def second_byte_range(first: U8) -> tuple[U8, U8]:
    """The bytes allowed after `first`: overlong forms, surrogates and points beyond U+10FFFF are left out."""
    if first == 0xE0:
        return U8(0xA0), U8(0xBF)
    if first == 0xED:
        return U8(0x80), U8(0x9F)
    if first == 0xF0:
        return U8(0x90), U8(0xBF)
    if first == 0xF4:
        return U8(0x80), U8(0x8F)
    return U8(0x80), U8(0xBF)

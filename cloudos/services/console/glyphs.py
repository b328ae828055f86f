"""Characters as a terminal shows them: UTF-8, and how many columns each takes (Unicode Standard Annex 11)."""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, Slice, struct

REPLACEMENT = 0xFFFD
DELETE = 0x7F


@struct
class Glyph:
    """A character: how many bytes, its code point (REPLACEMENT for what is no character), and columns: 0 to 2."""

    length: U64
    code: U32
    width: U64


def glyph_at(text: Slice[U8], at: U64) -> Glyph:
    """The character at a position. A control character takes two columns: it is shown as `^X`."""
    first = text[at]
    if first < 0x80:
        width = U64(2) if first < 0x20 or first == DELETE else U64(1)
        return Glyph(U64(1), U32(first), width)
    length = sequence_length(first)
    if length == 0 or at + length > text.length:
        return Glyph(U64(1), U32(REPLACEMENT), U64(1))
    code = U32(first) & (U32(0x7F) >> U32(length))
    for index in U64.range(at + 1, at + length):
        if text[index] & 0xC0 != 0x80:
            return Glyph(U64(1), U32(REPLACEMENT), U64(1))
        code = code << 6 | U32(text[index] & 0x3F)
    if not is_character(code, length):
        return Glyph(U64(1), U32(REPLACEMENT), U64(1))
    return Glyph(length, code, width_of(code))


def sequence_length(first: U8) -> U64:
    """How many bytes a character has that begins with this one, from 0x80 on; 0 when none does."""
    if 0xC2 <= first <= 0xDF:
        return U64(2)
    if 0xE0 <= first <= 0xEF:
        return U64(3)
    if 0xF0 <= first <= 0xF4:
        return U64(4)
    return U64(0)


def is_character(code: U32, length: U64) -> bool:
    """Whether so many bytes are the right way to write this code point, and it is one that can be shown."""
    if (length == 3 and code < 0x800) or (length == 4 and (code < 0x1_0000 or code > 0x10_FFFF)):
        return False
    return not 0xD800 <= code <= 0xDFFF and not 0x80 <= code <= 0x9F


def encode(code: U32, into: Slice[U8]) -> U64:
    """Write a code point as UTF-8 into at least four bytes; how many."""
    if code < 0x80:
        into[0] = U8(code)
        return U64(1)
    length = U64(2) if code < 0x800 else U64(3) if code < 0x1_0000 else U64(4)
    rest = code
    for index in U64.range(1, length):
        into[length - index] = U8(0x80 | rest & 0x3F)
        rest = rest >> 6
    into[0] = U8.truncate(U32(0xF00) >> U32(length)) | U8(rest)
    return length


def width_of(code: U32) -> U64:
    """Columns of a character that is no control character."""
    if code < 0x300:
        return U64(1)
    if is_combining(code):
        return U64(0)
    return U64(2) if is_wide(code) else U64(1)


def is_combining(code: U32) -> bool:
    """Whether it is shown together with the character before it."""
    if 0x0300 <= code <= 0x036F or 0x1AB0 <= code <= 0x1AFF or 0x1DC0 <= code <= 0x1DFF:
        return True
    if 0x200B <= code <= 0x200F or 0x20D0 <= code <= 0x20FF or 0xFE00 <= code <= 0xFE0F:
        return True
    return 0xFE20 <= code <= 0xFE2F or 0xE0100 <= code <= 0xE01EF


def is_wide(code: U32) -> bool:
    """Whether it takes two columns."""
    if 0x1100 <= code <= 0x115F or 0x2E80 <= code <= 0x303E or 0x3041 <= code <= 0xA4CF:
        return True
    if 0xA960 <= code <= 0xA97C or 0xAC00 <= code <= 0xD7A3 or 0xF900 <= code <= 0xFAFF or 0xFE30 <= code <= 0xFE6F:
        return True
    if 0xFF00 <= code <= 0xFF60 or 0xFFE0 <= code <= 0xFFE6:
        return True
    return 0x1F300 <= code <= 0x1F64F or 0x1F900 <= code <= 0x1F9FF or 0x20000 <= code <= 0x3FFFD

"""Text output: sinks, and the formatting of numbers, in systems Python itself.

Everything here down to `format_padded` is compiled into every program that formats a number: no heap, no
floats. The compiler parses the format specification (`parse_integer_spec`) and passes its parts as constants.
The meaning is that of Python's format mini-language (Python Library Reference, "Format Specification").
"""

from __future__ import annotations

from typing import Literal, Protocol

from cloudos.lang.arrays import Array
from cloudos.lang.integers import U8, U64
from cloudos.lang.slices import Slice, data

LESS = 0x3C
GREATER = 0x3E
CARET = 0x5E
EQUALS = 0x3D
_MINUS = 0x2D
_ZERO = 0x30


class Sink(Protocol):
    """Anything that text can be written to."""

    def write(self, data: Slice[U8]) -> None:
        """Take the bytes (UTF-8), all of them, before returning."""


def format_integer(
    sink: Sink,
    magnitude: U64,
    negative: bool,
    base: U64,
    uppercase: bool,
    fill: U8,
    align: U8,
    sign_aware_zero: bool,
    prefix: bool,
    width: U64,
    group: U8,
) -> None:
    """Write an integer: base 2, 8, 10 or 16; `align` is one of < > ^ =, `group` a separator or 0 for none.

    `sign_aware_zero` means zeros between sign and digits, grouped like them. `width` is in characters.
    """
    text: Array[U8, Literal[96]] = Array[U8, Literal[96]]()
    start, digits = _put_digits(text, magnitude, base, uppercase, group)
    first_digit = start
    if prefix and base != 10:
        text[start - 1] = _base_letter(base, uppercase)
        text[start - 2] = U8(_ZERO)
        start = start - 2
    if negative:
        text[start - 1] = U8(_MINUS)
        start = start - 1
    length = 96 - start
    if sign_aware_zero:
        sink.write(text.slice()[start:first_digit])
        if group != 0:
            _write_grouped_zeros(sink, digits, first_digit - start, width, base, group)
        elif width > length:
            _write_repeated(sink, U8(_ZERO), width - length)
        sink.write(text.slice()[first_digit:96])
    elif align == EQUALS:
        sink.write(text.slice()[start:first_digit])
        if width > length:
            _write_repeated(sink, fill, width - length)
        sink.write(text.slice()[first_digit:96])
    else:
        format_padded(sink, text.slice()[start:96], fill, align, width)


def _put_digits(text: Array[U8, Literal[96]], magnitude: U64, base: U64, uppercase: bool, group: U8) -> tuple[U64, U64]:
    """Put digits and separators at the end of `text`; returns where they start and how many digits there are."""
    start = U64(96)
    digits = U64(0)
    size = _group_size(base)
    rest = magnitude
    while rest != 0 or digits == 0:
        if group != 0 and digits != 0 and digits % size == 0:
            start = start - 1
            text[start] = group
        start = start - 1
        text[start] = _digit(rest % base, uppercase)
        rest = rest // base
        digits = digits + 1
    return start, digits


def _digit(value: U64, uppercase: bool) -> U8:
    if value < 10:
        return U8(value + 0x30)
    return U8(value + 0x37) if uppercase else U8(value + 0x57)


def _base_letter(base: U64, uppercase: bool) -> U8:
    if base == 2:
        return U8(0x62)
    if base == 8:
        return U8(0x6F)
    return U8(0x58) if uppercase else U8(0x78)


def _group_size(base: U64) -> U64:
    return U64(3) if base == 10 else U64(4)


def _write_grouped_zeros(sink: Sink, digits: U64, head: U64, width: U64, base: U64, group: U8) -> None:
    """The zeros that widen a grouped number, with separators between them; never a separator first."""
    size = _group_size(base)
    columns = width.saturating_sub(head)
    total = digits
    while total + (total - 1) // size < columns:
        total = total + 1
    piece: Array[U8, Literal[2]] = Array[U8, Literal[2]]()
    piece[0] = U8(_ZERO)
    piece[1] = group
    while total > digits:
        total = total - 1
        if total % size == 0:
            sink.write(piece.slice()[0:2])
        else:
            sink.write(piece.slice()[0:1])


def _write_repeated(sink: Sink, byte: U8, count: U64) -> None:
    piece: Array[U8, Literal[32]] = Array[U8, Literal[32]]()
    piece.fill(byte)
    left = count
    while left > 32:
        sink.write(piece.slice())
        left = left - 32
    sink.write(piece.slice()[0:left])


def format_padded(sink: Sink, data: Slice[U8], fill: U8, align: U8, width: U64) -> None:
    """Write UTF-8 text, padded to `width` characters: `align` is <, > or ^; `fill` an ASCII character."""
    length = _count_characters(data)
    if width <= length:
        sink.write(data)
        return
    padding = width - length
    before = U64(0)
    if align == GREATER:
        before = padding
    elif align == CARET:
        before = padding // 2
    if before != 0:
        _write_repeated(sink, fill, before)
    sink.write(data)
    if before != padding:
        _write_repeated(sink, fill, padding - before)


def _count_characters(text: Slice[U8]) -> U64:
    """Characters in UTF-8: the bytes that do not continue one (RFC 3629 §3)."""
    count = U64(0)
    for byte in text:
        if byte & 0xC0 != 0x80:
            count = count + 1
    return count


def format_character(sink: Sink, code: U64, fill: U8, align: U8, width: U64) -> None:
    """Write the character with this Unicode number (`:c`), as UTF-8 (RFC 3629 §3); above 0x10FFFF is a panic."""
    assert code <= 0x10FFFF, "not a Unicode character"
    text: Array[U8, Literal[4]] = Array[U8, Literal[4]]()
    if code < 0x80:
        text[0] = U8(code)
        format_padded(sink, text.slice()[0:1], fill, align, width)
    elif code < 0x800:
        text[0] = U8(0xC0 | code >> 6)
        text[1] = U8(0x80 | code & 0x3F)
        format_padded(sink, text.slice()[0:2], fill, align, width)
    elif code < 0x10000:
        text[0] = U8(0xE0 | code >> 12)
        text[1] = U8(0x80 | code >> 6 & 0x3F)
        text[2] = U8(0x80 | code & 0x3F)
        format_padded(sink, text.slice()[0:3], fill, align, width)
    else:
        text[0] = U8(0xF0 | code >> 18)
        text[1] = U8(0x80 | code >> 12 & 0x3F)
        text[2] = U8(0x80 | code >> 6 & 0x3F)
        text[3] = U8(0x80 | code & 0x3F)
        format_padded(sink, text.slice()[0:4], fill, align, width)


def format_bool(sink: Sink, value: bool) -> None:
    """Write True or False. (Python formats a bool with a specification as a number: that is refused.)"""
    if value:
        sink.write(data(b"True"))
    else:
        sink.write(data(b"False"))

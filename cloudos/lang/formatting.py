"""Text output: sinks, and the formatting of numbers, in systems Python itself.

Compiled into every program that formats a number: no heap, and no arithmetic on floats (a float is taken
apart as an integer). The compiler parses the format specification (`parse_integer_spec`) and passes its parts
as constants. The meaning is that of Python's format mini-language (Python Library Reference, "Format
Specification Mini-Language").
"""

from __future__ import annotations

from typing import Literal, Protocol

from cloudos.lang.arrays import Array
from cloudos.lang.floats import F64
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
    """Write the character with this Unicode number (`:c`), as UTF-8; other numbers and surrogates panic."""
    # RFC 3629 §3: the numbers 0xD800 to 0xDFFF are not characters, and have no encoding.
    assert code < 0xD800 or 0xDFFF < code <= 0x10FFFF, "not a Unicode character"
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


def format_float(sink: Sink, value: F64, precision: U64, fill: U8, align: U8, width: U64) -> None:
    """Write a float with `precision` decimals (at most 100), correctly rounded, ties to even, as `.Nf` does.

    `align` is one of < > ^ =. Exact: the number times 10**precision is an integer of up to 1,357 bits.
    """
    assert precision <= 100, "a float is written with at most 100 decimals"
    bits = value.bits()
    exponent = bits >> 52 & 0x7FF
    text: Array[U8, Literal[416]] = Array[U8, Literal[416]]()
    if exponent == 0x7FF:
        start = _put_not_finite(text, bits & 0xF_FFFF_FFFF_FFFF == 0)
    else:
        number: Array[U64, Literal[48]] = Array[U64, Literal[48]]()
        _scale(number, bits & 0xF_FFFF_FFFF_FFFF, exponent, precision)
        start = _put_decimals(text, number, precision)
    first_digit = start
    # A NaN has no sign that Python would show.
    if bits.bit(63) and text[start] != 0x6E:
        start = start - 1
        text[start] = U8(_MINUS)
    if align == EQUALS:
        sink.write(text.slice()[start:first_digit])
        if width > 416 - start:
            _write_repeated(sink, fill, width - (416 - start))
        sink.write(text.slice()[first_digit:416])
    else:
        format_padded(sink, text.slice()[start:416], fill, align, width)


def _put_not_finite(text: Array[U8, Literal[416]], infinite: bool) -> U64:
    if infinite:
        text.slice()[413:416].copy_from(data(b"inf"))
    else:
        text.slice()[413:416].copy_from(data(b"nan"))
    return U64(413)


def _scale(number: Array[U64, Literal[48]], fraction: U64, exponent: U64, precision: U64) -> None:
    """Set `number` (32 bits per element, least first) to the float times 10**precision, rounded."""
    mantissa = fraction if exponent == 0 else fraction | 0x10_0000_0000_0000
    power = U64(1) if exponent == 0 else exponent
    number[0] = mantissa & 0xFFFF_FFFF
    number[1] = mantissa >> 32
    for _ in U64.range(precision):
        _multiply(number, U64(10))
    # The value is mantissa * 2**(power - 1075).
    if power >= 1075:
        for _ in U64.range((power - 1075) // 16):
            _multiply(number, U64(0x10000))
        _multiply(number, U64(1) << (power - 1075) % 16)
    else:
        _shift_right(number, 1075 - power)


def _multiply(number: Array[U64, Literal[48]], factor: U64) -> None:
    carry = U64(0)
    for index in U64.range(48):
        product = number[index] * factor + carry
        number[index] = product & 0xFFFF_FFFF
        carry = product >> 32


def _shift_right(number: Array[U64, Literal[48]], count: U64) -> None:
    """Divide by 2**count (count from 1 to 1074), to the nearest, ties to even."""
    last = (count - 1) // 32
    place = (count - 1) % 32
    half = number[last].bit(place)
    sticky = number[last] & (U64(1) << place) - 1 != 0
    for index in U64.range(last):
        sticky = sticky or number[index] != 0
    whole = count // 32
    part = count % 32
    for index in U64.range(48):
        low = number[index + whole] if index + whole < 48 else U64(0)
        high = number[index + whole + 1] if index + whole + 1 < 48 else U64(0)
        number[index] = low >> part | high << 32 - part & 0xFFFF_FFFF
    if half and (sticky or number[0].bit(0)):
        index = U64(0)
        while number[index] == 0xFFFF_FFFF:
            number[index] = U64(0)
            index = index + 1
        number[index] = number[index] + 1


def _put_decimals(text: Array[U8, Literal[416]], number: Array[U64, Literal[48]], precision: U64) -> U64:
    """Put the digits at the end of `text`, a point before the last `precision` ones; returns where they start."""
    start = U64(416)
    digits = U64(0)
    rest = U64(0)
    more = True
    while more:
        if digits % 9 == 0:
            rest = _divide_by_billion(number)
        if digits == precision and digits != 0:
            start = start - 1
            text[start] = U8(0x2E)
        start = start - 1
        text[start] = U8(rest % 10 + _ZERO)
        rest = rest // 10
        digits = digits + 1
        more = digits <= precision or rest != 0 or not _is_zero(number)
    return start


def _divide_by_billion(number: Array[U64, Literal[48]]) -> U64:
    """Divide in place; returns the remainder."""
    rest = U64(0)
    for step in U64.range(48):
        index = 47 - step
        part = rest << 32 | number[index]
        number[index] = part // 1_000_000_000
        rest = part % 1_000_000_000
    return rest


def _is_zero(number: Array[U64, Literal[48]]) -> bool:
    for limb in number:  # noqa: SIM110 - compiled code has no generator expressions
        if limb != 0:
            return False
    return True

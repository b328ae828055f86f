"""Numbers spelled in text."""

from __future__ import annotations

from cloudos.lang import I64, U8, U64, Slice
from cloudos.sdk.errors import InvalidNumber

LARGEST_TENTH = (2**64 - 1) // 10


def parse_digits(content: Slice[U8]) -> U64:
    """An unsigned decimal number of at least one digit; raises InvalidNumber."""
    if content.length == 0:
        raise InvalidNumber
    value = U64(0)
    for byte in content:
        if byte < 0x30 or byte > 0x39 or value > LARGEST_TENTH:
            raise InvalidNumber
        digit = U64(byte - 0x30)
        value = value * 10
        if value > U64(U64.MAX) - digit:
            raise InvalidNumber
        value += digit
    return value


def parse_integer(content: Slice[U8]) -> I64:
    """A decimal number with an optional sign, in the range of I64; raises InvalidNumber."""
    if content.length == 0:
        raise InvalidNumber
    negative = content[0] == 0x2D
    start = U64(0)
    if negative or content[0] == 0x2B:
        start = U64(1)
    magnitude = parse_digits(content[start : content.length])
    if negative:
        if magnitude > 2**63:
            raise InvalidNumber
        return I64.truncate(magnitude.wrapping_neg())
    if magnitude >= 2**63:
        raise InvalidNumber
    return I64(magnitude)

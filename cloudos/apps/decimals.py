"""Floating-point numbers as decimal text, and back: what C's `strtod` and the conversions `%e`, `%f`, `%g` do.

Formatting is exact, to any number of digits, halves to the even digit. Reading is exact for up to 15 digits and powers
of ten up to 22; the last bit may be wrong beyond that.
"""

from __future__ import annotations

from cloudos.lang import F64, I64, U8, U32, U64, managed, write_text
from cloudos.sdk import ByteBuffer, List, Text

ZERO = ord("0")
DOT = ord(".")
MINUS = ord("-")
PLUS = ord("+")
EXACT = 22  # powers of ten up to this one are numbers without rounding
MOST_DIGITS = 18  # that a U64 holds for sure
FRACTION_BITS = 52
BIAS = 1075  # of the exponent, when the fraction counts as a whole number
INFINITE = 0x7FF
BILLION = 1_000_000_000


@managed
class Decimal:
    """A number without its sign: 0.DIGITS times ten to the power of `point`; no digits for zero."""

    digits: ByteBuffer
    point: I64

    def round(self, count: I64) -> None:
        """Keep so many digits."""
        if count >= I64(self.digits.length):
            return
        keep = U64(max(count, I64(0)))
        up = count >= 0 and self.rounds_up(keep)
        kept = Text.from_bytes(self.digits.content()[0:keep])
        self.digits.clear()
        self.digits.write(kept.content)
        at = keep
        while up and at > 0:
            at -= 1
            if self.digits[at] == 0x39:
                self.digits[at] = U8(ZERO)
            else:
                self.digits[at] += 1
                up = False
        if up:
            # All of them were nines, or there are none: the number is now the next power of ten.
            rest = Text.from_bytes(self.digits.content())
            self.digits.clear()
            self.digits.append(U8(0x31))
            self.digits.write(rest.content)
            self.point += 1

    def rounds_up(self, keep: U64) -> bool:
        """Whether what follows so many digits is more than a half, or a half behind an odd digit."""
        first = self.digits[keep]
        if first != 0x35:
            return first > 0x35
        for at in U64.range(keep + 1, self.digits.length):
            if self.digits[at] != ZERO:
                return True
        return keep > 0 and (self.digits[keep - 1] & 1) == 1

    def digit(self, place: I64) -> U8:
        """The digit at a place, 0 being the first; zeros stand around them."""
        return self.digits[U64(place)] if 0 <= place < I64(self.digits.length) else U8(ZERO)


def decimal_of(value: F64) -> Decimal:
    """The exact decimal digits of a finite number."""
    bits = value.bits()
    exponent = bits >> FRACTION_BITS & INFINITE
    mantissa = bits & ((1 << FRACTION_BITS) - 1)
    if exponent == 0:
        exponent = U64(1)
    else:
        mantissa = mantissa | 1 << FRACTION_BITS
    result = Decimal(ByteBuffer(), I64(0))
    if exponent >= BIAS:
        whole_digits(mantissa, exponent - BIAS, result.digits)
        result.point = I64(result.digits.length)
        return result
    shift = BIAS - exponent
    if shift < 64 and mantissa >> shift != 0:
        whole_digits(mantissa >> shift, U64(0), result.digits)
    result.point = I64(result.digits.length)
    fraction_digits(mantissa & ((U64(1) << shift) - 1) if shift < 64 else mantissa, shift, result)
    return result


def whole_digits(mantissa: U64, shift: U64, into: ByteBuffer) -> None:
    """Append the decimal digits of `mantissa << shift`."""
    limbs = List[U32]()
    for _ in U64.range(shift // 32 + 3):
        limbs.append(U32(0))
    place_bits(limbs, mantissa, shift)
    groups = List[U64]()
    left = limbs.length
    while left > 0:
        rest = U64(0)
        at = left
        while at > 0:
            at -= 1
            whole = rest << 32 | U64(limbs[at])
            limbs[at] = U32(whole // BILLION)
            rest = whole % BILLION
        groups.append(rest)
        while left > 0 and limbs[left - 1] == 0:
            left -= 1
    at = groups.length
    while at > 0:
        at -= 1
        if into.length == 0:
            if groups[at] != 0:
                write_text(into, f"{groups[at]}")
        else:
            write_text(into, f"{groups[at]:09}")


def place_bits(limbs: List[U32], value: U64, shift: U64) -> None:
    """Put `value << shift` into limbs of 32 bits, the lowest first."""
    at, within = shift // 32, shift % 32
    low = (value & 0xFFFF_FFFF) << within
    high = (value >> 32) << within
    middle = (low >> 32) + (high & 0xFFFF_FFFF)
    limbs[at] = U32.truncate(low)
    limbs[at + 1] = U32.truncate(middle)
    limbs[at + 2] = U32((high >> 32) + (middle >> 32))


def fraction_digits(fraction: U64, shift: U64, into: Decimal) -> None:
    """Append the decimal digits of `fraction / 2**shift`, which is below 1. Zeros before them move the point."""
    size = (shift + 31) // 32
    limbs = List[U32]()
    for _ in U64.range(size + 3):
        limbs.append(U32(0))
    place_bits(limbs, fraction, size * 32 - shift)
    lowest = U64(0)
    while lowest < size:
        if limbs[lowest] == 0:
            lowest += 1
            continue
        carry = U64(0)
        for at in U64.range(lowest, size):
            product = U64(limbs[at]) * 10 + carry
            limbs[at] = U32.truncate(product)
            carry = product >> 32
        if carry == 0 and into.digits.length == 0:
            into.point -= 1
        else:
            into.digits.append(U8(carry) + ZERO)


def is_finite(value: F64) -> bool:
    """Whether it is neither infinite nor no number."""
    return (value.bits() >> FRACTION_BITS & INFINITE) != INFINITE


def is_negative(value: F64) -> bool:
    """Whether the sign is minus, for zeros too."""
    return value.bits().bit(63)


def format_decimal(value: F64, letter: U8, precision: U64, alternative: bool) -> Text:
    """A number without its sign as `%e`, `%f` or `%g` write it; capitals for capital letters.

    `alternative`: the flag `#`, with which the point, and zeros behind it, stay.
    """
    out = ByteBuffer()
    small = letter | 0x20
    capital = letter < 0x61
    if not is_finite(value):
        infinite = value.bits() & ((1 << FRACTION_BITS) - 1) == 0
        write_text(out, ("INF" if capital else "inf") if infinite else "NAN" if capital else "nan")
        return out.to_text()
    number = decimal_of(value)
    if small == 0x66:
        fixed(number, precision, alternative, out)
    elif small == 0x65:
        scientific(number, precision, alternative, capital, out)
    else:
        general(number, max(precision, U64(1)), alternative, capital, out)
    return out.to_text()


def fixed(number: Decimal, precision: U64, alternative: bool, out: ByteBuffer) -> None:
    """`%f`."""
    number.round(number.point + I64(precision))
    if number.point <= 0 or number.digits.length == 0:
        out.append(U8(ZERO))
    else:
        for place in I64.range(number.point):
            out.append(number.digit(place))
    if precision > 0 or alternative:
        out.append(U8(DOT))
    start = number.point if number.digits.length > 0 else I64(0)
    for place in I64.range(I64(precision)):
        out.append(number.digit(start + place))


def scientific(number: Decimal, precision: U64, alternative: bool, capital: bool, out: ByteBuffer) -> None:
    """`%e`."""
    number.round(I64(precision) + 1)
    out.append(number.digit(I64(0)))
    if precision > 0 or alternative:
        out.append(U8(DOT))
    for place in I64.range(I64(precision)):
        out.append(number.digit(place + 1))
    power = number.point - 1 if number.digits.length > 0 else I64(0)
    write_text(out, "E" if capital else "e")
    write_text(out, "-" if power < 0 else "+")
    write_text(out, f"{-power if power < 0 else power:02}")


def general(number: Decimal, precision: U64, alternative: bool, capital: bool, out: ByteBuffer) -> None:
    """`%g`."""
    number.round(I64(precision))
    power = number.point - 1 if number.digits.length > 0 else I64(0)
    places = precision
    if not alternative:
        while number.digits.length > 0 and number.digits[number.digits.length - 1] == ZERO:
            kept = Text.from_bytes(number.digits.content()[0 : number.digits.length - 1])
            number.digits.clear()
            number.digits.write(kept.content)
        places = max(number.digits.length, U64(1))
    if power < -4 or power >= I64(precision):
        scientific(number, places - 1, alternative, capital, out)
    else:
        behind = max(I64(places) - 1 - power, I64(0))
        fixed(number, U64(behind), alternative, out)


def parse_float(text: Text) -> tuple[F64, U64]:
    """The number that a text begins with, and of how many bytes it is made: 0 when there is none."""
    at = U64(0)
    negative = text.length > 0 and text[0] == MINUS
    if negative or (text.length > 0 and text[0] == PLUS):
        at = U64(1)
    word = text.slice(at, text.length).lower()
    value = F64(0)
    if word.starts_with("infinity") or word.starts_with("inf"):
        value = F64.from_bits(U64(INFINITE) << FRACTION_BITS)
        at += 8 if word.starts_with("infinity") else 3
    elif word.starts_with("nan"):
        value = F64.from_bits(U64(INFINITE) << FRACTION_BITS | 1 << (FRACTION_BITS - 1))
        at += 3
    else:
        value, used = parse_digits(word)
        if used == 0:
            return F64(0), U64(0)
        at += used
    return -value if negative else value, at


def parse_digits(text: Text) -> tuple[F64, U64]:
    """`parse_float` for what has no sign."""
    mantissa, power = U64(0), I64(0)
    at, digits, significant = U64(0), U64(0), U64(0)
    behind = False
    while at < text.length:
        byte = text[at]
        if byte == DOT and not behind:
            behind = True
        elif 0x30 <= byte <= 0x39:
            digits += 1
            if significant < MOST_DIGITS:
                mantissa = mantissa * 10 + U64(byte - ZERO)
                significant += 1 if mantissa != 0 else 0
                power -= 1 if behind else 0
            else:
                power += 0 if behind else 1
        else:
            break
        at += 1
    if digits == 0:
        return F64(0), U64(0)
    exponent, used = parse_power(text, at)
    return scaled(F64(mantissa), power + exponent), at + used


def parse_power(text: Text, start: U64) -> tuple[I64, U64]:
    """The `e±N` at a position, and its length; 0 when there is none."""
    at = start
    if at == text.length or text[at] != 0x65:
        return I64(0), U64(0)
    at += 1
    negative = at < text.length and text[at] == MINUS
    if negative or (at < text.length and text[at] == PLUS):
        at += 1
    first = at
    value = I64(0)
    while at < text.length and 0x30 <= text[at] <= 0x39:
        value = min(value * 10 + I64(text[at] - ZERO), I64(100_000))
        at += 1
    if at == first:
        return I64(0), U64(0)
    return -value if negative else value, at - start


def scaled(mantissa: F64, power: I64) -> F64:
    """A number times a power of ten."""
    result, left = mantissa, power
    while left != 0:
        step = min(left if left > 0 else -left, I64(EXACT))
        factor = F64(1)
        for _ in I64.range(step):
            factor = factor * F64(10)
        if left > 0:
            result = result * factor
            left -= step
        else:
            result = result / factor
            left += step
        if not is_finite(result) or result == F64(0):
            break
    return result

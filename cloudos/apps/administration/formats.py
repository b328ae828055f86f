"""Numbers as people read them: sizes, times; and texts that cannot disturb a terminal."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice, write_text
from cloudos.sdk import ByteBuffer, Text

UNITS = "KMGTPE"
KILO = 1024
SECOND = 1_000_000_000
DELETE = 0x7F


def human(value: U64) -> Text:
    """A size in bytes in the largest unit that fits, rounded up as `df -h` of GNU does: 512, 1.5K, 12M."""
    if value < KILO:
        return Text(f"{value}")
    letters = Text(UNITS)
    unit, divisor = U64(0), U64(KILO)
    while value // divisor >= KILO:
        unit += 1
        divisor *= KILO
    whole, rest = value // divisor, value % divisor
    # At most 2**60 - 1 is left, ten times which is below 2**64.
    tenths = (rest * 10 + divisor - 1) // divisor
    if whole >= 10 or (whole == 9 and tenths == 10):
        if tenths > 0:
            whole += 1
        if whole == KILO:
            return Text(f"1.0{letters[unit + 1]:c}")
        return Text(f"{whole}{letters[unit]:c}")
    if tenths == 10:
        whole, tenths = whole + 1, U64(0)
    return Text(f"{whole}.{tenths}{letters[unit]:c}")


def elapsed(nanoseconds: U64) -> Text:
    """A span of time as `ps -o etime` of POSIX writes it: [[dd-]hh:]mm:ss."""
    seconds = nanoseconds // SECOND
    minutes, hours = seconds // 60 % 60, seconds // 3600 % 24
    days = seconds // 86400
    if days > 0:
        return Text(f"{days:02}-{hours:02}:{minutes:02}:{seconds % 60:02}")
    if hours > 0:
        return Text(f"{hours:02}:{minutes:02}:{seconds % 60:02}")
    return Text(f"{minutes:02}:{seconds % 60:02}")


def percent(part: U64, whole: U64) -> U64:
    """How many percent a part is, rounded up; 0 of nothing."""
    if whole == 0:
        return U64(0)
    if part > U64.MAX // 100:
        return (part // 100 * 100 + whole // 100 - 1) // (whole // 100)
    return (part * 100 + whole - 1) // whole


def printable(content: Slice[U8]) -> Text:
    """The bytes with control characters written as \\xNN: what others wrote must not steer the terminal."""
    result = ByteBuffer()
    for byte in content:
        if byte < 0x20 or byte == DELETE:
            write_text(result, f"\\x{byte:02x}")
        else:
            result.append(byte)
    return result.to_text()


def columns_of(text: Slice[U8]) -> U64:
    """How many columns UTF-8 text takes, one for each code point."""
    count = U64(0)
    for byte in text:
        if byte & 0xC0 != 0x80:
            count += 1
    return count

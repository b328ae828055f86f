"""The kernel log: lines for people, `[seconds.micros] text`, and records for the host tool, which begin with `@`.

Text is bytes here, `data(b"…")`, and numbers have a function of their own: that is less code than f-strings.
"""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal import console, timer
from cloudos.lang import U8, U64, Array, Slice, data

NANOSECONDS_PER_SECOND = 1_000_000_000
DIGITS = data(b"0123456789abcdef")


def begin_line() -> None:
    """Write the time, with which lines for people begin."""
    time = timer.now()
    text(data(b"["))
    number(time // NANOSECONDS_PER_SECOND, U64(10), U64(1))
    text(data(b"."))
    number(time % NANOSECONDS_PER_SECOND // 1000, U64(10), U64(6))
    text(data(b"] "))


def line(words: Slice[U8]) -> None:
    """Write one line with the time."""
    begin_line()
    record(words)


def record(words: Slice[U8]) -> None:
    """Write one line as it is, or the end of one."""
    text(words)
    text(data(b"\n"))


def text(words: Slice[U8]) -> None:
    """Write a part of a line."""
    console.LOG_PORT.write(words)


def number(value: U64, base: U64, width: U64) -> None:
    """Write a number in base 10 or 16, with zeros in front up to `width` digits, of at most 20."""
    digits = Array[U8, Literal[20]]()
    start = U64(20)
    while value != 0 or 20 - start < width:
        start = start - 1
        digits[start] = DIGITS[value % base]
        value = value // base
    text(digits.slice()[start:20])


def frame(ip: U64) -> None:
    """Write the record of one frame of a backtrace."""
    text(data(b"@frame"))
    address(data(b" ip"), ip)
    record(data(b""))


def address(name: Slice[U8], value: U64) -> None:
    """Write `name=0x…`, a part of a record; the name begins with a space."""
    text(name)
    text(data(b"=0x"))
    number(value, U64(16), U64(1))

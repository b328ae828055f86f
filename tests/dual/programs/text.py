"""f-strings: lazily formatted text, written to a sink."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import (
    F64,
    I8,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Formattable,
    IntEnum,
    PhysAddr,
    Sink,
    Slice,
    VirtAddr,
    enum,
    struct,
    write_text,
    zeroed,
)


@struct
class Buffer:
    bytes: Array[U8, Literal[300]] = zeroed()
    used: U64 = U64(0)

    def write(self, data: Slice[U8]) -> None:
        self.bytes.slice()[self.used : self.used + data.length].copy_from(data)
        self.used += data.length

    def clear(self) -> None:
        self.used = U64(0)

    def content(self) -> Slice[U8]:
        return self.bytes.slice()[: self.used]


@struct
class Point(Formattable):
    x: U32
    y: I32

    def format_to(self, sink: Sink) -> None:
        write_text(sink, f"({self.x}, {self.y})")


@enum(U8)
class Color(IntEnum):
    RED = 1
    GREEN = 2


BUFFER = Buffer()


def _written(text: str) -> Slice[U8]:
    BUFFER.clear()
    write_text(BUFFER, text)
    return BUFFER.content()


def literal() -> Slice[U8]:
    return _written("plain text, two lines\n\tand {braces} ünïcode")


def unsigned(a: U64, b: U8) -> Slice[U8]:
    return _written(f"{a} and {b}{a}")


def signed(a: I64, b: I8) -> Slice[U8]:
    return _written(f"[{a}][{b}]")


def hexadecimal(a: U64, b: I32) -> Slice[U8]:
    return _written(f"{a:x} {a:X} {a:#x} {a:016x} {a:#018x} {b:x} {b:#010X}")


def binary(a: U16, b: I8) -> Slice[U8]:
    return _written(f"{a:b} {a:#b} {a:016b} {b:b} {a:o} {a:#o}")


def width(a: U32, b: I32) -> Slice[U8]:
    return _written(f"{a:5}|{a:<8}|{a:>8}|{a:^9}|{b:7d}|{b:<12}|{b:^13}|{b:=10}")


def fill(a: U32, b: I32) -> Slice[U8]:
    return _written(f"{a:*<12}|{a:.>12}|{a:-^13}|{b:08}|{b:}|{b:d}|{b:0=9d}")


def grouping(a: U64, b: I64) -> Slice[U8]:
    return _written(f"{a:,} {b:,} {a:_} {a:30,} {a:_x} {b:028,}")


def character(a: U8) -> Slice[U8]:
    return _written(f"<{a % 128:c}>")


def braces(a: U8) -> Slice[U8]:
    return _written(f"{{{a}}} {{}}")


def boolean(a: bool) -> Slice[U8]:
    return _written(f"{a} {not a}")


def expression(a: U8, b: U8) -> Slice[U8]:
    return _written(f"{a} - {b} = {a - b}")


def nested_call(a: U8) -> Slice[U8]:
    return _written(f"{_half(a)} {U32(a) * 1000:>8,}")


def _half(a: U8) -> U8:
    assert a % 7 != 3
    return a // 2


def addresses(a: U64) -> Slice[U8]:
    return _written(f"{PhysAddr(a)} {VirtAddr(a).value:#x}")


def formattable(a: U32, b: I32) -> Slice[U8]:
    return _written(f"at {Point(a, b)}!")


def enumeration(a: U8) -> Slice[U8]:
    color = Color(a % 2 + 1)
    return _written(f"{U8(color)}")


def passed_along(a: U8) -> Slice[U8]:
    BUFFER.clear()
    _log(f"value {a:3}", U8(2))
    _log("done", a)
    return BUFFER.content()


def _log(text: str, level: U8) -> None:
    if level > 1:
        write_text(BUFFER, f"{level}: {text}\n")


def chosen(a: U8) -> Slice[U8]:
    return _written("odd" if a % 2 == 1 else f"even {a}")


def adjacent(a: U8) -> Slice[U8]:
    return _written(f"one {a} two {a:02x}")


def repeated(n: U8) -> Slice[U8]:
    BUFFER.clear()
    for i in U64.range(U64(n % 20)):
        write_text(BUFFER, f"{i},")
    return BUFFER.content()


def overflowing(n: U8) -> Slice[U8]:
    """The sink itself panics when its array is full."""
    BUFFER.clear()
    for _ in U64.range(U64(n)):
        write_text(BUFFER, "0123456789")
    return BUFFER.content()


def evaluated_when_built(a: U8) -> Slice[U8]:
    """Values are taken when the f-string is evaluated, not when it is written."""
    x = a
    text = f"{x}"
    x = U8(0)
    BUFFER.clear()
    write_text(BUFFER, text)
    write_text(BUFFER, f"/{x}")
    return BUFFER.content()


def reals(a: U16, b: U8) -> Slice[U8]:
    return _written(f"{F64(a) / F64(U8(b % 16 + 1)):.3f} {F64(a):.0f} {F64(b) / F64(8.0):8.2f}")

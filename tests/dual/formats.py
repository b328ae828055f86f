"""The formatters that compiled f-strings call, reached from a test: each returns what it wrote."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import (
    F64,
    U8,
    U64,
    Array,
    Slice,
    format_character,
    format_float,
    format_integer,
    format_padded,
    struct,
    zeroed,
)


@struct
class Page:
    content: Array[U8, Literal[1024]] = zeroed()
    used: U64 = U64(0)

    def write(self, data: Slice[U8]) -> None:
        self.content.slice()[self.used : self.used + data.length].copy_from(data)
        self.used = self.used + data.length

    def written(self) -> Slice[U8]:
        return self.content.slice()[0 : self.used]


PAGE = Page()


def integer_text(
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
) -> Slice[U8]:
    PAGE.used = U64(0)
    format_integer(PAGE, magnitude, negative, base, uppercase, fill, align, sign_aware_zero, prefix, width, group)
    return PAGE.written()


def float_text(value: F64, precision: U64, fill: U8, align: U8, width: U64) -> Slice[U8]:
    PAGE.used = U64(0)
    format_float(PAGE, value, precision, fill, align, width)
    return PAGE.written()


def character_text(code: U64, fill: U8, align: U8, width: U64) -> Slice[U8]:
    PAGE.used = U64(0)
    format_character(PAGE, code, fill, align, width)
    return PAGE.written()


def padded_text(text: Slice[U8], fill: U8, align: U8, width: U64) -> Slice[U8]:
    PAGE.used = U64(0)
    format_padded(PAGE, text, fill, align, width)
    return PAGE.written()

"""Format specifications, parsed when the program is built (or by CPython's model of it)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_INTEGER = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>^=]))?(?P<prefix>#)?(?P<zero>0)?(?P<width>\d*)(?P<group>[,_]?)(?P<kind>[dxXboc]?)",
    re.DOTALL,
)
_TEXT = re.compile(r"(?:(?P<fill>.)?(?P<align>[<>^]))?(?P<width>\d*)s?", re.DOTALL)
_BASES = {"": 10, "d": 10, "x": 16, "X": 16, "b": 2, "o": 8, "c": 0}


@dataclass(frozen=True, slots=True)
class IntegerSpec:
    """The parts of an integer's format specification, as `format_integer` takes them.

    Base 0 stands for `c`: the value is a character, written by `format_character`.
    """

    base: int
    uppercase: bool
    fill: int
    align: int
    sign_aware_zero: bool
    prefix: bool
    width: int
    group: int


@dataclass(frozen=True, slots=True)
class TextSpec:
    """The parts of a text's format specification, as `format_padded` takes them."""

    fill: int
    align: int
    width: int


def parse_integer_spec(spec: str) -> IntegerSpec:
    """Parse `[[fill]align][#][0][width][,|_][d|x|X|b|o|c]`; ValueError for anything else."""
    found = _INTEGER.fullmatch(spec)
    if found is None:
        raise ValueError(f"invalid format specifier {spec!r} for an integer")
    kind = found["kind"]
    if found["group"] == "," and kind not in ("", "d"):
        raise ValueError(f"invalid format specifier {spec!r}: ',' groups decimal digits only, use '_'")
    if kind == "c" and (found["prefix"] or found["zero"] or found["group"] or found["align"] == "="):
        raise ValueError(f"invalid format specifier {spec!r}: a character has no sign, prefix or groups")
    fill = found["fill"] or ("0" if found["zero"] else " ")
    align = found["align"] or ("=" if found["zero"] else ">")
    _check_fill(spec, fill)
    return IntegerSpec(
        base=_BASES[kind],
        uppercase=kind == "X",
        fill=ord(fill),
        align=ord(align),
        sign_aware_zero=fill == "0" and align == "=",
        prefix=found["prefix"] is not None,
        width=int(found["width"] or 0),
        group=ord(found["group"]) if found["group"] else 0,
    )


def parse_text_spec(spec: str) -> TextSpec:
    """Parse `[[fill]align][width][s]`; ValueError for anything else."""
    found = _TEXT.fullmatch(spec)
    if found is None or found["width"].startswith("0"):
        raise ValueError(f"invalid format specifier {spec!r} for text")
    fill = found["fill"] or " "
    _check_fill(spec, fill)
    return TextSpec(fill=ord(fill), align=ord(found["align"] or "<"), width=int(found["width"] or 0))


def _check_fill(spec: str, fill: str) -> None:
    if ord(fill) > 0x7F or fill in "{}":
        raise ValueError(f"invalid format specifier {spec!r}: fill with an ASCII character")

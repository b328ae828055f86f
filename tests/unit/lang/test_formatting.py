"""Formatting against CPython's own."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloudos.lang import (
    F64,
    I64,
    INTEGER_TYPES,
    U8,
    U64,
    Formattable,
    PanicKind,
    Sink,
    TextBuffer,
    VirtAddr,
    data,
    format_bool,
    format_character,
    format_float,
    format_integer,
    format_padded,
    parse_integer_spec,
    parse_text_spec,
    struct,
    write_text,
)
from tests.unit.lang.faults import panics

FILLS = st.sampled_from(["", *" *0x-_<>=."])
WIDTHS = st.sampled_from(["", *map(str, [*range(1, 40), 63, 64, 65, 66, 90, 100, 130])])


@st.composite
def integer_specs(draw: st.DrawFn) -> str:
    align = draw(st.sampled_from(["", *"<>^="]))
    fill = draw(FILLS) if align else ""
    kind = draw(st.sampled_from(["", *"dxXbo"]))
    group = draw(st.sampled_from(["", "_", ","] if kind in ("", "d") else ["", "_"]))
    flags = draw(st.sampled_from(["", "#"])) + draw(st.sampled_from(["", "0"]))
    return f"{fill}{align}{flags}{draw(WIDTHS)}{group}{kind}"


NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 9, 10, 999, 1000, 2**63 - 1, -(2**63), 2**64 - 1, 255, 256]),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-5000, 5000),
)


def formatted(value: int, spec: str) -> str:
    """What compiled code writes for f"{value:{spec}}"."""
    parts = parse_integer_spec(spec)
    sink = TextBuffer()
    format_integer(
        sink,
        U64(abs(value)),
        value < 0,
        U64(parts.base),
        parts.uppercase,
        U8(parts.fill),
        U8(parts.align),
        parts.sign_aware_zero,
        parts.prefix,
        U64(parts.width),
        U8(parts.group),
    )
    return str(sink)


@settings(max_examples=1000)
@given(NUMBERS, integer_specs())
@example(1, "04,")
@example(-1234, "#020_x")
@example(0, "0=3,")
@example(2**64 - 1, "#_b")
@example(-(2**63), "#_b")
def test_integers_are_written_as_by_cpython(value: int, spec: str) -> None:
    assert formatted(value, spec) == format(value, spec)


@given(st.sampled_from(INTEGER_TYPES), st.data(), integer_specs())
def test_integers_under_cpython(cls: type[U64], data: st.DataObject, spec: str) -> None:
    value = data.draw(st.integers(cls.MIN, cls.MAX))
    assert f"{cls(value):{spec}}" == f"{value:{spec}}"
    assert str(cls(value)) == str(value)


@pytest.mark.parametrize("spec", ["e", ".2f", "n", "s", "+", " d", ",x", "-5", "5.3", "é<5", "=5c", "05c", "zd", "%"])
def test_specs_that_are_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="invalid format"):
        parse_integer_spec(spec)
    with pytest.raises(ValueError, match="invalid format"):
        format(U64(65), spec)


@given(st.text(max_size=12), FILLS, st.sampled_from(["", *"<>^"]), st.integers(1, 80))
def test_text_is_padded_as_by_cpython(text: str, fill: str, align: str, width: int) -> None:
    text = text.encode(errors="ignore").decode()
    spec = f"{fill if align else ''}{align}{width}"
    parts = parse_text_spec(spec)
    sink = TextBuffer()
    format_padded(sink, data(text.encode()), U8(parts.fill), U8(parts.align), U64(parts.width))
    assert str(sink) == format(text, spec)


@pytest.mark.parametrize("code", [0xD800, 0xDFFF, 0x110000, 2**64 - 1])
def test_numbers_that_are_no_characters(code: int) -> None:
    with pytest.raises(AssertionError):
        format_character(TextBuffer(), U64(code), U8(32), U8(60), U64(0))
    with panics(PanicKind.ASSERTION):
        format(U64(code), "c")


@given(st.characters(codec="utf-8"), st.sampled_from(["", *"<>^"]), st.integers(0, 9))
def test_characters_are_written_as_by_cpython(character: str, align: str, width: int) -> None:
    spec = f"{align}{width or ''}c"
    parts = parse_integer_spec(spec)
    assert parts.base == 0
    sink = TextBuffer()
    format_character(sink, U64(ord(character)), U8(parts.fill), U8(parts.align), U64(parts.width))
    assert str(sink) == format(ord(character), spec)


def formatted_float(value: float, precision: int, fill: str = " ", align: str = ">", width: int = 0) -> str:
    sink = TextBuffer()
    format_float(sink, F64(value), U64(precision), U8(ord(fill)), U8(ord(align)), U64(width))
    return str(sink)


FLOATS = st.one_of(
    st.floats(),
    st.floats(-1e6, 1e6),
    st.integers(-10000, 10000).map(lambda number: number / 8),
    st.sampled_from([0.5, 1.5, 2.5, 0.125, 1e22, 1e23, 5e-324, 1.7976931348623157e308, 0.1, 9.999999, -0.0, 2.0**53]),
)


@settings(max_examples=300)
@given(FLOATS, st.one_of(st.integers(0, 6), st.integers(0, 100)))
@example(-(2.0**-1074), 100)
@example(1.7976931348623157e308, 100)
@example(0.5, 0)
@example(1.5, 0)
@example(2.5, 0)
def test_floats_are_written_as_by_cpython(value: float, precision: int) -> None:
    assert formatted_float(value, precision) == f"{value:.{precision}f}"


@given(FLOATS, st.integers(0, 3), FILLS, st.sampled_from("<>^="), st.integers(1, 40))
def test_floats_are_padded_as_by_cpython(value: float, precision: int, fill: str, align: str, width: int) -> None:
    expected = format(value, f"{fill}{align}{width}.{precision}f")
    assert formatted_float(value, precision, fill or " ", align, width) == expected


def test_bool() -> None:
    sink = TextBuffer()
    format_bool(sink, True)
    format_bool(sink, False)
    assert str(sink) == f"{True}{False}"


def test_write_text_and_formattable() -> None:
    @struct
    class Temperature(Formattable):
        degrees: I64

        def format_to(self, sink: Sink) -> None:
            write_text(sink, f"{self.degrees} °C")

    sink = TextBuffer()
    write_text(sink, f"[{Temperature(I64(-3)):>8}] {Temperature(I64(5))} at {VirtAddr(0x1000)}")
    assert str(sink) == "[   -3 °C] 5 °C at 0x1000"


def test_bytes_that_are_not_utf_8_pass_through() -> None:
    sink = TextBuffer()
    sink.write(data(b"a\xff\xc3"))
    again = TextBuffer()
    write_text(again, f"{sink}")
    assert bytes(again.content) == b"a\xff\xc3"

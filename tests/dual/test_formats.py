"""The compiled formatters against CPython's own format()."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloudos.compiler.api import compile_host
from cloudos.compiler.host_library import HostLibrary, Returned
from cloudos.lang import parse_integer_spec, parse_text_spec
from tests.dual import formats

FUNCTIONS = (formats.integer_text, formats.float_text, formats.character_text, formats.padded_text)
FILLS = st.sampled_from(["", *" *0x-_<"])


@pytest.fixture(scope="module", params=["0", "2"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HostLibrary:
    return compile_host(FUNCTIONS, tmp_path_factory.mktemp("formats") / "formats.so", request.param)


def text_of(outcome: Any) -> str:
    assert isinstance(outcome, Returned), outcome
    (content,) = outcome.values
    assert isinstance(content, bytes)
    return content.decode()


@st.composite
def integer_specs(draw: st.DrawFn) -> str:
    align = draw(st.sampled_from(["", *"<>^="]))
    fill = draw(FILLS) if align else ""
    kind = draw(st.sampled_from(["", *"dxXbo"]))
    group = draw(st.sampled_from(["", "_", ","] if kind in ("", "d") else ["", "_"]))
    flags = draw(st.sampled_from(["", "#"])) + draw(st.sampled_from(["", "0"]))
    width = draw(st.one_of(st.just(""), st.integers(1, 130).map(str)))
    return f"{fill}{align}{flags}{width}{group}{kind}"


@settings(max_examples=1000)
@given(value=st.one_of(st.integers(-5000, 5000), st.integers(-(2**63), 2**64 - 1)), spec=integer_specs())
@example(value=2**64 - 1, spec="#0130_b")
def test_integers(library: HostLibrary, value: int, spec: str) -> None:
    parts = parse_integer_spec(spec)
    arguments = (abs(value), value < 0, parts.base, parts.uppercase, parts.fill, parts.align)
    rest = (parts.sign_aware_zero, parts.prefix, parts.width, parts.group)
    assert text_of(library.call(formats.integer_text, *arguments, *rest)) == format(value, spec)


@settings(max_examples=1000)
@given(
    value=st.one_of(st.floats(), st.floats(-1e6, 1e6), st.integers(-9999, 9999).map(lambda number: number / 8)),
    precision=st.one_of(st.integers(0, 6), st.integers(0, 100)),
    fill=FILLS,
    align=st.sampled_from("<>^="),
    width=st.integers(1, 60),
)
@example(value=1.7976931348623157e308, precision=100, fill="", align=">", width=1)
@example(value=-(2.0**-1074), precision=100, fill="0", align="=", width=9)
@example(value=2.5, precision=0, fill="", align=">", width=1)
def test_floats(library: HostLibrary, value: float, precision: int, fill: str, align: str, width: int) -> None:
    outcome = library.call(formats.float_text, value, precision, ord(fill or " "), ord(align), width)
    assert text_of(outcome) == format(value, f"{fill}{align}{width}.{precision}f")


@given(character=st.characters(codec="utf-8"), width=st.integers(0, 9))
def test_characters(library: HostLibrary, character: str, width: int) -> None:
    parts = parse_integer_spec(f"{width or ''}c")
    outcome = library.call(formats.character_text, ord(character), parts.fill, parts.align, parts.width)
    assert text_of(outcome) == format(ord(character), f"{width or ''}c")


@given(text=st.text(st.characters(codec="utf-8"), max_size=12), align=st.sampled_from("<>^"), width=st.integers(1, 80))
def test_padding(library: HostLibrary, text: str, align: str, width: int) -> None:
    parts = parse_text_spec(f"{align}{width}")
    outcome = library.call(formats.padded_text, text.encode(), parts.fill, parts.align, parts.width)
    assert text_of(outcome) == format(text, f"{align}{width}")

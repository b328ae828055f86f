"""Expansion, patterns and arithmetic against Python's own."""

from __future__ import annotations

import contextlib
import fnmatch
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.apps.shell.arithmetic import LEVELS, OPERATORS, Arithmetic, ArithmeticFailure, level_of
from cloudos.apps.shell.completion import candidates, complete, layout, word_start
from cloudos.apps.shell.context import Context
from cloudos.apps.shell.interpreter import Interpreter
from cloudos.apps.shell.pattern import PLAIN, QUOTED, Marked, matches
from cloudos.apps.shell.state import State
from cloudos.contracts.console import Console
from cloudos.lang import U64, data
from cloudos.sdk import ByteBuffer, Text, host_programs
from tests.unit.apps.shell.hosting import run_shell, texts

SMALL = st.integers(min_value=-50, max_value=50)


def wrapped(value: int) -> int:
    """A number as 64 bits hold it."""
    return (value + 2**63) % 2**64 - 2**63


def evaluate(text: str, **variables: str) -> int:
    """The value of an expression."""
    state = State()
    for name, value in variables.items():
        state.set(Text(name), Text(value))
    return int(Arithmetic(Text(text), state).evaluate())


def test_levels_are_those_of_the_table() -> None:
    for level, row in enumerate(OPERATORS):
        for operator in row:
            assert int(level_of(data(operator))) == level
    assert len(OPERATORS) == LEVELS


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, int]:
    """An expression and its value, by Python."""
    if depth == 0 or draw(st.booleans()):
        value = draw(SMALL)
        return (str(value) if value >= 0 else f"({value})"), value
    left_text, left = draw(expressions(depth - 1))
    right_text, right = draw(expressions(depth - 1))
    operator = draw(st.sampled_from(["+", "-", "*", "&", "|", "^", "<", "<=", "==", "!=", ">", ">=", "&&", "||"]))
    python = {"&&": "and", "||": "or"}.get(operator, operator)
    if python in ("and", "or"):
        value = int(bool(left) and bool(right)) if python == "and" else int(bool(left) or bool(right))
    else:
        value = wrapped(int(eval(f"({left}) {python} ({right})")))
    return f"({left_text} {operator} {right_text})", value


@given(expressions())
def test_arithmetic_is_that_of_python(made: tuple[str, int]) -> None:
    text, value = made
    assert evaluate(text) == value


@given(st.lists(SMALL, min_size=2, max_size=5), st.lists(st.sampled_from(["+", "-", "*"]), min_size=4, max_size=4))
def test_operators_bind_as_in_python(numbers: list[int], operators: list[str]) -> None:
    text = str(abs(numbers[0]))
    for number, operator in zip(numbers[1:], operators, strict=False):
        text += f" {operator} {abs(number)}"
    assert evaluate(text) == eval(text)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_arithmetic_wraps_around(a: int, b: int) -> None:
    values = {"a": str(a), "b": str(b)}
    for operator in "+-*":
        if "-9223372036854775808" not in values.values():
            assert evaluate(f"a {operator} b", **values) == wrapped(eval(f"{a} {operator} ({b})"))
    if b not in (0, -1) and min(a, b) > -(2**63):
        assert evaluate("a / b", **values) == (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)
        assert evaluate("(a / b) * b + a % b", **values) == a


@pytest.mark.parametrize("text", ["1 +", "1 2", "(1", "1 / 0", "08", "0xg", "1 ? 2", "", "1 = 2", "~", "(" * 500 + "1"])
def test_what_has_no_value_is_refused(text: str) -> None:
    with pytest.raises(ArithmeticFailure):
        evaluate(text)


@given(st.text(alphabet="01x+-*/%()<>=!&|^~?: a", max_size=15))
def test_any_expression_has_a_value_or_is_refused(text: str) -> None:
    with contextlib.suppress(ArithmeticFailure):
        evaluate(text, x="3")


def marked(pattern: str, mark: int = 0) -> Marked:
    """A pattern, all unquoted or all quoted."""
    result = Marked()
    text = Text(pattern)
    result.write(text.content, QUOTED if mark else PLAIN)
    return result


@given(st.text(alphabet="ab*?", max_size=7), st.text(alphabet="abc*", max_size=7))
def test_patterns_match_as_those_of_python(pattern: str, text: str) -> None:
    subject = Text(text)
    assert matches(marked(pattern), subject.content) == (re.match(fnmatch.translate(pattern), text) is not None)
    assert matches(marked(pattern, 1), subject.content) == (pattern == text)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("[a-c]", "abc", "d-"),
        ("[!a-c]", "d-", "abc"),
        ("[]a]", "]a", "b["),
        ("[a-]", "a-", "b"),
        ("[[:digit:]x]", "09x", "a:"),
        ("[[:upper:][:space:]]", "A \t", "a"),
        ("\\*", "*", "a\\"),
    ],
)
def test_brackets(pattern: str, yes: str, no: str) -> None:
    for letter in yes:
        assert matches(marked(pattern), Text(letter).content), letter
    for letter in no:
        assert not matches(marked(pattern), Text(letter).content), letter


@given(st.lists(st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=0x7F), max_size=8), max_size=4))
def test_quoted_arguments_arrive_unchanged(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    directory = tmp_path_factory.mktemp("shell") / "work"
    directory.mkdir()
    words = " ".join("'" + value.replace("'", "'\\''") + "'" for value in values)
    script = f'set -- {words}\nfor i in "$@"; do printf "%s\\n;" "$i"; done\nx="$*"; eval "y=\\$x"; printf "%s" "$y"'
    found = run_shell(["-c", script], directory)
    assert found.output.decode() == "".join(f"{value}\n;" for value in values) + " ".join(values)


@pytest.fixture
def shell(tmp_path: Path) -> Context:
    """A context in a directory with some files."""
    for name in ("alpha", "alpine", "b c", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "inner").touch()
    host_programs.use()
    context = Context()
    context.state.directory = Text(str(tmp_path))
    context.state.set(Text("PATH"), Text("/nowhere"))
    context.state.set(Text("variable"), Text("1"))
    Interpreter(context).run_text(Text("greet() { :; }"))
    return context


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cat alphab", "cat alphab"),
        ("cat al", "cat alp"),
        ("cat alpi", "cat alpine "),
        ("cat d", "cat directory/"),
        ("cat directory/", "cat directory/inner "),
        ("cat b", "cat b\\ c "),
        ("cat .h", "cat .hidden "),
        ("gre", "greet "),
        ("true; gre", "true; greet "),
        ("rea", "read"),
        ("echo $vari", "echo $variable "),
        ("echo ${vari", "echo ${variable "),
        ("echo x >alphab", "echo x >alphab"),
        ("echo x >dir", "echo x >directory/"),
    ],
)
def test_completion(shell: Context, line: str, expected: str) -> None:
    text, cursor = complete(shell, Text(line), U64(len(line)), Console(U64(0)))
    assert str(text) == expected
    assert int(cursor) == len(expected)


def test_completion_within_a_line(shell: Context) -> None:
    text, cursor = complete(shell, Text("cat alpi | wc"), U64(8), Console(U64(0)))
    assert (str(text), int(cursor)) == ("cat alpine  | wc", 11)
    line = Text("cat al")
    found, place = candidates(shell, line, word_start(line, line.length), line.length)
    assert [str(one) for one in found.texts] == ["alpha", "alpine"]
    assert int(place) == 4


def test_candidates_in_columns() -> None:
    output = ByteBuffer()
    layout(texts("a", "bb", "ccc", "d", "e"), U64(15), output)
    assert str(output.to_text()) == "a    ccc  e\nbb   d\n"

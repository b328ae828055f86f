"""The line editor: every key against a model of lines, everything it draws against a model of a terminal."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.contracts.console import ACCEPTED, COMPLETE, END, INTERRUPT
from cloudos.lang import U8, U32, U64, Array, data
from cloudos.services.console.display import new_display
from cloudos.services.console.editor import Editor, new_editor
from cloudos.services.console.glyphs import encode, glyph_at
from cloudos.services.console.history import new_history
from tests.unit.services.terminal_model import Terminal, width

LEFT, RIGHT, UP, DOWN = b"\x1b[D", b"\x1b[C", b"\x1b[A", b"\x1b[B"
HOME, LAST, DELETE = b"\x1b[H", b"\x1b[F", b"\x1b[3~"
WORD_LEFT, WORD_RIGHT = b"\x1b[1;5D", b"\x1bf"
LETTERS = "ab cd_9.éßж日本語한🙂\u0301"


class Bench:
    """An editor on a terminal."""

    def __init__(self, columns: int = 80, rows: int = 24, history: tuple[str, ...] = ()) -> None:
        self.terminal = Terminal(columns, rows)
        lines = new_history()
        for line in history:
            lines.remember(data(line.encode()))
        self.editor: Editor = new_editor(new_display(), lines)
        self.editor.display.resize(U64(columns), U64(rows))
        self.prompt = ""

    def begin(self, prompt: str = "$ ", text: str = "", cursor: int | None = None, plain: bool = False) -> Bench:
        self.prompt = prompt
        content = text.encode()
        at = len(content) if cursor is None else cursor
        column = self.terminal.columns if self.terminal.pending else self.terminal.column
        self.editor.begin(data(prompt.encode()), data(content), U64(at), U64(column), plain)
        self.show()
        return self

    def show(self) -> None:
        out = self.editor.display.out
        self.terminal.feed(bytes(int(byte) for byte in out.content()))
        out.clear()

    def type(self, keys: bytes | str) -> int:
        """The last outcome; the line must not end earlier."""
        outcome = 0
        for byte in keys.encode() if isinstance(keys, str) else keys:
            assert outcome == 0
            outcome = int(self.editor.feed(U8(byte)))
            self.show()
        return outcome

    @property
    def line(self) -> str:
        return bytes(int(byte) for byte in self.editor.line.text()).decode()

    @property
    def before(self) -> str:
        """The text before the cursor."""
        return self.line.encode()[: int(self.editor.line.cursor)].decode()


def clusters(text: str) -> list[str]:
    """Characters with what combines with them."""
    found: list[str] = []
    for character in text:
        if found and width(character) == 0:
            found[-1] += character
        else:
            found.append(character)
    return found


def laid_out(text: str, columns: int) -> tuple[list[str], tuple[int, int]]:
    """Rows of a text on an endless terminal, and where the cursor is behind it."""
    rows, column = [""], 0
    for character in text:
        if column + width(character) > columns:
            rows, column = [*rows, ""], 0
        rows[-1] += character
        column += width(character)
    if column == columns:
        rows, column = [*rows, ""], 0
    return rows, (len(rows) - 1, column)


def bare(line: str) -> str:
    """A line without combining marks."""
    return "".join(character for character in line if not unicodedata.combining(character))


def check(bench: Bench, start: str = "") -> None:
    """The screen shows what was there, prompt and line, and the cursor is where it should be."""
    columns, rows = bench.terminal.columns, bench.terminal.rows
    shown, _ = laid_out(start + bench.prompt + bench.line, columns)
    _, (row, column) = laid_out(start + bench.prompt + bench.before, columns)
    assert len(shown) <= rows, "for this test the line must fit"
    lines = bench.terminal.lines()
    top = bench.terminal.row - row
    assert top >= 0
    # Terminals differ in what they do with a mark that stands at an edge; the width of the line is what counts.
    # A mark on a blank at the end of a line: only without it is the blank at the end.
    lines, shown = [bare(line).rstrip() for line in lines], [bare(line) for line in shown]
    expected = [line.rstrip() for line in shown] + [""] * (rows - top - len(shown))
    assert lines[top:] == expected
    assert (bench.terminal.row, bench.terminal.column) == (top + row, column)


def test_the_table_of_widths_agrees_with_unicode() -> None:
    for code in [*range(0x20, 0x7F), *range(0xA1, 0x600, 3), *range(0x3041, 0x30FF), *range(0x3400, 0xD7A4, 97)]:
        character = chr(code)
        if character.isprintable() and character.isalpha():
            glyph = glyph_at(data(character.encode()), U64(0))
            assert int(glyph.code) == code
            assert int(glyph.width) == width(character), hex(code)


@given(st.text(min_size=1, max_size=1))
def test_encoding_is_pythons(character: str) -> None:
    into = Array[U8, Literal[4]]()
    count = encode(U32(ord(character)), into.slice())
    assert bytes(int(byte) for byte in into.slice()[0:count]) == character.encode()


@given(st.binary(min_size=1, max_size=6))
def test_what_is_no_character_is_one_replacement(content: bytes) -> None:
    glyph = glyph_at(data(content), U64(0))
    for length in range(1, 5):
        try:
            character = content[:length].decode()
        except UnicodeDecodeError:
            continue
        if not 0x80 <= ord(character[0]) < 0xA0:
            assert (int(glyph.length), int(glyph.code)) == (length, ord(character[0]))
            return
        break
    assert (int(glyph.length), int(glyph.code)) == (1, 0xFFFD)


@pytest.mark.parametrize(
    ("keys", "before", "after"),
    [
        (b"abc", "abc", ""),
        (b"abc" + LEFT + b"x", "abx", "c"),
        (b"abc\x01x", "x", "abc"),
        (b"abc" + HOME + RIGHT + b"x\x05y", "axbcy", ""),
        (b"abc\x02\x02\x06\x7f", "a", "c"),
        (b"abc" + HOME + DELETE, "", "bc"),
        (b"abc\x01\x04", "", "bc"),
        (b"one two  three\x17", "one two  ", ""),
        (b"one two  three\x17\x17", "one ", ""),
        (b"one/two\x1b\x7f", "one/", ""),
        (b"one two\x01\x1bd", "", " two"),
        (b"one two\x15\x19\x19", "one twoone two", ""),
        (b"one two" + WORD_LEFT + b"\x0b\x01\x19", "two", "one "),
        (b"one two\x01" + WORD_RIGHT, "one", " two"),
        (b"one two\x1bb\x1bb\x1b[1;3C", "one", " two"),
        (b"ab\x14", "ba", ""),
        (b"abc\x02\x14", "acb", ""),
        (b"abc\x01\x14", "", "abc"),
        ("日本".encode() + LEFT + b"x", "日x", "本"),
        ("e\u0301a".encode() + LEFT + b"\x7f", "", "a"),
        ("éa".encode() + b"\x14", "aé", ""),
        (b"a\x1b[5~b\x1b[99zc\x1bOHx\x1bOFy", "xabcy", ""),
        (b"a\xff\xc3b", "ab", ""),
        (b"\x1b[1~" + b"b" + HOME + b"a\x1b[4~c", "abc", ""),
    ],
)
def test_keys(keys: bytes, before: str, after: str) -> None:
    bench = Bench().begin()
    assert bench.type(keys) == 0
    assert (bench.before, bench.line) == (before, before + after)
    check(bench)


def test_what_ends_a_line() -> None:
    bench = Bench().begin()
    assert bench.type("ls\r") == ACCEPTED
    assert bench.terminal.lines()[:2] == ["$ ls", ""]
    assert (bench.terminal.row, bench.terminal.column) == (1, 0)
    assert bench.begin().type("") == 0
    assert bench.type(b"\x04") == END
    assert Bench().begin().type("l\t") == COMPLETE
    bench = Bench().begin()
    assert bench.type(b"word" + HOME + b"\x03") == INTERRUPT
    assert bench.terminal.text() == "$ word^C"


def test_interrupt_works_within_a_sequence() -> None:
    assert Bench().begin().type(b"a\x1b[1\x03") == INTERRUPT


def test_a_line_may_begin_with_text() -> None:
    bench = Bench().begin("> ", "given text", 5)
    check(bench)
    bench.type("X")
    assert bench.line == "givenX text"
    check(bench)


def test_a_cursor_within_a_character_moves_before_it() -> None:
    assert Bench().begin("", "aé", 2).before == "a"


def test_history() -> None:
    bench = Bench(history=("one", "two", "two", "", "three")).begin()
    bench.type(b"new" + UP)
    assert bench.line == "three"
    bench.type(UP + UP)
    assert bench.line == "one"
    bench.type(UP)
    assert bench.terminal.bells == 1
    bench.type(DOWN + b"x" + DOWN + b"\x0e")
    assert bench.line == "new"
    bench.type(b"\x10")
    assert bench.line == "three"
    check(bench)


def test_history_has_200_lines() -> None:
    lines = new_history()
    for number in range(250):
        lines.remember(data(f"line {number}".encode()))
    assert lines.lines.length == 200
    assert bytes(int(byte) for byte in lines.lines[0].content) == b"line 50"


def test_search() -> None:
    bench = Bench(history=("make test", "ls", "make all", "cd")).begin()
    bench.type(b"mine\x12make")
    assert bench.line == "make all"
    assert bench.terminal.text() == "(search) `make': make all"
    bench.type(b"\x12")
    assert bench.line == "make test"
    bench.type(b"\x12")
    assert bench.terminal.text() == "(no such line) `make': make test"
    bench.type(b"\x7f\x7f\x7f\x7f")
    bench.type(b"l\x01")
    assert bench.line == "make all"
    check(bench)
    bench.type(b"\x12zzz\x07")
    assert bench.line == "make all"
    check(bench)
    assert bench.type(b"\x12cd\r") == ACCEPTED
    assert bench.line == "cd"


def test_clearing_the_screen() -> None:
    bench = Bench()
    bench.terminal.feed(b"old\r\nold\r\n")
    bench.begin().type(b"word\x0c")
    assert bench.terminal.text() == "$ word"
    check(bench)


def test_colours_and_rows_of_a_prompt() -> None:
    bench = Bench(20)
    bench.begin("\x1b[1mfirst\nsecond\x1b[0m> ").type("x" * 30)
    assert bench.terminal.lines()[:4] == ["first", "second> " + "x" * 12, "x" * 18, ""]
    bench.type(b"\x15")
    assert bench.terminal.lines()[:3] == ["first", "second>", ""]


def test_control_characters_are_shown() -> None:
    bench = Bench().begin("", "a\tb\x1b\x7f")
    assert bench.terminal.text() == "a^Ib^[^?"
    assert bench.terminal.column == 8
    bench.type(LEFT + LEFT + b"x")
    assert bench.terminal.text() == "a^Ibx^[^?"


def test_a_plain_line_has_no_history_and_keeps_tabs() -> None:
    bench = Bench(history=("old",)).begin("", plain=True)
    bench.type(b"a\tb" + UP + b"\x12")
    assert bench.line == "a\tb"
    assert bench.type(b"\x04") == END


def test_a_line_has_4000_bytes() -> None:
    bench = Bench(200, 60).begin("$ ", "x" * 3999)
    bench.type("é")
    assert len(bench.line) == 3999
    assert bench.terminal.bells == 1
    bench.type("yz")
    assert bench.line[-2:] == "xy"


def test_a_line_that_is_longer_than_the_window_follows_the_cursor() -> None:
    bench = Bench(10, 4)
    bench.terminal.feed(b"abc")
    text = "".join(chr(ord("a") + n % 26) for n in range(95))
    bench.begin("> ").type(text)
    assert bench.terminal.lines() == [text[65:75], text[75:85], text[85:95], ""]
    bench.type(HOME)
    assert bench.terminal.lines()[1] == text[5:15]
    assert bench.terminal.lines()[0][3:] == "> " + text[:5]
    assert (bench.terminal.row, bench.terminal.column) == (0, 5)
    bench.type(RIGHT * 50)
    assert bench.terminal.cells[bench.terminal.row][bench.terminal.column] == text[50]
    bench.type(b"\x0b\x15")
    assert bench.terminal.lines()[0][3:] == ">"
    assert bench.terminal.lines()[1:] == ["", "", ""]


KEYS = st.one_of(
    st.sampled_from(
        [LEFT, RIGHT, UP, DOWN, HOME, LAST, DELETE, WORD_LEFT, WORD_RIGHT, b"\x7f", b"\x0b", b"\x14", b"\x17", b"\x19"]
    ),
    st.text(LETTERS, min_size=1, max_size=12).map(str.encode),
)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(8, 30), st.integers(0, 29), st.integers(0, 11), st.sampled_from(["", "$ ", "日本> ", "long prompt: "]),
    st.text(LETTERS, max_size=20), st.lists(KEYS, max_size=12),
)  # fmt: skip
def test_the_screen_always_shows_the_line(
    columns: int, indent: int, above: int, prompt: str, text: str, keys: list[bytes]
) -> None:
    bench = Bench(columns, 60, ("first line of the history", "日本語 한국 " * 4, "x" * columns))
    start = "." * min(indent, columns)
    bench.terminal.feed(b"above\r\n" * above + start.encode())
    bench.begin(prompt, text)
    check(bench, start)
    for key in keys:
        bench.type(key)
        check(bench, start)
    assert bench.terminal.lines()[:above] == ["above"] * above


@settings(max_examples=30, deadline=None)
@given(st.lists(KEYS, max_size=20))
def test_a_small_window_shows_the_cursor_at_its_character(keys: list[bytes]) -> None:
    bench = Bench(8, 3)
    bench.begin("> ")
    for key in keys:
        bench.type(key)
        rest = clusters(bench.line[len(bench.before) :])
        if rest and width(rest[0][0]) == 1:
            assert bench.terminal.cells[bench.terminal.row][bench.terminal.column] == rest[0]


@settings(max_examples=40, deadline=None)
@given(st.lists(KEYS, max_size=20))
def test_the_line_is_that_of_a_list_of_characters(keys: list[bytes]) -> None:
    """Moving and erasing by characters, against a list with a position."""
    bench = Bench().begin()
    before: list[str] = []
    after: list[str] = []
    for key in keys:
        if key in (UP, DOWN, WORD_LEFT, WORD_RIGHT, b"\x14", b"\x17", b"\x19"):
            continue
        bench.type(key)
        if key == LEFT and before:
            after.insert(0, before.pop())
        elif key == RIGHT and after:
            before.append(after.pop(0))
        elif key == HOME:
            before, after = [], before + after
        elif key == LAST:
            before, after = before + after, []
        elif key == DELETE:
            after = after[1:]
        elif key == b"\x7f":
            before = before[:-1]
        elif key == b"\x0b":
            after = []
        elif key not in (LEFT, RIGHT):
            before = clusters("".join(before) + key.decode())
        assert bench.before == "".join(before)
        assert bench.line == "".join(before + after)

"""The shell's reading of scripts: lexer, parser, arithmetic, patterns, completion; any text.

A script is parsed or refused by SyntaxFailure with a line that it has. What was parsed is the same again after it has
been packed for a shell of its own process. Nothing is run.
"""

from __future__ import annotations

from contextlib import suppress

from cloudos.apps.shell import completion
from cloudos.apps.shell.arithmetic import Arithmetic, ArithmeticFailure
from cloudos.apps.shell.carry_tree import Packer, Unpacker
from cloudos.apps.shell.lexer import SyntaxFailure
from cloudos.apps.shell.parser import Parser, text_lexer
from cloudos.apps.shell.pattern import PLAIN, QUOTED, Marked, matches
from cloudos.apps.shell.state import State
from cloudos.apps.shell.tree import Node
from cloudos.lang import U8, U64
from cloudos.sdk import ByteBuffer, List, Text
from tests.fuzz.services import literal
from tests.fuzz.target import Feed

MOST_COMMANDS = 50


def fuzz(data: bytes) -> None:
    """Read the text as one of those things."""
    feed = Feed(data)
    form = feed.number() & 7
    text = Text.from_bytes(literal(feed.rest()))
    if form < 4:
        parse(text, data.count(b"\n") + 1)
    elif form == 4:
        evaluate(text)
    elif form == 5:
        match(text)
    else:
        complete(text, data)


def parse(text: Text, lines: int) -> None:
    """Parse a script."""
    lexer = text_lexer(text)
    parser = Parser(lexer)
    try:
        for _ in range(MOST_COMMANDS):
            node = parser.next_command()
            if node is None:
                return
            carry(node)
    except SyntaxFailure:
        assert lexer.problem.length > 0, "refused without a reason"
        assert 1 <= lexer.line <= lines + 1, f"line {lexer.line} of {lines}"


def packed(node: Node) -> bytes:
    """A command as bytes."""
    packer = Packer(ByteBuffer())
    packer.node(node)
    return bytes(int(byte) for byte in packer.out.content())


def carry(node: Node) -> None:
    """To bytes, and back."""
    content = packed(node)
    again = ByteBuffer()
    again.write(literal(content))
    assert packed(Unpacker(again, U64(0)).node()) == content


def evaluate(text: Text) -> None:
    """As an arithmetic expression."""
    state = State()
    state.set(Text("x"), Text("7"))
    state.set(Text("y"), Text("x + 1"))
    arithmetic = Arithmetic(text, state)
    with suppress(ArithmeticFailure):
        arithmetic.evaluate()


def match(text: Text) -> None:
    """A pattern and a text, separated by a newline; the first byte says which bytes are quoted."""
    parts = text.split("\n")
    if parts.length < 2:
        return
    pattern = Marked()
    for index in U64.range(parts[0].length):
        pattern.add(parts[0][index], U8(QUOTED if (int(index) * 7 + int(text.length)) % 11 == 0 else PLAIN))
    matches(pattern, parts[1].content)
    pattern.has_pattern()
    pattern.text()


def complete(text: Text, data: bytes) -> None:
    """What is done to a line when the completion key is pressed."""
    cursor = U64(data[-1] % (int(text.length) + 1))
    start = completion.word_start(text, cursor)
    assert start <= cursor
    completion.is_command_position(text, start)
    word = text.slice(start, cursor)
    quoted = completion.escaped(word)
    assert completion.unescaped(quoted.content) == word
    names = List[Text]()
    for part in text.words():
        names.append(part)
    completion.layout(names, U64(data[0] + 1), ByteBuffer())
